//! Recoveries from a bucket: the server that a store lies on belongs to what the store is.

use std::fs;

use serde_json::json;

use super::{Cloud, answered};
use crate::support::compare::same;
use crate::support::proxy::Proxy;

impl Cloud {
    fn recover(&self, store: &str, more: &[&str]) -> serde_json::Value {
        let (identity, to) = (self.path("offline.key"), self.path("bare"));
        let (identity, to) = (identity.to_str().unwrap(), to.to_str().unwrap());
        let arguments = [
            "recover",
            "--store",
            store,
            "--identity",
            identity,
            "--to",
            to,
        ];
        self.done(&[&arguments, more].concat())
    }

    /// What the recovered host answers.
    fn on_the_new_host(&self, arguments: &[&str]) -> serde_json::Value {
        let mut command = self.command(arguments);
        command
            .arg("--json")
            .env("TENURE_CONFIG", self.path("bare/tenure.toml"));
        let (code, answer) = answered(&mut command);
        assert_eq!(code, 0, "{arguments:?}: {answer:#}");
        answer
    }

    fn assert_new_host_works(&self) {
        let kept = self.copy("kept.db");
        let taken = self.on_the_new_host(&["snapshot"]);
        assert_eq!(taken["stores"][0]["state"], "complete", "{taken:#}");
        let to = self.path("out");
        let restored = self.on_the_new_host(&["restore", "--to", to.to_str().unwrap()]);
        let path = restored["sources"][0]["path"].as_str().unwrap().to_owned();
        same(&kept, path.as_ref()).unwrap();
        let checked = self.on_the_new_host(&["check"]);
        assert_eq!(checked["ok"], true, "{checked:#}");
    }
}

#[test]
fn a_bare_machine_goes_on_from_a_bucket_with_the_options_it_was_told() {
    let Some(cloud) = Cloud::alone() else {
        return;
    };
    cloud.done(&["snapshot"]);
    let told = cloud.store().replace("20s", "17s");
    let recovered = cloud.recover(&told, &[]);
    assert_eq!(recovered["snapshots"], 1, "{recovered:#}");
    let text = fs::read_to_string(cloud.path("bare/tenure.toml")).unwrap();
    assert!(text.contains("= \"17s\""), "{text}");
    assert_eq!(text.matches("[[store]]").count(), 1, "{text}");
    cloud.assert_new_host_works();
}

#[test]
fn a_bucket_that_another_store_knows_of_is_asked_as_it_was_configured() {
    let Some(cloud) = Cloud::with_near() else {
        return;
    };
    cloud.done(&["snapshot"]);
    let near = format!("near={}", cloud.path("near").display());
    let recovered = cloud.recover(&near, &[]);
    assert_eq!(recovered["unread"], json!([]), "{recovered:#}");
    cloud.assert_new_host_works();
}

#[test]
fn the_same_bucket_behind_another_server_is_another_store() {
    let Some(cloud) = Cloud::alone() else {
        return;
    };
    cloud.done(&["snapshot"]);
    let other = Proxy::to(cloud.server.address).address.to_string();
    let here = cloud.proxy.address.to_string();
    cloud.reconfigure(|text| text.replace(&here, &other));
    let (_, said) = cloud.failure(&["snapshot"]);
    let before = format!("?endpoint=http://{here} before");
    assert!(said.contains(&before), "{said}");
}

#[test]
fn a_server_that_the_environment_alone_names_is_refused() {
    let Some(cloud) = Cloud::bare() else {
        return;
    };
    let server = format!("http://{}", cloud.proxy.address);
    let store = cloud.store().replace(&format!("endpoint={server}&"), "");
    let register = format!("sqlite:{}#customers.id", cloud.path("crm.db").display());
    let mut command = cloud.command(&["init", "--register", &register, "--store", &store]);
    command.arg("--json").env("AWS_ENDPOINT_URL", &server);
    let (code, said) = answered(&mut command);
    let said = said.to_string();
    let what = format!("the environment alone names the server {server}");
    assert!(
        code == 1 && said.contains(&what) && said.contains("options = {"),
        "{said}"
    );
}
