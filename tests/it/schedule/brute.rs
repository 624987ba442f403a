//! When a schedule is due, found by looking at every minute: slow, plain, and nobody's code but its
//! own. Of chrono it takes the days' dates and the zones' offsets.

use chrono::{DateTime, Datelike, Offset, TimeZone};
use chrono_tz::Tz;

const MINUTES_OF_A_DAY: i64 = 24 * 60;

/// What the clocks of a zone show in each minute of some years.
pub struct Clocks {
    /// In minutes since 1970.
    start: i64,
    /// The minute that is shown, in minutes since the beginning of 1970 there.
    shown: Vec<i64>,
}

impl Clocks {
    /// Between two times in seconds since 1970, and for two days before.
    pub fn new(zone: Tz, from: i64, until: i64) -> Self {
        let start = from.div_euclid(60) - 2 * MINUTES_OF_A_DAY;
        let minutes = start..=until.div_euclid(60);
        Self {
            start,
            shown: minutes
                .map(|minute| minute + offset(zone, minute))
                .collect(),
        }
    }

    /// When they are changed, in seconds since 1970.
    pub fn changes(&self) -> Vec<i64> {
        let pairs = (self.start + 1..).zip(self.shown.windows(2));
        let changes = pairs.filter(|(_, pair)| pair[0] + 1 != pair[1]);
        changes.map(|(minute, _)| minute * 60).collect()
    }
}

/// A schedule, as the times that it names.
pub struct Fields {
    named: [Vec<u32>; 6],
    any_day: bool,
    any_weekday: bool,
    /// Whether it names times of the day, and does not say how often it runs.
    times: bool,
    /// Which minutes of a day it names.
    of_day: Vec<bool>,
}

impl Fields {
    pub fn parse(text: &str) -> Self {
        let parts: Vec<&str> = text.split_whitespace().collect();
        let range = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];
        let mut named = std::array::from_fn(|field| values(parts[field], range[field]));
        if named[5].contains(&7) {
            named[5].push(0);
        }
        let minutes = 0..24 * 60;
        let of_day = minutes.map(|m| named[1].contains(&(m % 60)) && named[2].contains(&(m / 60)));
        Self {
            of_day: of_day.collect(),
            named,
            any_day: parts[3] == "*",
            any_weekday: parts[5] == "*",
            times: !parts[..3].concat().contains(['*', '-', '/']),
        }
    }

    fn on_day(&self, day: i64) -> bool {
        let date = DateTime::from_timestamp(day * 86_400, 0).unwrap();
        let weekday = date.weekday().num_days_from_sunday();
        let in_month = self.named[3].contains(&date.day());
        let in_week = self.named[5].contains(&weekday);
        let fits = match (self.any_day, self.any_weekday) {
            (false, false) => in_month || in_week,
            _ => in_month && in_week,
        };
        fits && self.named[4].contains(&date.month())
    }

    /// Every second at which it is due, in seconds since 1970, but for the two days before.
    pub fn due(&self, clocks: &Clocks) -> Vec<i64> {
        let (mut day, mut on_day) = (i64::MIN, false);
        let mut names = |minute: i64| {
            if minute / MINUTES_OF_A_DAY != day {
                day = minute / MINUTES_OF_A_DAY;
                on_day = self.on_day(day);
            }
            on_day && self.of_day[(minute % MINUTES_OF_A_DAY) as usize]
        };
        let mut due = Vec::new();
        let mut latest = clocks.shown[0] - 1;
        for (minute, shown) in (clocks.start..).zip(clocks.shown.iter().copied()) {
            // What the clocks leap over is due at the first minute after.
            if self.times && shown > latest + 1 && (latest + 1..shown).any(&mut names) {
                due.push(minute * 60);
            }
            // What they show for the second time was due at the first.
            if names(shown) && (shown > latest || !self.times) {
                let seconds = self.named[0].iter();
                due.extend(seconds.map(|second| minute * 60 + i64::from(*second)));
            }
            latest = latest.max(shown);
        }
        let from = (clocks.start + 2 * MINUTES_OF_A_DAY) * 60;
        due.sort_unstable();
        due.dedup();
        due.retain(|second| *second >= from);
        due
    }
}

/// By how many minutes the clocks of a zone are ahead in a minute since 1970.
fn offset(zone: Tz, minute: i64) -> i64 {
    let moment = DateTime::from_timestamp(minute * 60, 0).unwrap();
    let offset = zone.offset_from_utc_datetime(&moment.naive_utc());
    i64::from(offset.fix().local_minus_utc()) / 60
}

fn values(text: &str, (low, high): (u32, u32)) -> Vec<u32> {
    let mut values = Vec::new();
    for part in text.split(',') {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (value(from), value(to)),
            None if range == "*" => (low, high),
            None => (value(range), value(range)),
        };
        values.extend((from..=to).step_by(step.parse().unwrap()));
    }
    values.sort_unstable();
    values.dedup();
    values
}

fn value(text: &str) -> u32 {
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    let day = days.iter().position(|day| *day == text);
    day.map_or_else(|| text.parse().unwrap(), |day| u32::try_from(day).unwrap())
}
