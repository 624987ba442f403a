//! Stores in S3: a real server process whose bucket keeps versions, and between it and the command a
//! proxy that does what networks and servers do.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tenure::demo::crm::Crm;

use crate::support::proxy::Proxy;
use crate::support::s3::{BUCKET, Server};

mod each;
mod faults;
mod flows;
mod recover;
mod replicate;
mod settings;
mod tls;

/// The folder of the store in the bucket.
const FOLDER: &str = "firm/tenure";

/// A CRM of 20 customers, a server, a proxy before it, and the command run beside them.
struct Cloud {
    dir: TempDir,
    crm: Crm,
    server: Server,
    proxy: Proxy,
}

impl Cloud {
    /// Without a repository; none where there is no server.
    fn bare() -> Option<Self> {
        let server = Server::start()?;
        let dir = tempfile::tempdir().unwrap();
        let crm = Crm::create(&dir.path().join("crm.db"), 20, 3).unwrap();
        let proxy = Proxy::to(server.address);
        Some(Self {
            dir,
            crm,
            server,
            proxy,
        })
    }

    /// With a repository in the store `off` alone, in the bucket.
    fn alone() -> Option<Self> {
        let cloud = Self::bare()?;
        cloud.init(&[]);
        Some(cloud)
    }

    /// With a repository in `off` and in `near`, which is a directory.
    fn with_near() -> Option<Self> {
        let cloud = Self::bare()?;
        let near = format!("near={}", cloud.path("near").display());
        cloud.init(&["--store", &near]);
        Some(cloud)
    }

    fn init(&self, more: &[&str]) {
        let register = format!("sqlite:{}#customers.id", self.path("crm.db").display());
        let off = self.store();
        let arguments = ["init", "--register", &register, "--store", &off];
        let (code, made) = self.json(&[&arguments, more].concat());
        assert_eq!(code, 0, "{made:#}");
        let text = fs::read_to_string(self.path("tenure.toml")).unwrap();
        let hide = "  [[source.owns]]\n  table = \"notes\"\n  by = \"customer_id\"\n  also = \"mentions\"\n\
                    \n  [source.hide]\n  mode = \"flag\"\n  column = \"hidden\"\n  value = 1\n";
        let text = text.replacen("\n[[store]]", &format!("\n{hide}\n[[store]]"), 1);
        fs::write(self.path("tenure.toml"), text).unwrap();
        fs::rename(self.path("recovery.key"), self.path("offline.key")).unwrap();
    }

    /// The store as `init` is told.
    fn store(&self) -> String {
        let address = self.proxy.address;
        format!(
            "off=s3://{BUCKET}/{FOLDER}?endpoint=http://{address}&allow_http=true&retry_timeout=20s"
        )
    }

    /// Changes the configuration.
    fn reconfigure(&self, edit: impl FnOnce(String) -> String) {
        let path = self.path("tenure.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, edit(text)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .env("TENURE_CONFIG", self.path("tenure.toml"))
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env_remove("CREDENTIALS_DIRECTORY")
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        command
    }

    /// The exit code, and the one document on standard output.
    fn json(&self, arguments: &[&str]) -> (i32, Value) {
        answered(self.command(arguments).arg("--json"))
    }

    /// What a command answers that must be done.
    fn done(&self, arguments: &[&str]) -> Value {
        let (code, answer) = self.json(arguments);
        assert_eq!(code, 0, "{arguments:?}: {answer:#}");
        answer
    }

    /// What a command says that fails: error, causes and hint in one text.
    fn failure(&self, arguments: &[&str]) -> (i32, String) {
        let (code, answer) = self.json(arguments);
        assert_ne!(code, 0, "{arguments:?}: {answer:#}");
        (code, answer.to_string())
    }

    /// All that a command says to a person, and however it ends.
    fn run_text(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8(text).unwrap()
    }

    /// A copy of the CRM as it is.
    fn copy(&self, name: &str) -> PathBuf {
        let to = self.path(name);
        let _ = fs::remove_file(&to);
        let sql = format!("VACUUM INTO '{}'", to.display());
        self.crm.connection().execute_batch(&sql).unwrap();
        to
    }

    /// Restores a snapshot from a store, and returns the database.
    fn restored(&self, number: u64, store: &str) -> PathBuf {
        let to = self.path(&format!("out-{number}-{store}"));
        let _ = fs::remove_dir_all(&to);
        let (number, to_text) = (number.to_string(), to.to_str().unwrap());
        let arguments = [
            "restore",
            "--to",
            to_text,
            "--snapshot",
            &number,
            "--store",
            store,
        ];
        self.done(&arguments);
        to.join("crm/crm.db")
    }

    /// What is in the bucket now, by path from the store's root.
    fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        let strip = |key: &str| key.strip_prefix(FOLDER).unwrap()[1..].to_owned();
        let objects = self.server.objects(&format!("{FOLDER}/")).into_iter();
        objects.map(|(key, bytes)| (strip(&key), bytes)).collect()
    }

    /// What is in a directory, likewise.
    fn files(&self, store: &str) -> BTreeMap<String, Vec<u8>> {
        let root = self.path(store);
        let read = |path: &Path| fs::read(root.join(path)).unwrap();
        let listed = crate::support::world::objects(&root, "").into_iter();
        listed
            .map(|path| (path.clone(), read(Path::new(&path))))
            .collect()
    }
}

fn answered(command: &mut Command) -> (i32, Value) {
    let output = command.output().unwrap();
    let answer = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        panic!("{command:?}: {error}: {said}")
    });
    (output.status.code().expect("it was not killed"), answer)
}
