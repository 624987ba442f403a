//! The fuse: a plan that would erase too many stops, and goes on when a person names its hash.

use std::fmt;

use super::policy::{Fate, Verdict};
use crate::config::Fuse;
use crate::ids::Domain;

/// Too many would be erased.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blown {
    /// How many customers the plan would erase.
    pub planned: u64,
    /// How many were erased in the 30 days before.
    pub already: u64,
    /// How many customers there are.
    pub customers: u64,
    /// What is allowed.
    pub fuse: Fuse,
}

impl fmt::Display for Blown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fuse { share, number } = self.fuse;
        write!(
            f,
            "{} customers would be erased after {} in the last 30 days; the fuse allows a share of \
             {share} of {} customers, and no more than {number}",
            self.planned, self.already, self.customers
        )
    }
}

/// Whether carrying out the plan would erase more than the fuse allows in 30 days, by share or by
/// number, whichever is reached first. All that are erased count, the vanished too. A plan that
/// erases nobody blows no fuse.
pub fn blown(
    plan: &[Verdict],
    already_erased_in_last_30_days: u64,
    customers: u64,
    fuse: &Fuse,
) -> Option<Blown> {
    let planned = erased(plan).count() as u64;
    let total = planned.saturating_add(already_erased_in_last_30_days);
    // Dividing makes exactly 29 of 100 equal to a share of 0.29; multiplying would not.
    let share = total as f64 / customers as f64;
    let too_many = total > fuse.number || share > fuse.share;
    (planned > 0 && too_many).then_some(Blown {
        planned,
        already: already_erased_in_last_30_days,
        customers,
        fuse: *fuse,
    })
}

/// What a person confirms: BLAKE3's `derive_key("tenure v1 2026-11 retention plan", …)` of the
/// domains that would be erased, in ascending order, each as its incarnation (8 bytes) and
/// `be64(leaf)`. Neither times nor reasons count, so the same plan a minute later has the same hash.
pub fn hash(plan: &[Verdict]) -> [u8; 32] {
    let mut domains: Vec<Domain> = erased(plan).map(|verdict| verdict.domain).collect();
    domains.sort_unstable();
    let mut hasher = blake3::Hasher::new_derive_key("tenure v1 2026-11 retention plan");
    for domain in domains {
        hasher.update(&domain.inc.0);
        hasher.update(&domain.leaf().to_be_bytes());
    }
    hasher.finalize().into()
}

fn erased(plan: &[Verdict]) -> impl Iterator<Item = &Verdict> {
    plan.iter().filter(|verdict| verdict.fate == Fate::Erase)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Timestamp;
    use crate::ids::{Class, Incarnation};
    use crate::lifecycle::Reason;

    fn verdict(arrival: u32, fate: Fate) -> Verdict {
        Verdict {
            domain: Domain {
                inc: Incarnation([7; 8]),
                class: Class::CUSTOMER,
                arrival,
            },
            fate,
            due: None,
            why: vec![Reason::NoRule],
        }
    }

    fn plan(erased: u32) -> Vec<Verdict> {
        let others = [Fate::Keep, Fate::Expired, Fate::Review].map(|fate| verdict(9000, fate));
        let erased = (0..erased).map(|arrival| verdict(arrival, Fate::Erase));
        others.into_iter().chain(erased).collect()
    }

    #[test]
    fn it_blows_by_share_or_by_number_whichever_is_reached_first() {
        for (erased, already, customers, share, number, blows) in [
            (5, 0, 100, 0.05, 1000, false),
            (6, 0, 100, 0.05, 1000, true),
            (3, 2, 100, 0.05, 1000, false),
            (3, 3, 100, 0.05, 1000, true),
            // Exactly the share, where multiplying would be a little less.
            (29, 0, 100, 0.29, 1000, false),
            (30, 0, 100, 0.29, 1000, true),
            (10, 0, 1_000_000, 0.05, 10, false),
            (11, 0, 1_000_000, 0.05, 10, true),
            (1, 10, 1_000_000, 0.05, 10, true),
            // Nothing is left to stop.
            (0, 50, 100, 0.05, 10, false),
            (0, 0, 0, 0.0, 0, false),
            (1, 0, 100, 0.0, 10, true),
            (1, 0, 100, 0.5, 0, true),
            (100, 0, 100, 1.0, 100, false),
            (1, 0, 0, 1.0, 10, true),
            (1, u64::MAX, 100, 1.0, u64::MAX - 1, true),
        ] {
            let fuse = Fuse { share, number };
            let found = blown(&plan(erased), already, customers, &fuse);
            let expected = blows.then_some(Blown {
                planned: erased.into(),
                already,
                customers,
                fuse,
            });
            assert_eq!(found, expected, "{erased} {already} {customers} {fuse:?}");
        }
    }

    #[test]
    fn it_says_what_is_too_much() {
        let blown = blown(&plan(6), 3, 100, &Fuse::default()).unwrap();
        assert_eq!(
            blown.to_string(),
            "6 customers would be erased after 3 in the last 30 days; the fuse allows a share of \
             0.05 of 100 customers, and no more than 1000"
        );
    }

    #[test]
    fn the_hash_is_as_described() {
        let mut bytes = Vec::new();
        for arrival in [0, 1] {
            bytes.extend([7; 8]);
            bytes.extend([0, 0, 0, 1, 0, 0, 0, arrival]);
        }
        let described = blake3::derive_key("tenure v1 2026-11 retention plan", &bytes);
        assert_eq!(hash(&plan(2)), described);
    }

    #[test]
    fn times_reasons_order_and_the_kept_do_not_change_the_hash_and_the_erased_do() {
        let once = hash(&plan(3));
        let mut later = plan(3);
        later.reverse();
        later.push(verdict(9001, Fate::Keep));
        for verdict in &mut later {
            verdict.due = Some(Timestamp(5));
            verdict.why.push(Reason::Hidden);
        }
        assert_eq!(hash(&later), once);
        assert_ne!(hash(&plan(2)), once);
        later[1].domain.inc = Incarnation([8; 8]);
        assert_ne!(hash(&later), once);
    }

    proptest! {
        #[test]
        fn erasing_more_never_mends_the_fuse(
            erased in 1..50u32,
            already in 0..50u64,
            customers in 0..200u64,
            share in 0.0..=1.0,
            number in 0..60u64,
        ) {
            let fuse = Fuse { share, number };
            if blown(&plan(erased), already, customers, &fuse).is_some() {
                prop_assert!(blown(&plan(erased + 1), already, customers, &fuse).is_some());
                prop_assert!(blown(&plan(erased), already + 1, customers, &fuse).is_some());
            }
        }
    }
}
