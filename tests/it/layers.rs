//! Imports point down the layers, or stay in their own folder.
//!
//! Drivers → flows → edges → formats → vocabulary. Edges never import each other: if two must meet,
//! they meet in a flow. Within the other layers modules may import each other, but not in a circle.
//! Tests inside a module may import what they like.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use code::{code_only, imports, without_tests};

mod code;

/// Every module of the crate, by layer, from the top. A new module must be put into one of them.
const LAYERS: [(&str, &[&str]); 5] = [
    (
        "driver",
        &[
            "main", "actions", "admin", "cli", "daemon", "demo", "schedule",
        ],
    ),
    (
        "flow",
        &[
            "audit",
            "backup",
            "check",
            "customers",
            "fill",
            "forget",
            "init",
            "inspect",
            "install",
            "keys",
            "prune",
            "recover",
            "lifecycle",
            "register",
            "replicate",
            "repo",
            "restore",
            "selftest",
            "setup",
            "status",
            "track",
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
            "audit_entry",
            "cbor",
            "certificate",
            "journal",
            "manifest",
            "merkle",
            "note",
            "object",
            "pack",
            "page",
            "piece",
            "seal",
            "sign",
            "unnamed",
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
