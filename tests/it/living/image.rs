//! A file system of its own in an image, whose raw bytes can be looked at.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::programs::has;

/// An ext4 image, mounted until this is dropped.
pub struct Image {
    dir: tempfile::TempDir,
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    output
}

impl Image {
    /// One of so many bytes; none where this user cannot mount any.
    pub fn mount(bytes: u64) -> Option<Self> {
        let tools = "mkfs.ext4 -V 2>&1; unshare --mount true && test -e /dev/loop-control";
        if !has("root, loop devices, `mkfs.ext4`", &["sh", "-c", tools]) {
            return None;
        }
        let image = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let (file, at) = (image.file(), image.root());
        File::create(&file).unwrap().set_len(bytes).unwrap();
        std::fs::create_dir(&at).unwrap();
        let (file, at) = (file.to_str().unwrap(), at.to_str().unwrap());
        run("mkfs.ext4", &["-q", "-F", "-m", "0", file]);
        run("mount", &["-o", "loop", file, at]);
        Some(image)
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    /// Where it is mounted.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// Lets nobody write to it any more.
    pub fn make_read_only(&self) {
        let at = self.root();
        run("mount", &["-o", "remount,ro", at.to_str().unwrap()]);
    }

    /// How many bytes are free.
    pub fn free(&self) -> u64 {
        let fs = rustix::fs::statvfs(self.root()).unwrap();
        fs.f_bfree * fs.f_frsize
    }

    /// How often the text stands in the raw bytes, when everything was written.
    pub fn count(&self, text: &str) -> usize {
        let at = self.root();
        run("sync", &["-f", at.to_str().unwrap()]);
        let file = self.file();
        let grep = Command::new("grep")
            .args(["-a", "-o", "-F", text])
            .arg(&file)
            .output()
            .unwrap();
        grep.stdout.iter().filter(|byte| **byte == b'\n').count()
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.root()).status();
    }
}

/// The names in a directory, with their bytes.
pub fn bytes(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(dir).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}
