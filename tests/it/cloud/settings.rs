//! Credentials, buckets, rights, and stores that do not do what they are asked.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::{Cloud, FOLDER, answered};
use crate::support::proxy::{Fault, Proxy};
use crate::support::s3::{BUCKET, Server, element};

#[test]
fn credentials_come_from_the_environment_or_from_systemd_and_are_asked_for_when_they_lack() {
    let Some(cloud) = Cloud::alone() else {
        return;
    };
    let without = |names: &[&str]| {
        let mut command = cloud.command(&["snapshot", "--json"]);
        for name in names {
            command.env_remove(name);
        }
        command
    };
    let both = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    for (names, what) in [
        (&both[..], "there are no credentials"),
        (&both[..1], "no access key id"),
        (&both[1..], "no secret access key"),
    ] {
        let (code, said) = answered(&mut without(names));
        let said = said.to_string();
        assert_eq!(code, 1, "{said}");
        assert!(
            said.contains(what) && said.contains("LoadCredential="),
            "{said}"
        );
    }
    let credentials = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| fs::write(credentials.path().join(name), text).unwrap();
    put("aws_access_key_id", "key\n");
    put("off.aws_secret_access_key", "secret\n");
    put("other.aws_access_key_id", "nobody");
    let mut command = without(&both);
    command.env("CREDENTIALS_DIRECTORY", credentials.path());
    let (code, taken) = answered(&mut command);
    assert_eq!((code, &taken["snapshot"]), (0, &json!(1)), "{taken:#}");
    // A secret in the configuration shuts it to others.
    cloud.reconfigure(|text| text.replace("options = {", "options = { secret_access_key = \"s\","));
    let mode =
        |mode| fs::set_permissions(cloud.path("tenure.toml"), PermissionsExt::from_mode(mode));
    mode(0o644).unwrap();
    let (code, said) = answered(&mut without(&[]));
    assert!(code == 2 && said.to_string().contains("secret"), "{said:#}");
}

#[test]
fn a_bucket_that_is_not_there_is_named_and_so_is_a_server() {
    let Some(cloud) = Cloud::bare() else {
        return;
    };
    let register = format!("sqlite:{}#customers.id", cloud.path("crm.db").display());
    let init = |store: &str| cloud.failure(&["init", "--register", &register, "--store", store]);
    let (code, said) = init(&cloud.store().replace(BUCKET, "no-such-bucket"));
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("NoSuchBucket") && said.contains("make the bucket"),
        "{said}"
    );
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let nowhere = cloud
        .store()
        .replace(&cloud.proxy.address.to_string(), &free.to_string());
    let (code, said) = init(&nowhere.replace("20s", "1s"));
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("Connection refused") && said.contains("endpoint"),
        "{said}"
    );
    // Nothing of it is left, so that the next one works.
    assert!(!cloud.path("tenure.toml").exists() && !cloud.path("state").exists());
    cloud.init(&[]);
    let (code, said) = cloud.failure(&["init", "--register", &register, "--store", &cloud.store()]);
    assert_eq!(code, 4, "{said}");
}

#[test]
fn what_a_failed_init_has_put_into_a_bucket_is_taken_back() {
    let Some(cloud) = Cloud::bare() else {
        return;
    };
    let register = format!("sqlite:{}#customers.id", cloud.path("crm.db").display());
    let off = cloud.store().replace("20s", "1s");
    cloud.proxy.choose(|seen| {
        let is_root = seen.method == "PUT" && seen.path.contains("/root.age");
        is_root.then_some(Fault::Deny)
    });
    let (code, said) = cloud.failure(&["init", "--register", &register, "--store", &off]);
    assert!(code == 1 && said.contains("AccessDenied"), "{said}");
    // The keyring is the last that is put.
    cloud.proxy.choose(|seen| {
        let is_keyring = seen.method == "PUT" && seen.path.contains("/keyring/");
        is_keyring.then_some(Fault::Busy)
    });
    let (code, said) = cloud.json(&["init", "--register", &register, "--store", &off]);
    assert!(cloud.proxy.faults() > 0);
    cloud.proxy.pass();
    if code != 0 {
        assert_eq!(
            cloud.objects().keys().collect::<Vec<_>>(),
            [""; 0],
            "{said:#}"
        );
        cloud.init(&[]);
    } else {
        // It is named as what it is, and put there by the next command.
        cloud.done(&["snapshot"]);
        assert_eq!(
            cloud.server.versions(&format!("{FOLDER}/keyring/")).len(),
            1
        );
    }
}

#[test]
fn a_store_that_ignores_if_none_match_is_named() {
    let Some(cloud) = Cloud::alone() else {
        return;
    };
    let checked = cloud.done(&["check"]);
    assert_eq!(checked["ok"], true, "{checked:#}");
    assert!(!checked.to_string().contains("If-None-Match"));
    cloud.proxy.strip_conditions();
    let (code, checked) = cloud.json(&["check"]);
    assert_eq!((code, &checked["ok"]), (2, &json!(false)), "{checked:#}");
    let said = checked.to_string();
    assert!(
        said.contains("takes `If-None-Match` and ignores it"),
        "{said}"
    );
    // Nothing is left of the attempt, in any version.
    let left = cloud
        .server
        .versions(&format!("{FOLDER}/check/"))
        .into_iter();
    let left: Vec<_> = left
        .filter(|version| !version.marker && version.newest)
        .collect();
    assert_eq!(left, []);
}

