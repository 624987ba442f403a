//! Imports point down the layers, or stay in their own folder.
//!
//! Drivers → flows → edges → formats → vocabulary. Edges never import each other: if two must meet,
//! they meet in a flow. Within the other layers modules may import each other, but not in a circle.
//! Tests inside a module may import what they like.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every module of the crate, by layer, from the top. A new module must be put into one of them.
const LAYERS: [(&str, &[&str]); 5] = [
    ("driver", &["main", "cli", "demo"]),
    (
        "flow",
        &[
            "backup",
            "customers",
            "fill",
            "forget",
            "init",
            "inspect",
            "keys",
            "repo",
            "restore",
            "status",
            "verify",
        ],
    ),
    (
        "edge",
        &["catalog", "config", "keyring", "source", "spill", "store"],
    ),
    (
        "format",
        &[
            "certificate",
            "journal",
            "manifest",
            "object",
            "pack",
            "page",
            "piece",
            "seal",
        ],
    ),
    (
        "vocabulary",
        &[
            "clock", "error", "fsx", "hint", "ids", "report", "rules", "schema", "secret", "value",
        ],
    ),
];

/// The layer whose modules never import each other.
const APART: &str = "edge";

fn layer(module: &str) -> Option<usize> {
    LAYERS
        .iter()
        .position(|(_, modules)| modules.contains(&module))
}

/// Replaces comments, texts and characters by blanks, so that what is left is code.
fn code_only(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &source[at..];
        let skipped = comment(rest)
            .or_else(|| text(rest, &out))
            .or_else(|| character(rest));
        match skipped {
            Some(length) => {
                out.push(' ');
                out.extend(rest[..length].chars().filter(|c| *c == '\n'));
                at += length;
            }
            None => {
                let c = rest.chars().next().unwrap();
                out.push(c);
                at += c.len_utf8();
            }
        }
    }
    out
}

fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if here.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += 1;
        }
        if depth == 0 {
            break;
        }
    }
    Some(at)
}

/// The length of the text literal that begins here, raw ones included.
fn text(rest: &str, before: &str) -> Option<usize> {
    let in_a_word = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let prefix = if in_a_word {
        0
    } else {
        rest.bytes().take_while(|b| b"bcr".contains(b)).count()
    };
    let raw = rest[..prefix].contains('r');
    let hashes = if raw {
        rest[prefix..].bytes().take_while(|b| *b == b'#').count()
    } else {
        0
    };
    let open = prefix + hashes;
    if rest.as_bytes().get(open) != Some(&b'"') {
        return None;
    }
    let body = &rest[open + 1..];
    if raw {
        let close = format!("\"{}", "#".repeat(hashes));
        return Some(
            body.find(&close)
                .map_or(rest.len(), |end| open + 1 + end + close.len()),
        );
    }
    let mut escaped = false;
    for (index, byte) in body.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(open + 1 + index + 1),
            _ => {}
        }
    }
    Some(rest.len())
}

/// The length of the character literal that begins here; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('\'')?;
    if let Some(escape) = body.strip_prefix('\\') {
        let first = escape.chars().next()?.len_utf8();
        return escape[first..].find('\'').map(|end| 2 + first + end + 1);
    }
    let first = body.chars().next()?.len_utf8();
    body[first..].starts_with('\'').then_some(1 + first + 1)
}

/// Cuts out everything that is compiled for tests alone: `#[cfg(test)]` and the item behind it.
fn without_tests(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some(start) = rest.find("#[cfg(test)]") {
        out.push_str(&rest[..start]);
        rest = &rest[start + item_length(&rest[start..])..];
    }
    out + rest
}

/// The length of the item that begins here with an attribute: up to its `;`, or its closing brace.
fn item_length(item: &str) -> usize {
    let mut depth = 0usize;
    for (index, c) in item.char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && c == '}' {
                    return index + 1;
                }
            }
            ';' if depth == 0 => return index + 1,
            _ => {}
        }
    }
    item.len()
}

/// The modules named after `crate::` in a piece of code.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, word) in code.match_indices("crate") {
        let before = code[..at].chars().next_back();
        let is_word = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$');
        let Some(path) = code[at + word.len()..].trim_start().strip_prefix("::") else {
            continue;
        };
        if is_word {
            heads(path.trim_start(), &mut found);
        }
    }
    found
}

