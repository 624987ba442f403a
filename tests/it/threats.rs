//! `docs/threats.md` says of each threat which tests show what is done about it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The text between backquotes that names a test or a module of tests.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|name| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:".contains(c);
        name.chars().all(plain)
    })
}

/// The names of all tests of the program, as its test runner lists them.
fn tests() -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for root in ["src", "tests/it"] {
        collect(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join(root),
            "",
            &mut tests,
        );
    }
    tests
}

/// Adds every function below `dir` that is marked as a test, with the modules that lead to it.
fn collect(dir: &Path, above: &str, tests: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let module = match stem {
            "mod" | "lib" | "main" => above.to_owned(),
            stem => format!("{above}{stem}::"),
        };
        if path.is_dir() {
            collect(&path, &module, tests);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let code = fs::read_to_string(&path).unwrap();
            let marked = code.split("#[test]").skip(1);
            let names = marked.filter_map(|after| after.split_once("fn ")?.1.split_once('('));
            tests.extend(names.map(|(name, _)| format!("{module}{name}")));
        }
    }
}

fn is_there(name: &str, tests: &BTreeSet<String>) -> bool {
    let module = format!("{name}::");
    let is_it = |test: &String| {
        test == name || test.ends_with(&format!("::{name}")) || test.starts_with(&module)
    };
    tests.iter().any(is_it)
}

#[test]
fn every_line_names_tests_that_are_there() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/threats.md"));
    let text = text.unwrap();
    let tests = tests();
    assert!(!is_there("threats::a_test_that_is_not_there", &tests));
    let missing: Vec<_> = named(&text)
        .filter(|name| !is_there(name, &tests))
        .collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
    // Each line of what is done about a threat names one, or says that nothing is.
    for (heading, line) in lines(&text) {
        let says = line.contains("*Not defended*")
            || line.contains("That is not defended against")
            || line.contains("that is what");
        assert!(
            says || named(&line).next().is_some(),
            "{heading}: no test for: {line}"
        );
    }
}

/// The items of each heading, as one line each.
fn lines(text: &str) -> Vec<(String, String)> {
    let (mut lines, mut heading) = (Vec::<(String, String)>::new(), String::new());
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut heading);
        } else if let Some(item) = line.strip_prefix("- ") {
            lines.push((heading.clone(), item.to_owned()));
        } else if line.starts_with("  ")
            && let Some((_, last)) = lines.last_mut()
        {
            last.push(' ');
            last.push_str(line.trim());
        }
    }
    lines
}
