//! A server with a certificate that only its own root vouches for.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::Cloud;
use crate::support::programs::has;
use crate::support::s3::{BUCKET, Server};

/// Makes a root, and a certificate of it for 127.0.0.1.
fn certificates(dir: &Path) {
    fs::write(
        dir.join("names"),
        "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
    )
    .unwrap();
    let steps = [
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=root -keyout root.key -out root.pem",
        "req -newkey rsa:2048 -nodes -subj /CN=server -keyout server.key -out server.csr",
        "x509 -req -in server.csr -CA root.pem -CAkey root.key -CAcreateserial -days 2 \
         -extfile names -out server.pem",
    ];
    for step in steps {
        let mut openssl = Command::new("openssl");
        let made = openssl
            .args(step.split_whitespace())
            .current_dir(dir)
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
    }
}

#[test]
fn a_root_of_ones_own_is_trusted_and_no_other_is() {
    if !has("openssl", &["openssl", "version"]) {
        return;
    }
    let Some(cloud) = Cloud::bare() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path());
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let Some(server) = Server::with(&["-c", &at("server.pem"), "-k", &at("server.key")], &[])
    else {
        return;
    };
    let curl = |arguments: &[&str]| {
        let url = format!("https://{}/{BUCKET}", server.address);
        let owner = "authorization: AWS4-HMAC-SHA256 Credential=o/20260101/us-east-1/s3/aws4_request, \
                     SignedHeaders=host, Signature=0";
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--cacert", &at("root.pem"), "-H", owner])
            .args(arguments)
            .arg(url);
        assert!(curl.status().unwrap().success());
    };
    curl(&["-X", "PUT"]);
    let register = format!("sqlite:{}#customers.id", cloud.path("crm.db").display());
    let store = |more: &str| {
        format!(
            "off=s3://{BUCKET}/x?endpoint=https://{}&retry_timeout=1s&max_retries=1{more}",
            server.address
        )
    };
    let init = |store: &str| cloud.json(&["init", "--register", &register, "--store", store]);
    let (code, said) = init(&store(""));
    let said = said.to_string();
    assert!(
        code == 1 && said.contains("certificate") && said.contains("ca_file"),
        "{said}"
    );
    let (code, said) = init(&store(&format!("&ca_file={}", at("none.pem"))));
    assert!(
        code == 1 && said.to_string().contains("none.pem"),
        "{said:#}"
    );
    let (code, said) = init(&store(&format!("&ca_file={}", at("root.pem"))));
    assert_eq!(code, 0, "{said:#}");
    assert_eq!(
        cloud.done(&["snapshot"])["stores"],
        json!([{ "name": "off", "state": "complete" }])
    );
    // Nothing goes over a line that anybody can read unless that is allowed.
    cloud.reconfigure(|text| text.replace("https://", "http://"));
    let said = cloud.run_text(&["snapshot"]);
    assert!(said.contains("off"), "{said}");
}
