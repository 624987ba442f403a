//! Whatever is done in whatever order: whoever is held or restricted stays, and nobody goes before the
//! longest rule, or, when asked for, before the statutory minimum.

use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};
use tenure::prune;

use super::*;

/// Three years, and a year at least; a second rule is longer.
const RULES: &str = "[retention]\nfuse = { share = 1.0, number = 1000 }\n\
    [[retention.rule]]\nbasis = \"contract\"\nstart = \"last_contact_at\"\nkeep = \"3y\"\nat_least = \"1y\"\n\
    then = \"erase\"\n\
    [[retention.rule]]\nbasis = \"tax\"\nstart = \"last_contact_at\"\nkeep = \"5y\"\nthen = \"erase\"\n";
/// Those whom something is done to.
const PEOPLE: usize = 6;

/// Since when nothing was heard of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Age {
    Yesterday,
    /// Longer than the minimum, shorter than any rule.
    TwoYears,
    /// Longer than one rule, shorter than the other.
    FourYears,
    SixYears,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Hold(usize),
    Release(usize),
    Hide(usize, bool),
    Unhide(usize),
    Hear(usize, Age),
    Erase(usize),
    Forget(usize),
    Run,
    Snapshot(bool),
    Prune,
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 1..=PEOPLE;
    let age = prop_oneof![
        1 => Just(Age::Yesterday),
        1 => Just(Age::TwoYears),
        1 => Just(Age::FourYears),
        3 => Just(Age::SixYears)
    ];
    prop_oneof![
        2 => who().prop_map(Step::Hold),
        1 => who().prop_map(Step::Release),
        1 => (who(), any::<bool>()).prop_map(|(who, restricted)| Step::Hide(who, restricted)),
        1 => who().prop_map(Step::Unhide),
        3 => (who(), age).prop_map(|(who, age)| Step::Hear(who, age)),
        2 => who().prop_map(Step::Erase),
        1 => who().prop_map(Step::Forget),
        3 => Just(Step::Run),
        1 => any::<bool>().prop_map(Step::Snapshot),
        1 => Just(Step::Prune),
    ]
}

/// What is known of somebody without asking the program.
#[derive(Clone, Copy, Debug)]
struct Model {
    held: bool,
    hidden: bool,
    restricted: bool,
    age: Age,
    /// Whether the backups still have a key for this one.
    has_key: bool,
    is_live: bool,
}

impl Model {
    fn is_free(&self) -> bool {
        self.is_live && self.has_key && !self.held && !self.restricted
    }
}

struct Run<'w> {
    world: &'w World,
    people: Vec<Model>,
    domains: Vec<Domain>,
}

impl Run<'_> {
    fn id(who: usize) -> String {
        who.to_string()
    }

    /// Does a step in both; they must agree on whether it may be done.
    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        let world = self.world;
        match step {
            Step::Hold(who) => {
                let done = hold::hold(&mut change(world), &Self::id(who), "x", None).is_ok();
                self.expect(who, done, |one| one.has_key, |one| one.held = true)?;
            }
            Step::Release(who) => {
                let done = hold::release(&mut change(world), &Self::id(who), "x").is_ok();
                self.expect(
                    who,
                    done,
                    |one| one.has_key && one.held,
                    |one| one.held = false,
                )?;
            }
            Step::Hide(who, restricted) => {
                let done = hide::hide(&mut change(world), &Self::id(who), "x", restricted).is_ok();
                let may = |one: &Model| one.has_key && one.is_live;
                self.expect(who, done, may, |one| {
                    one.hidden = true;
                    // What the customer has asked for is not taken back by another hide.
                    one.restricted |= restricted;
                })?;
            }
            Step::Unhide(who) => {
                let done = hide::unhide(&mut change(world), &Self::id(who), "x").is_ok();
                self.expect(
                    who,
                    done,
                    |one| one.has_key && one.hidden,
                    |one| {
                        (one.hidden, one.restricted) = (false, false);
                    },
                )?;
            }
            Step::Hear(who, age) => {
                let years = [0, 2, 4, 6][age as usize];
                let since = format!("datetime('now', '-1 day', '-{years} years')");
                sql(
                    world,
                    &format!("UPDATE customers SET last_contact_at = {since} WHERE id = {who}"),
                );
                self.people[who - 1].age = age;
            }
            Step::Erase(who) => {
                let before = self.people[who - 1];
                let erased = erase(world, &Self::id(who)).is_ok();
                // Somebody who was forgotten is erased once more, by the minimum alone.
                let again = before.is_live && !before.has_key;
                let may = (before.is_free() || again) && before.age >= Age::TwoYears;
                prop_assert_eq!(erased, may, "{:?} {:?}", step, before);
                if may {
                    let one = &mut self.people[who - 1];
                    (one.has_key, one.is_live) = (false, false);
                }
            }
            Step::Forget(who) => {
                let done = forget::run(&mut change(world), &[Self::id(who)], &[]).is_ok();
                let may = |one: &Model| one.has_key && !one.held && !one.restricted;
                self.expect(who, done, may, |one| one.has_key = false)?;
            }
            Step::Run => {
                retention::run(world, None).unwrap();
                for one in self.people.iter_mut().filter(|one| one.is_free()) {
                    if one.age == Age::SixYears {
                        (one.has_key, one.is_live) = (false, false);
                    }
                }
            }
            Step::Snapshot(full) => {
                world.snapshot(full);
            }
            Step::Prune => {
                let _ = prune::run(&mut change(world), None, &Silent);
            }
        }
        Ok(())
    }

    fn expect(
        &mut self,
        who: usize,
        done: bool,
        may: impl Fn(&Model) -> bool,
        then: impl Fn(&mut Model),
    ) -> Result<(), TestCaseError> {
        let one = &mut self.people[who - 1];
        prop_assert_eq!(done, may(one), "{} {:?}", who, one);
        if done {
            then(one);
        }
        Ok(())
    }

    /// That what is so is what the model says.
    fn look(&self, after: Step) -> Result<(), TestCaseError> {
        let repository = self.world.open();
        for (at, (one, domain)) in self.people.iter().zip(&self.domains).enumerate() {
            let live = count(self.world, &format!("customers WHERE id = {}", at + 1)) == 1;
            prop_assert_eq!(live, one.is_live, "{} after {:?}: {:?}", at + 1, after, one);
            let has_key = repository.keyring.forest.key(*domain).is_some();
            prop_assert_eq!(
                has_key,
                one.has_key,
                "{} after {:?}: {:?}",
                at + 1,
                after,
                one
            );
        }
        Ok(())
    }
}

#[test]
fn no_order_of_steps_takes_whoever_must_stay() {
    let cases = if std::env::var_os("TENURE_LONG").is_some() {
        200
    } else {
        6
    };
    let mut runner = TestRunner::new(Cases {
        cases,
        failure_persistence: None,
        ..Cases::default()
    });
    let run = runner.run(&prop::collection::vec(step(), 8..25), |steps| {
        let world = World::with_lives(RULES);
        sql(
            &world,
            "UPDATE customers SET last_contact_at = datetime('now', '-1 day')",
        );
        world.snapshot(true);
        let domains = (1..=PEOPLE).map(|who| domain(&world, &who.to_string()));
        let one = Model {
            held: false,
            hidden: false,
            restricted: false,
            age: Age::Yesterday,
            has_key: true,
            is_live: true,
        };
        let mut run = Run {
            world: &world,
            domains: domains.collect(),
            people: vec![one; PEOPLE],
        };
        for step in steps {
            run.take(step)?;
            run.look(step)?;
        }
        Ok(())
    });
    run.unwrap();
}
