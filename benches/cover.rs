//! What erasing costs the keyring, and what deriving keys costs: `cargo bench --bench cover`.
//!
//! Prints the tables of `docs/performance.md`. A million customers have the arrivals 0 to 999,999
//! of one class; some of them are erased, at random or in order of arrival, in one batch, and then
//! one more. Everything is drawn from a fixed seed, so cover sizes are the same on every machine.

#![allow(clippy::print_stdout, reason = "a benchmark's output is its table")]

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use tenure::ids::{Class, Domain, Incarnation};
use tenure::keyring::tree::Tree;
use tenure::secret::Seed;

const CUSTOMERS: u32 = 1_000_000;
const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    println!("A million customers; times are medians of {ROUNDS}.\n");
    println!("| erased | which | cover | bytes | whole batch | one more |");
    println!("|---:|---|---:|---:|---:|---:|");
    let order = shuffled();
    for erased in [10_000, 100_000] {
        erasures(erased, "random", |n| leaf(order[n]))?;
        erasures(erased, "in order of arrival", |n| leaf(n as u32))?;
    }
    println!("\n| deriving the keys of the living, ascending | leaf by leaf | with a walker |");
    println!("|---|---:|---:|");
    let none = Vec::new();
    derivations("nothing erased", &none)?;
    let tenth: Vec<u64> = order.iter().take(100_000).map(|n| leaf(*n)).collect();
    derivations("100,000 erased at random", &tenth)
}

/// One row: `which` customers go, `erased` of them in one batch and then the next.
fn erasures(erased: usize, name: &str, which: impl Fn(usize) -> u64) -> Result<(), Box<dyn Error>> {
    let batch: Vec<u64> = (0..erased).map(&which).collect();
    let next = [which(erased)];
    let (mut whole, mut more) = (Vec::new(), Vec::new());
    let (mut cover, mut bytes) = (0, 0);
    for _ in 0..ROUNDS {
        let mut tree = tree()?;
        whole.push(time(|| tree.puncture(&batch)));
        (cover, bytes) = (tree.cover_len(), tree.as_bytes().len());
        more.push(time(|| tree.puncture(&next)));
    }
    println!(
        "| {} | {name} | {} | {} | {} | {} |",
        grouped(erased),
        grouped(cover),
        grouped(bytes),
        shown(median(whole)),
        shown(median(more)),
    );
    Ok(())
}

/// One row: what a key costs, on a pass over all customers that are not erased.
fn derivations(name: &str, erased: &[u64]) -> Result<(), Box<dyn Error>> {
    let mut tree = tree()?;
    tree.puncture(erased);
    let living: Vec<u64> = (0..CUSTOMERS).map(leaf).filter(|l| tree.has(*l)).collect();
    let (mut single, mut walked) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        single.push(time(|| {
            for leaf in &living {
                black_box(tree.leaf(*leaf));
            }
        }));
        let mut walker = tree.walker();
        walked.push(time(|| {
            for leaf in &living {
                black_box(walker.leaf(*leaf));
            }
        }));
    }
    let each = |times| median(times).as_nanos() / living.len() as u128;
    println!(
        "| {name} | {} ns | {} ns |",
        grouped(each(single) as usize),
        grouped(each(walked) as usize)
    );
    Ok(())
}

fn tree() -> Result<Tree, Box<dyn Error>> {
    Ok(Tree::plant(Seed::random()?))
}

/// The leaf of the customer with this arrival.
fn leaf(arrival: u32) -> u64 {
    Domain {
        inc: Incarnation([0; 8]),
        class: Class::CUSTOMER,
        arrival,
    }
    .leaf()
}

/// All arrivals in an order that is random but always the same (SplitMix64, Fisher-Yates).
fn shuffled() -> Vec<u32> {
    let mut state = 20_261_124_u64;
    let mut random = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let mut order: Vec<u32> = (0..CUSTOMERS).collect();
    for last in (1..order.len()).rev() {
        order.swap(last, (random() % (last as u64 + 1)) as usize);
    }
    order
}

fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Milliseconds with two digits behind the point.
fn shown(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

/// A number with commas between thousands.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
