//! File systems of their own: in an image, whose raw bytes can be looked at and whose power can be cut,
//! and in memory, with little room.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::programs::has;
use super::raw::copy_tree;

/// What an image is formatted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Ext4,
    Xfs,
}

impl Format {
    fn make(self, file: &str) {
        match self {
            Self::Ext4 => run("mkfs.ext4", &["-q", "-F", "-m", "0", file]),
            Self::Xfs => run("mkfs.xfs", &["-q", "-f", file]),
        };
    }
}

/// An image, mounted until this is dropped.
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
    /// One of ext4 and of so many bytes; none where this user cannot mount any.
    pub fn mount(bytes: u64) -> Option<Self> {
        Self::of(Format::Ext4, bytes)
    }

    /// One of so many bytes (XFS takes 300 MiB); none where this user cannot mount any.
    pub fn of(format: Format, bytes: u64) -> Option<Self> {
        let tools = "mkfs.ext4 -V 2>&1 && mkfs.xfs -V && xfs_io -V && unshare --mount true && test -e /dev/loop-control";
        if !has(
            "root, loop devices, `mkfs.ext4`, `mkfs.xfs`, `xfs_io`",
            &["sh", "-c", tools],
        ) {
            return None;
        }
        let image = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let (file, at) = (image.file(), image.root());
        File::create(&file).unwrap().set_len(bytes).unwrap();
        std::fs::create_dir(&at).unwrap();
        format.make(file.to_str().unwrap());
        image.plug_in();
        Some(image)
    }

    fn plug_in(&self) {
        let (file, at) = (self.file(), self.root());
        let (file, at) = (file.to_str().unwrap(), at.to_str().unwrap());
        run("mount", &["-o", "loop", file, at]);
    }

    /// Makes all that was written so far durable.
    pub fn sync(&self) {
        run("sync", &["-f", self.root().to_str().unwrap()]);
    }

    /// Cuts the power, and mounts again what was durable by then. Nobody may have a file open there.
    pub fn cut_power(&self) {
        let at = self.root();
        let at = at.to_str().unwrap();
        run("xfs_io", &["-x", "-c", "shutdown", at]);
        run("umount", &[at]);
        self.plug_in();
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
        self.sync();
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

/// A file system in memory, mounted until this is dropped.
pub struct Small(PathBuf);

impl Small {
    /// One of so many MiB at this place; none where this user cannot mount any.
    pub fn mount(at: &Path, mib: u32) -> Option<Self> {
        if !has("root, `unshare`", &["unshare", "--mount", "true"]) {
            return None;
        }
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={mib}m,mode=0700");
        run(
            "mount",
            &["-t", "tmpfs", "-o", &size, "tmpfs", at.to_str().unwrap()],
        );
        Some(Self(at.to_owned()))
    }

    /// One with much room at this place, which holds what the directory there does.
    pub fn over(at: &Path) -> Option<Self> {
        let aside = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(at).unwrap();
        copy_tree(at, aside.path());
        let small = Self::mount(at, 64)?;
        copy_tree(aside.path(), at);
        Some(small)
    }

    /// Gives or takes room.
    pub fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        run("mount", &["-o", &options, self.0.to_str().unwrap()]);
    }

    /// Leaves so many pages of 4 KiB free; one at least where nothing is, because a size of 0 is no limit.
    pub fn leave_pages(&self, pages: u64) {
        let fs = rustix::fs::statvfs(&self.0).unwrap();
        let used = (fs.f_blocks - fs.f_bfree) * fs.f_frsize;
        self.remount(&format!("size={}", (used + pages * 4096).max(4096)));
    }

    /// Leaves room for so many files.
    pub fn leave_files(&self, files: u64) {
        let fs = rustix::fs::statvfs(&self.0).unwrap();
        let used = fs.f_files - fs.f_ffree;
        self.remount(&format!("nr_inodes={}", used + files));
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