#[test]
fn versions_that_no_rule_lets_go_are_warned_of_and_locks_are_told() {
    let Some(cloud) = Cloud::alone() else {
        return;
    };
    let said = cloud.done(&["check"]).to_string();
    assert!(said.contains("no rule lets them go"), "{said}");
    let rule = "<LifecycleConfiguration><Rule><ID>old</ID><Status>Enabled</Status><Filter><Prefix>\
                </Prefix></Filter><NoncurrentVersionExpiration><NoncurrentDays>7</NoncurrentDays>\
                </NoncurrentVersionExpiration></Rule></LifecycleConfiguration>";
    cloud
        .server
        .must("PUT", &format!("/{BUCKET}?lifecycle"), rule);
    let said = cloud.done(&["check"]).to_string();
    assert!(!said.contains("no rule lets them go"), "{said}");

    let Some(locked) = Cloud::bare() else {
        return;
    };
    let make = [("x-amz-bucket-object-lock-enabled", "true")];
    let (status, _) = locked.server.ask("PUT", "/locked", &make, b"");
    assert_eq!(status, 200);
    let rule = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>\
                <DefaultRetention><Mode>COMPLIANCE</Mode><Days>3</Days></DefaultRetention></Rule>\
                </ObjectLockConfiguration>";
    locked.server.must("PUT", "/locked?object-lock", rule);
    let register = format!("sqlite:{}#customers.id", locked.path("crm.db").display());
    let store = locked.store().replace(BUCKET, "locked");
    locked.done(&["init", "--register", &register, "--store", &store]);
    let said = locked.done(&["check"]).to_string();
    assert!(
        said.contains("locks all that is written for 3 days"),
        "{said}"
    );
    locked.reconfigure(|text| text + "\n[retention]\ndeadline = \"2d\"\n");
    let (code, checked) = locked.json(&["check"]);
    assert!(
        code == 2 && checked.to_string().contains("`deadline`"),
        "{checked:#}"
    );
    // What is locked stays, is named with its date, and the erasure is pending there.
    locked.done(&["snapshot"]);
    let (code, forgotten) = locked.json(&["keys", "forget", "5"]);
    assert_eq!(
        (code, &forgotten["pending"]),
        (3, &json!(["off"])),
        "{forgotten:#}"
    );
    let said = locked.run_text(&["prune"]);
    assert!(said.contains("may still hold an older keyring"), "{said}");
    assert!(said.contains("is locked until 20"), "{said}");
}

#[test]
fn wrong_secrets_are_named() {
    let Some(mut cloud) = Cloud::bare() else {
        return;
    };
    // From the sixth request on the server knows its users and their secrets.
    cloud.server = Server::bare(&[("INITIAL_NO_AUTH_ACTION_COUNT", "5")]).unwrap();
    cloud.proxy = Proxy::to(cloud.server.address);
    cloud.server.make_bucket();
    let iam = |body: &str| {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/iam/aws4_request, \
                 SignedHeaders=host, Signature=0",
            ),
        ];
        let (status, answer) = cloud.server.ask("POST", "/", &headers, body.as_bytes());
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(status, 200, "{answer}");
        answer
    };
    iam("Version=2010-05-08&Action=CreateUser&UserName=tenure");
    let keys = iam("Version=2010-05-08&Action=CreateAccessKey&UserName=tenure");
    let register = format!("sqlite:{}#customers.id", cloud.path("crm.db").display());
    let store = cloud.store();
    let id = element(&keys, "AccessKeyId");
    for (id, code) in [
        (id.as_str(), "SignatureDoesNotMatch"),
        ("AKIANOBODY", "InvalidAccessKeyId"),
    ] {
        let mut command = cloud.command(&["init", "--register", &register, "--store", &store]);
        command.env("AWS_ACCESS_KEY_ID", id);
        let (exit, said) = answered(command.arg("--json"));
        let said = said.to_string();
        assert!(exit == 1 && said.contains(code), "{exit}: {said}");
        assert!(said.contains("AWS_SECRET_ACCESS_KEY"), "{said}");
        assert!(!cloud.path("tenure.toml").exists());
    }
}

#[test]
fn a_key_that_may_not_delete_versions_is_told_before_and_keeps_erasures_pending() {
    let Some(cloud) = Cloud::alone() else {
        return;
    };
    cloud.proxy.choose(|seen| {
        let is_pack = seen.method == "PUT" && seen.path.contains("/packs/");
        is_pack.then_some(Fault::Deny)
    });
    let (code, said) = cloud.failure(&["snapshot"]);
    assert!(code == 1 && said.contains("AccessDenied"), "why: {said}");
    cloud.proxy.pass();
    cloud.done(&["snapshot"]);
    for (method, word) in [("GET", "?versions"), ("DELETE", "versionId=")] {
        cloud.proxy.choose(move |seen| {
            let denied = seen.method == method && seen.path.contains(word);
            denied.then_some(Fault::Deny)
        });
        let (code, checked) = cloud.json(&["check"]);
        let said = checked.to_string();
        assert_eq!((code, &checked["ok"]), (2, &json!(false)), "{said}");
        assert!(said.contains("s3:DeleteObjectVersion"), "{said}");
        let id = if method == "GET" { "5" } else { "6" };
        let (code, forgotten) = cloud.json(&["keys", "forget", id]);
        assert_eq!(
            (code, &forgotten["pending"]),
            (3, &json!(["off"])),
            "{forgotten:#}"
        );
        let said = cloud.run_text(&["snapshot"]);
        assert!(said.contains("may still hold an older keyring"), "{said}");
        assert!(said.contains("AccessDenied"), "why: {said}");
        cloud.proxy.pass();
        cloud.done(&["prune"]);
        assert_eq!(
            cloud.server.versions(&format!("{FOLDER}/keyring/")).len(),
            1
        );
    }
}
