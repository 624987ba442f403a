//! Who may do what: every route, every role, real users.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use super::world::World;
use crate::admin::can_be_others;

const CONFIG: &str = "[admin]\nsocket = \"@DIR@/admin.sock\"\n[admin.roles]\nadmin = [\"root\", \"@t-admin\"]\n\
    dpo = [\"@t-dpo\"]\noperator = [\"@t-operator\"]\nauditor = [\"@t-auditor\"]\nviewer = [\"vic\"]\n\
    see_hidden = [\"admin\", \"dpo\"]\n";

/// Everybody, the number of each, and the group that gives the role.
const PEOPLE: [(&str, u32, &str); 6] = [
    ("ann", 64_201, "t-admin"),
    ("dora", 64_202, "t-dpo"),
    ("oli", 64_203, "t-operator"),
    ("audrey", 64_204, "t-auditor"),
    ("vic", 64_205, ""),
    ("nil", 64_206, ""),
];

/// The table once more, written from the contract: who may, besides ann; with what it is asked.
const TABLE: &[(&str, &str, &str, &str)] = &[
    ("GET", "/v1/status", "", "dora oli audrey vic"),
    ("GET", "/v1/check", "", "dora oli audrey vic"),
    ("GET", "/v1/inspect", "", "dora oli audrey vic"),
    ("GET", "/v1/schedule", "", "dora oli audrey vic"),
    ("GET", "/v1/roles", "", "dora oli audrey vic"),
    ("GET", "/v1/snapshots", "", "dora oli audrey vic"),
    ("POST", "/v1/sources/crm/track", "{\"dry_run\":true}", ""),
    ("POST", "/v1/snapshots", "{}", "oli"),
    ("POST", "/v1/verify", "{}", "oli"),
    ("POST", "/v1/replicate", "{}", "oli"),
    ("POST", "/v1/prune", r#"{"dry_run":true}"#, "oli"),
    (
        "POST",
        "/v1/restore",
        r#"{"to":"/proc/nowhere"}"#,
        "oli dora",
    ),
    ("GET", "/v1/customers", "", "dora oli vic"),
    ("GET", "/v1/customers/8", "", "dora oli vic"),
    (
        "POST",
        "/v1/customers/999/hide",
        r#"{"reason":"x"}"#,
        "dora",
    ),
    (
        "POST",
        "/v1/customers/999/unhide",
        r#"{"reason":"x"}"#,
        "dora",
    ),
    (
        "POST",
        "/v1/customers/999/hold",
        r#"{"reason":"x"}"#,
        "dora",
    ),
    (
        "POST",
        "/v1/customers/999/release",
        r#"{"reason":"x"}"#,
        "dora",
    ),
    (
        "POST",
        "/v1/customers/999/restore",
        r#"{"to":"/proc/nowhere"}"#,
        "oli dora",
    ),
    (
        "POST",
        "/v1/customers/999/erase",
        r#"{"reason":"x"}"#,
        "dora",
    ),
    (
        "POST",
        "/v1/customers/999/readmit",
        r#"{"reason":"x"}"#,
        "dora",
    ),
    ("GET", "/v1/retention/plan", "", "dora audrey"),
    ("POST", "/v1/retention/run", r#"{"confirm":"00"}"#, "dora"),
    ("GET", "/v1/certificates/999", "", "dora audrey"),
    (
        "POST",
        "/v1/certificates/verify",
        r#"{"text":"{}"}"#,
        "dora oli audrey vic",
    ),
    ("POST", "/v1/keys/forget", r#"{"ids":["999"]}"#, "dora"),
    ("GET", "/v1/keys/recipients", "", "dora audrey"),
    ("GET", "/v1/audit/log", "", "dora audrey"),
    ("GET", "/v1/audit/verify", "", "dora audrey"),
];

/// A user database of the daemon's own: everybody is let in at the door.
fn database(world: &World) {
    let people = || PEOPLE.iter();
    let mut passwd = "root:x:0:0::/root:/bin/sh\n".to_owned();
    let names: Vec<&str> = people().map(|(name, ..)| *name).collect();
    let mut group = format!("root:x:0:\ntenure:x:64300:{}\n", names.join(","));
    for (at, (name, uid, role)) in people().enumerate() {
        passwd += &format!("{name}:x:{uid}:{uid}::/:/bin/false\n");
        group += &format!("{name}:x:{uid}:\n");
        if !role.is_empty() {
            group += &format!("{role}:x:{}:{name}\n", 64_310 + at);
        }
    }
    fs::write(world.path("passwd"), passwd).unwrap();
    fs::write(world.path("group"), group).unwrap();
    fs::set_permissions(world.dir(), fs::Permissions::from_mode(0o755)).unwrap();
}

fn ask(world: &World, uid: u32, method: &str, path: &str, body: &str) -> (u16, Value) {
    let ids = [format!("--reuid={uid}"), format!("--regid={uid}")];
    let mut command = Command::new("setpriv");
    command
        .args(ids)
        .args(["--groups=64300", "curl", "-sS", "--max-time", "60"]);
    command.args(["-X", method, "-w", "\n%{http_code}", "--unix-socket"]);
    command.arg(world.path("admin.sock"));
    if method == "POST" {
        command.args(["-H", "content-type: application/json", "-d", body]);
    }
    let output = command
        .arg(format!("http://tenure{path}"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = said.rsplit_once('\n').unwrap_or(("", ""));
    let wrong = || panic!("{path}: {said}{}", String::from_utf8_lossy(&output.stderr));
    let status = status.parse().unwrap_or_else(|_| wrong());
    (status, serde_json::from_str(body).unwrap_or_default())
}

fn is_refused_by_role(status: u16, answer: &Value) -> bool {
    let error = answer["error"].as_str().unwrap_or_default();
    status == 403 && error.contains("may not do")
}

fn world() -> (World, super::world::Daemon) {
    let world = World::new(CONFIG);
    assert_eq!(world.json(&["snapshot"]).0, 0);
    database(&world);
    let dir = world.dir().display();
    let mount = format!(
        "mount --bind {dir}/passwd /etc/passwd && mount --bind {dir}/group /etc/group && exec \"$@\""
    );
    let daemon = world.daemon_behind(&["unshare", "--mount", "sh", "-c", &mount, "sh"]);
    (world, daemon)
}

#[test]
fn every_route_is_open_to_its_roles_and_to_nobody_else() {
    if !can_be_others() {
        return;
    }
    let (world, _daemon) = world();
    let mut refused = BTreeSet::new();
    for (method, path, body, may) in TABLE {
        for (name, uid, _) in PEOPLE {
            let (status, answer) = ask(&world, uid, method, path, body);
            let may = name == "ann" || may.split(' ').any(|one| one == name);
            let is_refused = is_refused_by_role(status, &answer);
            assert_eq!(
                is_refused, !may,
                "{name} {method} {path}: {status} {answer:#}"
            );
            if is_refused {
                refused.insert((name, *method, *path));
            }
        }
    }
    // The table of the program has no row that was not tried.
    let (_, roles) = world.json(&["roles"]);
    assert_eq!(roles.as_array().unwrap().len(), TABLE.len());
    for row in roles.as_array().unwrap() {
        let holders = row["role"].as_array().unwrap().len();
        let (method, path) = (
            row["method"].as_str().unwrap(),
            row["path"].as_str().unwrap(),
        );
        let tried = TABLE
            .iter()
            .find(|(m, p, ..)| *m == method && fits(p, path))
            .unwrap();
        assert_eq!(holders, 1 + tried.3.split_whitespace().count(), "{path}");
    }
    // Every refusal stands in the audit log, with who it was.
    let (_, log) = world.json(&["audit", "log", "--limit", "5000"]);
    let entries = log.as_array().unwrap().iter();
    let noted = entries.filter(|entry| entry["phase"] == "refused" && entry["result"] == "role");
    let noted: Vec<_> = noted
        .map(|e| e["user"].as_str().unwrap().to_owned())
        .collect();
    for (name, ..) in PEOPLE {
        let expected = refused.iter().filter(|(who, ..)| *who == name).count();
        let found = noted.iter().filter(|who| *who == name).count();
        assert_eq!(found, expected, "{name}");
    }
}

/// Whether a path is one of a template's.
fn fits(path: &str, template: &str) -> bool {
    let (path, template) = (path.split('/'), template.split('/'));
    path.clone().count() == template.clone().count()
        && path
            .zip(template)
            .all(|(p, t)| p == t || t.starts_with('{'))
}

#[test]
fn the_hidden_are_shown_to_whom_they_may_be_shown() {
    if !can_be_others() {
        return;
    }
    let (world, _daemon) = world();
    let (status, answer) = ask(
        &world,
        64_202,
        "POST",
        "/v1/customers/6/hide",
        r#"{"reason":"x"}"#,
    );
    assert_eq!(status, 200, "{answer:#}");
    for (name, uid, sees) in [
        ("dora", 64_202, true),
        ("oli", 64_203, false),
        ("vic", 64_205, false),
    ] {
        let (_, listed) = ask(&world, uid, "GET", "/v1/customers", "");
        let ids = |answer: &Value| -> Vec<String> {
            let all = answer.as_array().into_iter().flatten();
            all.map(|one| one["id"].as_str().unwrap().to_owned())
                .collect()
        };
        assert!(!ids(&listed).contains(&"6".to_owned()), "{name}");
        let (status, all) = ask(&world, uid, "GET", "/v1/customers?all=true", "");
        assert_eq!(status, if sees { 200 } else { 403 }, "{name} {all:#}");
        assert_eq!(ids(&all).contains(&"6".to_owned()), sees, "{name}");
        let (status, shown) = ask(&world, uid, "GET", "/v1/customers/6", "");
        assert_eq!(status, if sees { 200 } else { 404 }, "{name} {shown:#}");
        if !sees {
            // The same words as of somebody who does not exist.
            let (_, nobody) = ask(&world, uid, "GET", "/v1/customers/9999", "");
            let of = |value: &Value| value.to_string().replace("9999", "6");
            assert_eq!(of(&nobody), of(&shown));
        }
    }
}
