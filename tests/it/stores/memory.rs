//! A store in memory is a store like any other, as long as the process lives.

use tenure::{forget, replicate, restore, verify};

use crate::support::compare::same;
use crate::support::world::World;
use tenure::report::Silent;

#[test]
fn what_is_kept_in_memory_comes_back_until_it_is_forgotten() {
    let world = World::in_memory("passing").with_two_snapshots();
    let live = world.dir().join("live.db");
    let sql = format!("VACUUM INTO '{}'", live.display());
    world.crm.connection().execute_batch(&sql).unwrap();
    let repository = world.open();
    let newest = restore::choose(&repository, None, None).unwrap();
    let to = world.dir().join("out");
    let restored = restore::whole(&repository, &to, newest, None, None, &Silent).unwrap();
    same(&live, &restored.sources[0].path).unwrap();
    let replicated = replicate::run(&mut world.change(), &Silent).unwrap();
    assert!(replicated[0].behind.is_none() && replicated[0].copied.objects == 0);
    let forgotten = forget::run(&mut world.change(), &["5".to_owned()], &[]).unwrap();
    assert!(forgotten.pending.is_empty());
    let repository = world.open();
    let held = repository.stores[0].list("keyring").unwrap();
    assert_eq!(
        held.into_keys().collect::<Vec<_>>(),
        [repository.keyring.path()]
    );
    let verified = verify::run(&mut world.change(), None, true, &Silent).unwrap();
    assert!(verified.problems.is_empty(), "{:?}", verified.problems);
}