/// The first names of a path: one, or those of a group in braces.
fn heads(path: &str, found: &mut BTreeSet<String>) {
    let Some(group) = path.strip_prefix('{') else {
        found.extend(head(path));
        return;
    };
    let (mut depth, mut start) = (0, 0);
    for (index, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' | ',' if depth == 0 => {
                found.extend(head(group[start..index].trim_start()));
                start = index + 1;
                if c == '}' {
                    return;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
}

fn head(path: &str) -> Option<String> {
    let end = path
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(path.len());
    (end > 0).then(|| path[..end].to_owned())
}

/// All Rust files below a folder, relative to it.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

/// The top-level module that a file belongs to, and how many `super::` lead out of it.
fn place(file: &Path) -> (String, usize) {
    let parts: Vec<String> = file
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    let depth = parts.len() - usize::from(parts.len() > 1 && parts.ends_with(&["mod".to_owned()]));
    (parts[0].clone(), depth)
}

#[derive(Default)]
struct Findings {
    wrong: Vec<String>,
    /// Who imports whom, among modules of one layer.
    beside: BTreeMap<String, BTreeSet<String>>,
}

impl Findings {
    fn look_at(&mut self, file: &Path, source: &str) {
        let (module, depth) = place(file);
        let code = without_tests(&code_only(source));
        let shown = file.display();
        if code.contains(&"super::".repeat(depth)) {
            self.wrong.push(format!(
                "{shown}: leaves its module by `super::`; write `crate::`"
            ));
        }
        let Some(from) = layer(&module) else {
            self.wrong.push(format!(
                "{shown}: `{module}` is in no layer; put it into one"
            ));
            return;
        };
        for import in imports(&code) {
            if import == module {
                continue;
            }
            match layer(&import) {
                None => self
                    .wrong
                    .push(format!("{shown}: `crate::{import}` is in no layer")),
                Some(to) if to < from || (to == from && LAYERS[to].0 == APART) => {
                    let (from, to) = (LAYERS[from].0, LAYERS[to].0);
                    let what = format!("{from} `{module}` imports {to} `{import}`");
                    self.wrong.push(format!("{shown}: {what}"));
                }
                Some(to) if to == from => {
                    self.beside
                        .entry(module.clone())
                        .or_default()
                        .insert(import);
                }
                Some(_) => {}
            }
        }
    }

    /// A circle of imports within one layer, if there is one.
    fn circle(&self) -> Option<Vec<String>> {
        let mut done = BTreeSet::new();
        let starts = self.beside.keys();
        starts
            .into_iter()
            .find_map(|start| self.circle_from(start, &mut Vec::new(), &mut done))
    }

    fn circle_from(
        &self,
        at: &str,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(start) = way.iter().position(|module| module == at) {
            return Some(way[start..].to_vec());
        }
        if done.contains(at) {
            return None;
        }
        way.push(at.to_owned());
        let next = self.beside.get(at).into_iter().flatten();
        let found = next
            .into_iter()
            .find_map(|module| self.circle_from(module, way, done));
        way.pop();
        done.insert(at.to_owned());
        found
    }
}

#[test]
fn imports_point_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&root);
    let mut findings = Findings::default();
    // lib.rs only lists the modules.
    for file in files
        .iter()
        .filter(|file| file.as_path() != Path::new("lib.rs"))
    {
        findings.look_at(file, &fs::read_to_string(root.join(file)).unwrap());
    }
    assert!(findings.wrong.is_empty(), "\n{}", findings.wrong.join("\n"));
    assert_eq!(
        findings.circle(),
        None,
        "modules that import each other in a circle"
    );
}

#[test]
fn no_module_is_in_two_layers() {
    let all: Vec<_> = LAYERS.iter().flat_map(|(_, modules)| *modules).collect();
    let distinct: BTreeSet<_> = all.iter().collect();
    assert_eq!(all.len(), distinct.len());
}

/// What is found in a file of one line or more.
fn complaint(file: &str, source: &str) -> String {
    let mut findings = Findings::default();
    findings.look_at(Path::new(file), source);
    findings.wrong.join("\n")
}

#[test]
fn what_points_up_is_found() {
    for (file, source, expected) in [
        (
            "store/local.rs",
            "use crate::backup::run;",
            "edge `store` imports flow `backup`",
        ),
        (
            "store/mod.rs",
            "use crate::{ids, source::{Rules, x}};",
            "edge `store` imports edge `source`",
        ),
        (
            "pack.rs",
            "fn f() { crate :: store::put() }",
            "format `pack` imports edge `store`",
        ),
        (
            "ids.rs",
            "use crate::{\n    value::Value,\n    seal,\n};",
            "imports format `seal`",
        ),
        (
            "seal.rs",
            "let c = '\"'; use crate::cli; let d = '\"';",
            "imports driver `cli`",
        ),
        (
            "seal.rs",
            "let c = r#\"\"\"#; use crate::cli;",
            "imports driver `cli`",
        ),
        ("new.rs", "", "`new` is in no layer"),
        (
            "cli.rs",
            "use crate::unheard_of::X;",
            "`crate::unheard_of` is in no layer",
        ),
        ("pack.rs", "use super::store;", "leaves its module"),
        ("store/mod.rs", "use super::source;", "leaves its module"),
        (
            "store/local.rs",
            "use super::super::source;",
            "leaves its module",
        ),
    ] {
        let found = complaint(file, source);
        assert!(found.contains(expected), "{file}: {source}: {found:?}");
    }
}

#[test]
fn what_points_down_stays_home_or_is_a_test_is_not() {
    for (file, source) in [
        ("backup.rs", "use crate::{store, source::Rules, ids};"),
        (
            "store/local.rs",
            "use crate::store::Store; use super::Store; use crate::ids::X;",
        ),
        (
            "ids.rs",
            "// use crate::cli;\n/// [x](crate::cli)\n/* /* */ crate::cli */",
        ),
        (
            "ids.rs",
            "const A: &str = \"\\\"crate::cli\"; const B: &str = r##\"\"# crate::cli\"##;",
        ),
        (
            "ids.rs",
            "fn f<'a>(x: &'a str) {} #[cfg(test)]\nmod tests { use crate::cli; fn g() { if x[0] {} } }",
        ),
        ("ids.rs", "#[cfg(test)] use crate::cli;\nuse mycrate::cli;"),
        ("main.rs", "fn main() { tenure::cli::run() }"),
    ] {
        assert_eq!(complaint(file, source), "", "{file}: {source}");
    }
}

#[test]
fn a_circle_is_found() {
    let mut findings = Findings::default();
    findings.look_at(Path::new("backup.rs"), "use crate::repo;");
    findings.look_at(Path::new("repo.rs"), "use crate::{keys, ids};");
    assert_eq!(findings.circle(), None);
    findings.look_at(Path::new("keys.rs"), "use crate::repo;");
    assert_eq!(
        findings.circle(),
        Some(vec!["repo".to_owned(), "keys".to_owned()])
    );
}
