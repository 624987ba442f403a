//! The page for the binder: every command in it, in its order, on machines of its own.

use std::process::Command;

use super::*;
use crate::support::raw::copy_tree;

/// The commands of the page's blocks.
fn blocks() -> Vec<String> {
    let page = include_str!("../../../docs/recovery.md");
    let mut blocks: Vec<String> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match (line, inside) {
            ("```sh", _) => {
                inside = true;
                blocks.push(String::new());
            }
            ("```", true) => inside = false,
            (line, true) => *blocks.last_mut().unwrap() += &format!("{line}\n"),
            _ => {}
        }
    }
    blocks
}

#[test]
fn every_command_of_the_page_works() {
    let world = World::with_stores(&["local", "disk2"]).with_two_snapshots();
    let identity = world.identity_file();
    let gone = someone(&world, 3);
    let position = Host::first(&world).read().log().position();
    let entry = format!("{}.{}", position.inc, position.len + 1);
    Host::first(&world).forget(gone).unwrap();
    let stores = world.dir().join("stores");
    let copy = world.dir().join("mnt/copy/tenure");
    fs::create_dir_all(&copy).unwrap();
    copy_tree(&stores.join("local"), &copy);
    fs::create_dir_all(world.dir().join("mnt/key")).unwrap();
    fs::rename(identity, world.dir().join("mnt/key/recovery.key")).unwrap();
    let root = world.dir().display().to_string();
    let program = Path::new(env!("CARGO_BIN_EXE_tenure")).parent().unwrap();
    let mut count = 0;
    for (at, block) in blocks().into_iter().enumerate() {
        match at {
            // The host is lost, with what stood on it.
            2 => {
                fs::remove_dir_all(world.state_dir()).unwrap();
                fs::remove_file(world.dir().join("crm.db")).unwrap();
            }
            // One store is.
            7 => fs::rename(stores.join("disk2"), stores.join("disk2.away")).unwrap(),
            // It turns up again.
            8 => fs::rename(stores.join("disk2.away"), stores.join("disk2")).unwrap(),
            _ => {}
        }
        let text = block
            .replace("/mnt/backup/tenure", &format!("{root}/stores/local"))
            .replace("/mnt/", &format!("{root}/mnt/"))
            .replace("/srv/", &format!("{root}/srv/"))
            .replace("/var/lib/crm/", &format!("{root}/"))
            .replace(" 57", &format!(" {entry}"));
        let ran = Command::new("bash")
            .args(["-euc", &text])
            .env("PATH", format!("{}:/usr/bin:/bin", program.display()))
            .env("TENURE_CONFIG", world.config_path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        let code = ran.status.code().unwrap();
        assert_eq!(code, 0, "{text}: {said}");
        count += 1;
    }
    assert_eq!(count, 10);
    assert!(!has(&world.dir().join("srv/restored/crm/crm.db"), gone));
    assert!(!has(
        &world.dir().join("srv/rehearsal/restored/crm/crm.db"),
        gone
    ));
}
