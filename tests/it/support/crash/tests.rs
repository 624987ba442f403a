use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::*;

const THREADS: usize = 4;

fn quiet(mut command: Command, dir: &Path) -> Command {
    command
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .stdin(Stdio::null());
    command
}

fn shell(dir: &Path, script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-e", "-c", script]);
    quiet(command, dir)
}

/// A directory that holds these files.
fn with(files: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        std::fs::write(dir.path().join(file), file).unwrap();
    }
    dir
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn the_steps_of_a_script_and_its_children_are_counted() {
    let dir = with(&["a", "c"]);
    let steps = count(
        shell(dir.path(), "mv a b; rm c; sync b; exit 3"),
        Calls::Durable,
    );
    assert_eq!((steps.total, steps.exit), (3, 3), "{steps}");
    assert_eq!(steps.by_name["fsync"], 1);
    assert!(
        steps.by_name.keys().any(|name| name.starts_with("rename")),
        "{steps}"
    );
    assert!(
        steps.by_name.keys().any(|name| name.starts_with("unlink")),
        "{steps}"
    );
    assert_eq!(names(dir.path()), ["b"]);
}

#[test]
fn the_step_it_is_killed_in_does_not_happen_and_those_before_it_have() {
    let script = "mv a b; mv c d; rm b; sync d; rm d";
    let states: [&[&str]; 5] = [&["a", "c"], &["b", "c"], &["b", "d"], &["d"], &["d"]];
    for (before, state) in states.iter().enumerate() {
        let dir = with(&["a", "c"]);
        let outcome = kill_at(shell(dir.path(), script), Calls::Durable, before as u64 + 1);
        assert!(
            matches!(outcome, Outcome::Killed { .. }),
            "{before}: {outcome:?}"
        );
        assert_eq!(
            names(dir.path()),
            *state,
            "killed in step {}: {outcome:?}",
            before + 1
        );
    }
    let dir = with(&["a", "c"]);
    let outcome = kill_at(shell(dir.path(), script), Calls::Durable, 6);
    assert_eq!(outcome, Outcome::Finished(0));
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn processes_in_the_background_are_counted_and_killed_too() {
    let script = "for n in 1 2 3 4; do (sleep 0.1; mv $n x$n) & done; wait";
    let files = ["1", "2", "3", "4"];
    let dir = with(&files);
    assert_eq!(count(shell(dir.path(), script), Calls::Durable).total, 4);
    assert_eq!(names(dir.path()), ["x1", "x2", "x3", "x4"]);
    for n in 1..=4 {
        let dir = with(&files);
        let outcome = kill_at(shell(dir.path(), script), Calls::Durable, n);
        assert!(matches!(outcome, Outcome::Killed { .. }), "{outcome:?}");
        let moved = || {
            names(dir.path())
                .iter()
                .filter(|name| name.starts_with('x'))
                .count()
        };
        let at_once = moved() as u64;
        assert_eq!(at_once, n - 1);
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(moved() as u64, at_once, "a process lived on");
    }
}

#[test]
fn the_exit_of_a_program_is_told() {
    let dir = with(&[]);
    assert_eq!(
        kill_at(shell(dir.path(), "exit 7"), Calls::Durable, 1),
        Outcome::Finished(7)
    );
    let killed = kill_at(shell(dir.path(), "kill -TERM $$"), Calls::Durable, 1);
    assert_eq!(killed, Outcome::Finished(128 + libc::SIGTERM));
    let realtime = kill_at(shell(dir.path(), "kill -40 $$"), Calls::Durable, 1);
    assert_eq!(realtime, Outcome::Finished(128 + 40));
    let caught = "trap 'exit 5' USR1; kill -USR1 $$; sleep 9";
    assert_eq!(
        kill_at(shell(dir.path(), caught), Calls::Durable, 1),
        Outcome::Finished(5)
    );
    assert_eq!(
        count(shell(dir.path(), "exec true"), Calls::Durable).to_string(),
        "0 steps ()"
    );
}

#[test]
fn writes_count_when_asked_for_and_only_to_files() {
    let script = "echo 1 > f; echo 2; echo 3 > /dev/null; echo 4 | cat; echo 5 >> f";
    let dir = with(&[]);
    assert_eq!(count(shell(dir.path(), script), Calls::Durable).total, 0);
    let dir = with(&[]);
    let steps = count(shell(dir.path(), script), Calls::DurableAndWrites);
    assert_eq!((steps.total, steps.by_name["write"]), (2, 2), "{steps}");
    let dir = with(&[]);
    let outcome = kill_at(shell(dir.path(), script), Calls::DurableAndWrites, 2);
    assert_eq!(outcome, Outcome::Killed { call: "write" });
    assert_eq!(std::fs::read(dir.path().join("f")).unwrap(), b"1\n");
}

#[test]
fn a_step_that_fails_is_not_done_and_its_program_is_told() {
    let script = "mv a b || echo no > said; mv c d || echo no > said; rm -f x";
    let run = |fault, n| {
        let dir = with(&["a", "c"]);
        let failed = fail_at(shell(dir.path(), script), Calls::Durable, fault, n);
        (failed, names(dir.path()))
    };
    let (failed, left) = run(Fault::Fails, 1);
    assert!(failed.call.is_some_and(|call| call.starts_with("rename")));
    assert_eq!(
        (failed.exit, &left[..]),
        (0, &["a", "d", "said"].map(String::from)[..])
    );
    // What comes after fails as well.
    let (failed, left) = run(Fault::Dies, 2);
    assert!(failed.call.is_some_and(|call| call.starts_with("rename")));
    assert_eq!(
        (failed.exit, &left[..]),
        (1, &["b", "c", "said"].map(String::from)[..])
    );
    // To rename and to remove takes no room.
    let (failed, left) = run(Fault::Full, 1);
    assert_eq!((failed.call, failed.exit), (None, 0));
    assert_eq!(left, ["b", "d"]);
    // To read takes none either, and can fail.
    let read = |fault| {
        let dir = with(&["a"]);
        fail_at(
            shell(dir.path(), "read line < a"),
            Calls::Fallible,
            fault,
            1,
        )
    };
    assert_eq!(read(Fault::Full).call, None);
    assert_eq!(read(Fault::Fails).call, Some("openat"));
    let full = |script, calls| {
        let dir = with(&[]);
        let failed = fail_at(shell(dir.path(), script), calls, Fault::Full, 1);
        assert_ne!(failed.exit, 0);
        (failed.call.unwrap(), names(dir.path()).len())
    };
    assert_eq!(full("mkdir d", Calls::Fallible), ("mkdir", 0));
    assert_eq!(full("echo 1 > f", Calls::Fallible), ("openat", 0));
    assert_eq!(full("echo 1 > f", Calls::DurableAndWrites), ("write", 1));
}

/// This binary, as a program that renames a file in each of its threads.
fn threads(dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let test = "support::crash::tests::a_program_with_threads";
    command
        .args(["--ignored", "--exact", test])
        .env("RENAME_IN", dir);
    quiet(command, dir)
}

#[test]
#[ignore = "the program that other tests run: it renames `0` to `x0` and so on in RENAME_IN"]
fn a_program_with_threads() {
    let dir = PathBuf::from(std::env::var_os("RENAME_IN").expect("RENAME_IN"));
    std::thread::scope(|scope| {
        for n in 0..THREADS {
            let dir = &dir;
            scope.spawn(move || {
                std::fs::rename(dir.join(n.to_string()), dir.join(format!("x{n}"))).unwrap();
            });
        }
    });
}

#[test]
fn threads_are_counted_together_and_die_together() {
    let files = ["0", "1", "2", "3"];
    let dir = with(&files);
    let steps = count(threads(dir.path()), Calls::Durable);
    assert_eq!((steps.total, steps.exit), (THREADS as u64, 0), "{steps}");
    for n in 1..=THREADS {
        let dir = with(&files);
        let outcome = kill_at(threads(dir.path()), Calls::Durable, n as u64);
        assert!(matches!(outcome, Outcome::Killed { .. }), "{outcome:?}");
        let moved = names(dir.path())
            .iter()
            .filter(|name| name.starts_with('x'))
            .count();
        assert_eq!(moved, n - 1);
    }
}

#[test]
fn tracers_do_not_get_in_each_others_way() {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut other = Command::new("/bin/sleep").arg("0.2").spawn().unwrap();
                let dir = with(&["a"]);
                assert_eq!(
                    count(shell(dir.path(), "mv a b; mv b c"), Calls::Durable).total,
                    2
                );
                assert!(other.wait().unwrap().success());
            });
        }
    });
}
