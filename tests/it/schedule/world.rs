//! A time in which things go wrong, and somebody who lives through it.

use std::ops::Range;

use tenure::catalog::Ending;
use tenure::schedule::Task;

pub const MINUTE: i64 = 60;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// Whoever decides what is run. All times are what the clock says, in seconds since 1970.
pub trait Decider {
    /// The process starts, for the first time or after it was gone in the midst of whatever it did.
    fn start(&mut self, now: i64);
    fn due(&self, now: i64) -> Vec<Task>;
    /// How long nothing is due.
    fn wait(&self, now: i64) -> i64;
    fn begin(&mut self, task: Task, now: i64);
    fn finish(&mut self, task: Task, ending: Ending, now: i64);
    fn changed(&mut self, now: i64);
}

/// One run, as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub task: Task,
    /// What the clock said when it began.
    pub began: i64,
    /// How it ended; none if it was broken off.
    pub ending: Option<Ending>,
}

/// What happens, whatever is decided. All times are in seconds since it began.
pub struct World {
    /// When it begins, and how long it lasts.
    pub epoch: i64,
    span: i64,
    seed: u64,
    /// When the machine is off. In order, apart.
    pub outages: Vec<Range<i64>>,
    /// From when on the clock is ahead by how much. In order.
    pub settings: Vec<(i64, i64)>,
    /// When the stores fail.
    pub failing: Vec<Range<i64>>,
    /// When a source is written to. In order.
    pub writes: Vec<i64>,
}

impl World {
    pub fn new(epoch: i64, span: i64, seed: u64) -> Self {
        let mut random = Random(seed);
        let mut settings = vec![(0, 0)];
        for _ in 0..random.below(12) {
            let from = random.below(span);
            let small = random.below(4) > 0;
            let most = if small { 2 * HOUR } else { 3 * DAY };
            let ahead = random.below(2 * most) - most;
            settings.push((from, ahead));
            if random.below(3) > 0 {
                settings.push((from + random.below(2 * DAY), 0));
            }
        }
        settings.sort_unstable();
        let mut writes = Vec::new();
        for _ in 0..60 {
            let mut at = random.below(span);
            let end = at + random.below(40 * MINUTE);
            let pause = 1 + random.below(40);
            while at < end {
                writes.push(at);
                at += 1 + random.below(pause);
            }
        }
        writes.sort_unstable();
        Self {
            epoch,
            span,
            seed,
            outages: apart(&mut random, span, 10, span / 17),
            settings,
            failing: apart(&mut random, span, 12, span / 50),
            writes,
        }
    }

    /// What the clock says.
    pub fn clock(&self, time: i64) -> i64 {
        let set = self.settings.iter().rev().find(|(from, _)| *from <= time);
        self.epoch + time + set.unwrap().1
    }

    /// How long the nth run takes, and how it ends.
    fn run(&self, task: Task, nth: usize, time: i64) -> (i64, Ending) {
        let mut random = Random(self.seed ^ ((nth as u64) << 8 | task as u64));
        let most = if random.below(10) == 0 {
            5 * HOUR
        } else {
            10 * MINUTE
        };
        let failing = self.failing.iter().any(|failing| failing.contains(&time));
        let ending = match random.below(100) {
            0..80 if failing => Ending::Failed,
            80..84 => Ending::Failed,
            84..88 => Ending::Part,
            88..90 => Ending::Refused,
            _ => Ending::Ok,
        };
        (1 + random.below(most), ending)
    }

    /// Lives through it, and tells what was run.
    pub fn live(&self, decider: &mut impl Decider) -> Vec<Run> {
        let mut life = Life {
            world: self,
            time: 0,
            written: 0,
            runs: Vec::new(),
        };
        let mut from = 0;
        for outage in self
            .outages
            .iter()
            .cloned()
            .chain(std::iter::once(self.span..self.span))
        {
            life.until(decider, from, outage.start);
            from = outage.end;
        }
        life.runs
    }
}

struct Life<'w> {
    world: &'w World,
    time: i64,
    /// How many writes were told.
    written: usize,
    runs: Vec<Run>,
}

impl Life<'_> {
    /// The machine is on.
    fn until(&mut self, decider: &mut impl Decider, from: i64, until: i64) {
        self.time = from;
        self.written = self.world.writes.partition_point(|write| *write < from);
        decider.start(self.clock());
        while self.time < until {
            let now = self.clock();
            let due = decider.due(now);
            if due.is_empty() {
                self.sleep(decider, decider.wait(now));
            }
            for task in due {
                if self.time < until && !self.run(decider, task, until) {
                    return;
                }
            }
        }
    }

    fn clock(&self) -> i64 {
        self.world.clock(self.time)
    }

    fn sleep(&mut self, decider: &mut impl Decider, wait: i64) {
        assert!((1..=MINUTE).contains(&wait), "{wait}");
        let write = self.world.writes.get(self.written);
        let until = self.time + wait;
        self.time = write.map_or(until, |write| until.min(*write));
        self.tell(decider);
    }

    /// Tells of the writes that there were.
    fn tell(&mut self, decider: &mut impl Decider) {
        while let Some(write) = self.world.writes.get(self.written)
            && *write <= self.time
        {
            decider.changed(self.world.clock(*write));
            self.written += 1;
        }
    }

    /// Whether the run came to its end.
    fn run(&mut self, decider: &mut impl Decider, task: Task, until: i64) -> bool {
        let (lasts, ending) = self.world.run(task, self.runs.len(), self.time);
        let began = self.clock();
        decider.begin(task, began);
        self.time += lasts;
        let ending = (self.time < until).then_some(ending);
        self.runs.push(Run {
            task,
            began,
            ending,
        });
        if let Some(ending) = ending {
            self.tell(decider);
            decider.finish(task, ending, self.clock());
        }
        ending.is_some()
    }
}

/// So many ranges at most, in order and apart.
fn apart(random: &mut Random, span: i64, most: i64, longest: i64) -> Vec<Range<i64>> {
    let mut ranges: Vec<Range<i64>> = Vec::new();
    let mut starts: Vec<i64> = (0..random.below(most))
        .map(|_| random.below(span))
        .collect();
    starts.sort_unstable();
    for start in starts {
        let longest = if random.below(2) == 0 {
            5 * HOUR
        } else {
            longest
        };
        if ranges.last().is_none_or(|last| last.end < start) {
            ranges.push(start..(start + 1 + random.below(longest)).min(span));
        }
    }
    ranges
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end.unsigned_abs()).cast_signed()
    }
}
