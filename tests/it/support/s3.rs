//! A server that speaks S3: a process of its own, with a bucket that keeps versions.
//!
//! It keeps all in memory, so that one which is started again has lost its buckets.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::programs::has;

/// The bucket that there is.
pub const BUCKET: &str = "acme-backup";
const OWNER: &str = "AWS4-HMAC-SHA256 Credential=owner/20260101/us-east-1/s3/aws4_request, \
                     SignedHeaders=host, Signature=0";
const START: Duration = Duration::from_secs(60);
const XMLNS: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

/// See the module's text.
pub struct Server {
    child: Child,
    program: String,
    pub address: SocketAddr,
}

/// One version of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub key: String,
    pub id: String,
    pub newest: bool,
    pub marker: bool,
}

impl Server {
    /// One with a bucket; none where the program is missing.
    pub fn start() -> Option<Self> {
        let server = Self::bare(&[])?;
        server.make_bucket();
        Some(server)
    }

    /// One without a bucket, with more in its environment.
    pub fn bare(environment: &[(&str, &str)]) -> Option<Self> {
        Self::with(&[], environment)
    }

    /// One without a bucket, with more arguments and more in its environment.
    pub fn with(arguments: &[&str], environment: &[(&str, &str)]) -> Option<Self> {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/s3/bin/moto_server");
        let program = match own.exists() {
            true => own.to_str().unwrap().to_owned(),
            false => "moto_server".to_owned(),
        };
        if !has(
            "a server that speaks S3 (moto_server)",
            &[&program, "--help"],
        ) {
            return None;
        }
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut server = Self {
            child: spawn(&program, address, arguments, environment),
            program,
            address,
        };
        server.wait();
        Some(server)
    }

    fn wait(&mut self) {
        let until = Instant::now() + START;
        while TcpStream::connect(self.address).is_err() {
            assert!(self.child.try_wait().unwrap().is_none(), "it has ended");
            assert!(Instant::now() < until, "it does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Makes the bucket, and lets it keep versions.
    pub fn make_bucket(&self) {
        self.must("PUT", &format!("/{BUCKET}"), "");
        let on = format!(
            "<VersioningConfiguration {XMLNS}><Status>Enabled</Status></VersioningConfiguration>"
        );
        self.must("PUT", &format!("/{BUCKET}?versioning"), &on);
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Starts it again after it was killed, with an empty bucket.
    pub fn again(&mut self) {
        self.child.wait().unwrap();
        self.child = spawn(&self.program, self.address, &[], &[]);
        self.wait();
        self.make_bucket();
    }

    /// Every version of every object whose key begins so.
    pub fn versions(&self, prefix: &str) -> Vec<Version> {
        let query = format!("/{BUCKET}?versions&prefix={prefix}");
        let answer = String::from_utf8(self.must("GET", &query, "")).unwrap();
        assert!(answer.contains("<IsTruncated>false"), "{answer}");
        let mut found = Vec::new();
        for (tag, marker) in [("Version", false), ("DeleteMarker", true)] {
            for part in answer.split(&format!("<{tag}>")).skip(1) {
                let of = |name| element(part, name);
                found.push(Version {
                    key: of("Key"),
                    id: of("VersionId"),
                    newest: of("IsLatest") == "true",
                    marker,
                });
            }
        }
        found
    }

    /// What is read without naming versions, by key.
    pub fn objects(&self, prefix: &str) -> BTreeMap<String, Vec<u8>> {
        let versions = self.versions(prefix).into_iter();
        let shown = versions.filter(|version| version.newest && !version.marker);
        shown
            .map(|version| (version.key.clone(), self.get(&version.key)))
            .collect()
    }

    pub fn get(&self, key: &str) -> Vec<u8> {
        self.must("GET", &format!("/{BUCKET}/{key}"), "")
    }

    pub fn put(&self, key: &str, bytes: &[u8]) {
        let (status, answer) = self.ask("PUT", &format!("/{BUCKET}/{key}"), &[], bytes);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    }

    pub fn delete(&self, key: &str) {
        self.must("DELETE", &format!("/{BUCKET}/{key}"), "");
    }

    /// Asks something that is answered well.
    pub fn must(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let (status, answer) = self.ask(method, path, &[], body.as_bytes());
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {text}"
        );
        answer
    }

    /// Sends a request, and returns the status and the body of its answer.
    pub fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        // Whoever is nobody may not read; who it is does not matter here.
        let own = [("authorization", OWNER)];
        let named = headers.iter().any(|(name, _)| *name == "authorization");
        let headers = [headers, if named { &[] } else { &own }].concat();
        let more: String = headers
            .iter()
            .map(|(n, v)| format!("{n}: {v}\r\n"))
            .collect();
        let kind = match headers.iter().any(|(name, _)| *name == "content-type") {
            true => "",
            false => "content-type: application/xml\r\n",
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\n{kind}content-length: {}\r\nconnection: \
             close\r\n{more}\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        let head = String::from_utf8_lossy(&answer[..end]);
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_off(end + 4))
    }
}

fn spawn(
    program: &str,
    address: SocketAddr,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Child {
    let port = address.port().to_string();
    Command::new(program)
        .args(["-H", "127.0.0.1", "-p", &port])
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The text of the first element of this name.
pub fn element(text: &str, name: &str) -> String {
    let inner = text.split_once(&format!("<{name}>"));
    let inner = inner.and_then(|(_, rest)| rest.split_once("</"));
    inner
        .unwrap_or_else(|| panic!("no {name} in {text}"))
        .0
        .to_owned()
}
