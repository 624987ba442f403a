//! Every sample in `config/` is understood, and every file in `tests/fixtures/config/bad/` is
//! refused with the complaint that it names.
//!
//! The first line of a bad file is `# expect: TEXT`: one complaint, together with its hint, must
//! contain the text. The line on which the complaint must be made ends in `# <<`; where no line
//! does, the complaint must be about the file as a whole. `# at: PATH` on the second line says
//! where the file is taken to lie, if not in a folder of its own outside /etc.

use std::fs;
use std::path::{Path, PathBuf};

use tenure::config::{Config, ConfigError, Problem};

fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn every_sample_is_understood() {
    let samples = files("config");
    assert!(samples.len() >= 2);
    for (path, text) in samples {
        let installed = Path::new("/etc/tenure").join(path.file_name().unwrap());
        let config = Config::parse(&installed, &text).unwrap_or_else(|error| panic!("{error}"));
        config
            .check_files()
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(config.text(), text);
        assert_eq!(config.path(), installed);
        assert!(
            config
                .source(config.register.as_str())
                .unwrap()
                .rules
                .register
                .is_some()
        );
    }
}

/// The first complaint of the first stage, or else of the second.
fn refuse(at: &Path, text: &str) -> Result<(), ConfigError> {
    Config::parse(at, text)?.check_files()
}

fn whole(problem: &Problem) -> String {
    format!(
        "{} ({})",
        problem.what,
        problem.hint.as_deref().unwrap_or("no hint")
    )
}

