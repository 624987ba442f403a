//! Makes a case that fails smaller: whole runs of operations first, then tables, columns and what
//! stands on them, then single numbers. What is left fails still.

use std::time::{Duration, Instant};

use super::case::{Case, Op, TableSpec};
use super::dice::Picks;

/// The smallest case that is found in `time`, for which `fails` says why it does.
pub fn smallest(
    case: Case,
    why: String,
    time: Duration,
    fails: &dyn Fn(&Case) -> Option<String>,
) -> (Case, String) {
    let mut search = Search {
        case,
        why,
        fails,
        until: Instant::now() + time,
    };
    loop {
        let before = search.size();
        search.remove(
            &|case| case.rounds.iter().map(Vec::len).sum::<usize>(),
            &remove_op,
        );
        search.remove(&|case| case.start.len(), &|case, range| {
            cut(&mut case.start, range);
        });
        search.remove(&|case| case.tables.len(), &|case, range| {
            cut(&mut case.tables, range);
        });
        for part in 0..=search.case.tables.len() {
            let columns = |case: &Case| spec(case, part).columns.len();
            search.remove(&columns, &|case, range| {
                cut(&mut spec_mut(case, part).columns, range);
            });
            let extras = |case: &Case| spec(case, part).extras.len();
            search.remove(&extras, &|case, range| {
                cut(&mut spec_mut(case, part).extras, range);
            });
        }
        search.remove(
            &|case| all_picks(&mut case.clone()).map(|picks| picks.len()).sum(),
            &zero,
        );
        if search.size() == before || search.late() {
            return (search.case, search.why);
        }
    }
}

struct Search<'a> {
    case: Case,
    why: String,
    fails: &'a dyn Fn(&Case) -> Option<String>,
    until: Instant,
}

impl Search<'_> {
    fn late(&self) -> bool {
        Instant::now() > self.until
    }

    fn size(&mut self) -> usize {
        let ops = self.case.rounds.iter().map(Vec::len).sum::<usize>() + self.case.start.len();
        let numbers = all_picks(&mut self.case)
            .flatten()
            .filter(|v| **v > 0)
            .count();
        ops + numbers
    }

    /// Takes away halves, quarters and so on of so many things, as long as the case still fails.
    fn remove(
        &mut self,
        count: &dyn Fn(&Case) -> usize,
        take: &dyn Fn(&mut Case, std::ops::Range<usize>),
    ) {
        let mut chunk = count(&self.case).next_power_of_two();
        while chunk > 0 {
            let mut at = 0;
            while at < count(&self.case) && !self.late() {
                let all = count(&self.case);
                let mut smaller = self.case.clone();
                take(&mut smaller, at..(at + chunk).min(all));
                let changed =
                    format!("{:?}", parts(&smaller)) != format!("{:?}", parts(&self.case));
                match changed.then(|| (self.fails)(&smaller)).flatten() {
                    Some(why) => {
                        (self.case, self.why) = (smaller, why);
                        // What is zero stays where it is.
                        at += if count(&self.case) == all { chunk } else { 0 };
                    }
                    None => at += chunk,
                }
            }
            chunk /= 2;
        }
    }
}

/// All of a case that can be compared.
fn parts(case: &Case) -> impl std::fmt::Debug + '_ {
    let rest = (&case.start, &case.rounds, &case.forgotten);
    (&case.file, &case.register, &case.tables, rest)
}

fn spec(case: &Case, part: usize) -> &TableSpec {
    match part {
        0 => &case.register,
        part => &case.tables[part - 1],
    }
}

fn spec_mut(case: &mut Case, part: usize) -> &mut TableSpec {
    match part {
        0 => &mut case.register,
        part => &mut case.tables[part - 1],
    }
}

fn cut<T>(list: &mut Vec<T>, range: std::ops::Range<usize>) {
    list.drain(range);
}

fn remove_op(case: &mut Case, range: std::ops::Range<usize>) {
    let mut at = 0;
    for round in &mut case.rounds {
        round.retain(|_| {
            at += 1;
            !range.contains(&(at - 1))
        });
    }
}

fn zero(case: &mut Case, range: std::ops::Range<usize>) {
    for pick in all_picks(case)
        .flatten()
        .skip(range.start)
        .take(range.len())
    {
        *pick = 0;
    }
}

fn all_picks(case: &mut Case) -> impl Iterator<Item = &mut Picks> {
    let ops = case
        .start
        .iter_mut()
        .chain(case.rounds.iter_mut().flatten());
    let tables = std::iter::once(&mut case.register).chain(&mut case.tables);
    [&mut case.file, &mut case.forgotten]
        .into_iter()
        .chain(tables.flat_map(of_table))
        .chain(ops.flat_map(of_op))
}

fn of_table(spec: &mut TableSpec) -> Vec<&mut Picks> {
    let more = spec.columns.iter_mut().chain(&mut spec.extras);
    std::iter::once(&mut spec.shape).chain(more).collect()
}

fn of_op(op: &mut Op) -> Vec<&mut Picks> {
    match op {
        Op::NewTable(spec) => of_table(spec),
        Op::Customer(picks)
        | Op::Insert(picks)
        | Op::Update(picks)
        | Op::Delete(picks)
        | Op::AddColumn(picks)
        | Op::DropColumn(picks)
        | Op::Rename(picks)
        | Op::DropTable(picks)
        | Op::Rebuild(picks)
        | Op::Extra(picks)
        | Op::DropExtra(picks)
        | Op::File(picks) => vec![picks],
    }
}