#[test]
fn every_bad_one_is_refused_with_its_complaint() {
    let bad = files("tests/fixtures/config/bad");
    assert!(bad.len() >= 20, "{} files", bad.len());
    let wrong: Vec<String> = bad
        .iter()
        .filter_map(|(path, text)| {
            let wrong = check_complaint(text).err()?;
            Some(format!("{}: {wrong}", path.display()))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Fails unless the text is refused as its comments say.
fn check_complaint(text: &str) -> Result<(), String> {
    let mut lines = text.lines();
    let expected = lines
        .next()
        .and_then(|line| line.strip_prefix("# expect: "));
    let expected = expected.ok_or("no `# expect:`")?;
    let at = lines.next().and_then(|line| line.strip_prefix("# at: "));
    let at = Path::new(at.unwrap_or("/nowhere/tenure/tenure.toml"));
    let line = text.lines().position(|line| line.ends_with("# <<"));
    let line = line.map(|index| index + 1);

    let error = refuse(at, text).err().ok_or("it is taken")?;
    let [problem] = error.problems() else {
        return Err(format!("one complaint was expected\n{error}"));
    };
    // Where the parser itself complains there is nothing to add.
    let of_the_parser = ["TOML", "type"]
        .iter()
        .any(|word| problem.what.contains(word));
    if !whole(problem).contains(expected) {
        Err(format!("complains otherwise: {}", whole(problem)))
    } else if problem.at.map(|(line, _)| line) != line || problem.file != at {
        Err(format!("complains of another place: {problem}"))
    } else if problem.hint.is_none() && !of_the_parser {
        Err("does not say what to write instead".to_owned())
    } else {
        Ok(())
    }
}

#[test]
fn everything_is_told_at_once() {
    let text = "\
time_zone = 'Europe/Berln'
colour = 'red'
[customers]
source = 'crm'
[keys]
recovery = ['age1nonsense']
[[source]]
name = 'CRM'
kind = 'sqllite'
path = 'crm.db'
[[store]]
name = 'a'
url = 'ftp://x/y'
[schedule]
full = '0 0 2 * *'
";
    let error = Config::parse(Path::new("/etc/tenure.toml"), text).unwrap_err();
    let lines: Vec<_> = error.problems().iter().map(|p| p.at.unwrap().0).collect();
    assert_eq!(lines, [1, 2, 3, 3, 4, 6, 8, 9, 10, 13, 15], "{error}");
    assert!(
        error.to_string().contains("did you mean `Europe/Berlin`?"),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("\n  line 9, column 8: `kind` cannot be \"sqllite\"\n"),
        "{error}"
    );
}

fn written(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("tenure.toml");
    fs::write(&path, text).unwrap();
    path
}

fn minimal() -> String {
    let (_, text) = files("config")
        .into_iter()
        .find(|(path, _)| path.ends_with("minimal.toml"))
        .unwrap();
    text
}

#[test]
fn a_file_is_loaded_with_paths_that_start_at_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let text = minimal().replace("/var/lib/crm/crm.db", "data/crm.db");
    let path = written(dir.path(), &text);
    let config = Config::load(&path).unwrap();
    assert_eq!(config.sources[0].path, dir.path().join("data/crm.db"));
    assert_eq!(config.state_dir, dir.path().join("state"));
    assert_eq!(config.host_key, dir.path().join("host.key"));
    assert_eq!(config.class_names(), ["customer"]);
    assert_eq!(config.text(), text);
}

#[test]
fn a_file_that_is_not_there_is_named_with_what_to_do() {
    let error = Config::load(Path::new("/nowhere/tenure.toml")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read the configuration /nowhere/tenure.toml"
    );
    assert!(error.hint().unwrap().contains("tenure init"));
}

#[test]
fn what_the_disk_says_is_told_with_what_the_text_says() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let docs = dir.path().join("docs");
    fs::create_dir(&docs).unwrap();
    fs::write(dir.path().join("host.key"), "x").unwrap();
    fs::set_permissions(
        dir.path().join("host.key"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let text = minimal().replace("[keys]", "[keys]\nhost = 'host.key'")
        + &format!(
            "[[store]]\nname = 'b'\nurl = 'file://{}/x'\n",
            docs.display()
        )
        + "[[source]]\nname = 'docs'\nkind = 'files'\npath = 'docs'\n";
    let error = Config::load(&written(dir.path(), &text)).unwrap_err();
    let all = error.to_string();
    assert_eq!(error.problems().len(), 3, "{all}");
    assert!(all.contains("others can read the host key"), "{all}");
    assert!(all.contains("the store \"b\""), "{all}");
    assert!(all.contains("lies inside the source \"docs\""), "{all}");
    assert!(
        all.contains("sources of kind \"files\" cannot be used in this version"),
        "{all}"
    );
}

#[test]
fn a_secret_in_a_file_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let text = minimal() + "options = { secret_access_key = 'x' }\n";
    let path = written(dir.path(), &text);
    for (mode, told) in [(0o640, true), (0o600, false)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let all = Config::load(&path).unwrap_err().to_string();
        assert_eq!(
            all.contains("a secret stands in a file that others can read"),
            told,
            "{all}"
        );
    }
    fs::set_permissions(
        written(dir.path(), &minimal()),
        fs::Permissions::from_mode(0o606),
    )
    .unwrap();
    let all = Config::load(&path).unwrap_err().to_string();
    assert!(all.contains("everybody can write to this file"), "{all}");
}

mod damage {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> String {
        let (_, text) = files("config").pop().unwrap();
        assert!(
            text.contains("[[retention.rule]]"),
            "the sample with every setting"
        );
        text
    }

    fn is_understood_or_refused_in_words(text: &str) {
        let path = Path::new("/etc/tenure/tenure.toml");
        if let Err(error) = refuse(path, text) {
            assert!(!error.problems().is_empty());
            let lines = text.matches('\n').count() + 1;
            for (line, column) in error.problems().iter().filter_map(|problem| problem.at) {
                assert!((1..=lines).contains(&line) && column >= 1, "{error}");
            }
        }
    }

    proptest! {
        /// Each line of the sample in turn is left out, doubled, cut or filled with nonsense.
        #[test]
        fn a_damaged_sample_is_understood_or_refused_in_words(
            line: prop::sample::Index,
            cut: prop::sample::Index,
            kind in 0..4,
            nonsense in "[a-z=\\[\\]{}\"'#., 0-9ü-]{0,12}",
        ) {
            let text = sample();
            let lines: Vec<&str> = text.lines().collect();
            let index = line.index(lines.len());
            let damaged: Vec<String> = lines.iter().enumerate().map(|(i, line)| match kind {
                _ if i != index => (*line).to_owned(),
                0 => String::new(),
                1 => format!("{line}\n{line}"),
                2 => line.chars().take(cut.index(line.len() + 1)).collect(),
                _ => nonsense.clone(),
            }).collect();
            is_understood_or_refused_in_words(&damaged.join("\n"));
        }
    }

    /// Every value of the sample in turn has another type.
    #[test]
    fn a_wrong_type_anywhere_is_refused_at_its_line() {
        let text = sample();
        let mut tried = 0;
        for (index, line) in text.lines().enumerate() {
            let Some((key, value)) = line.split_once(" = ").filter(|(key, _)| !key.contains('#'))
            else {
                continue;
            };
            if value.starts_with('[') && !value.contains(']') || key.trim() == "value" {
                continue;
            }
            let mut lines: Vec<&str> = text.lines().collect();
            let wrong = format!("{key} = 1979-05-27");
            lines[index] = &wrong;
            let error =
                refuse(Path::new("/etc/tenure/tenure.toml"), &lines.join("\n")).unwrap_err();
            let first = error.problems()[0].clone();
            assert_eq!(
                first.at.map(|(line, _)| line),
                Some(index + 1),
                "{wrong}: {error}"
            );
            assert_eq!(error.problems().len(), 1, "{wrong}: {error}");
            tried += 1;
        }
        assert!(tried > 50, "{tried}");
    }
}
