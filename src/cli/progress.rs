//! Shows how long work is getting on: bars on a terminal, a line per stretch elsewhere.
//!
//! Work that takes less than a second shows nothing: a bar that flashes tells nobody anything.

use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::actions::{text, times};
use crate::report::{Report, Silent, Unit};

/// How long a stretch may take without being shown.
const PATIENCE: Duration = Duration::from_secs(1);

/// The report for this process: nothing with `--json` and `--quiet`, bars if somebody watches.
pub(super) fn report(silent: bool) -> Box<dyn Report> {
    if silent {
        Box::new(Silent)
    } else if std::io::stderr().is_terminal() {
        Box::new(Bars::default())
    } else {
        Box::new(Lines::default())
    }
}

/// One stretch of work.
struct Stretch {
    what: String,
    unit: Unit,
    begun: Instant,
    done: u64,
    bar: ProgressBar,
    shown: bool,
}

impl Stretch {
    fn new(what: &str, total: Option<u64>, unit: Unit) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        bar.set_style(style(total.is_some(), unit));
        bar.set_message(what.to_owned());
        Self {
            what: what.to_owned(),
            unit,
            begun: Instant::now(),
            done: 0,
            bar,
            shown: false,
        }
    }

    fn summary(&self) -> String {
        let done = match self.unit {
            Unit::Bytes => text::size(self.done),
            Unit::Items => text::count(self.done, "item", "items"),
        };
        format!(
            "{}: {done} in {}",
            self.what,
            times::seconds(self.begun.elapsed().as_secs_f64())
        )
    }
}

fn template(has_total: bool, unit: Unit) -> &'static str {
    match (has_total, unit) {
        (true, Unit::Bytes) => {
            "{msg:22} [{bar:30}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left"
        }
        (true, Unit::Items) => "{msg:22} [{bar:30}] {human_pos} of {human_len}, {rate}, {eta} left",
        (false, Unit::Bytes) => "{msg:22} {spinner} {bytes}, {bytes_per_sec}, {elapsed}",
        (false, Unit::Items) => "{msg:22} {spinner} {human_pos}, {rate}, {elapsed}",
    }
}

fn style(has_total: bool, unit: Unit) -> ProgressStyle {
    let style = ProgressStyle::with_template(template(has_total, unit));
    style
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
            // There is nobody to tell that a line could not be formatted.
            let _ = write!(out, "{}", rate(state.per_sec()));
        })
        .progress_chars("=> ")
}

/// Items a second, in whole numbers.
fn rate(per_second: f64) -> String {
    format!("{}/s", HumanCount(per_second.round() as u64))
}

/// Bars on a terminal.
#[derive(Default)]
struct Bars(Mutex<Option<Stretch>>);

impl Bars {
    fn with(&self, change: impl FnOnce(&mut Option<Stretch>)) {
        // A panic elsewhere leaves at worst a bar that is not up to date.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Report for Bars {
    fn begin(&self, what: &str, total: Option<u64>, unit: Unit) {
        self.end();
        self.with(|stretch| *stretch = Some(Stretch::new(what, total, unit)));
    }

    fn advance(&self, by: u64) {
        self.with(|stretch| {
            if let Some(stretch) = stretch {
                stretch.bar.inc(by);
                if !stretch.shown && stretch.begun.elapsed() > PATIENCE {
                    stretch.shown = true;
                    stretch.bar.set_draw_target(ProgressDrawTarget::stderr());
                }
            }
        });
    }

    fn end(&self) {
        self.with(|stretch| {
            if let Some(stretch) = stretch.take() {
                stretch.bar.finish_and_clear();
            }
        });
    }

    fn note(&self, note: &str) {
        self.with(|stretch| match stretch {
            Some(stretch) => stretch.bar.suspend(|| text::tell(note)),
            None => text::tell(note),
        });
    }
}

/// Plain lines, one at the end of each stretch that took long.
#[derive(Default)]
struct Lines(Mutex<Option<Stretch>>);

impl Report for Lines {
    fn begin(&self, what: &str, total: Option<u64>, unit: Unit) {
        self.end();
        let mut stretch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *stretch = Some(Stretch::new(what, total, unit));
    }

    fn advance(&self, by: u64) {
        let mut stretch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stretch) = stretch.as_mut() {
            stretch.done += by;
        }
    }

    fn end(&self) {
        let stretch = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(stretch) = stretch.filter(|stretch| stretch.begun.elapsed() > PATIENCE) {
            text::tell(&stretch.summary());
        }
    }

    fn note(&self, note: &str) {
        text::tell(note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_understood() {
        for (has_total, unit) in [
            (true, Unit::Bytes),
            (true, Unit::Items),
            (false, Unit::Bytes),
            (false, Unit::Items),
        ] {
            assert!(ProgressStyle::with_template(template(has_total, unit)).is_ok());
        }
    }

    #[test]
    fn rates_are_whole_numbers() {
        assert_eq!(rate(490_420.572_4), "490,421/s");
        assert_eq!(rate(0.0), "0/s");
        for has_total in [true, false] {
            assert!(template(has_total, Unit::Items).contains("{rate}"));
        }
    }

    #[test]
    fn a_stretch_sums_up_what_was_done() {
        let lines = Lines::default();
        lines.begin("reading", Some(3), Unit::Items);
        lines.advance(1);
        lines.advance(2);
        let summary = lines.0.lock().unwrap().as_ref().unwrap().summary();
        assert_eq!(summary, "reading: 3 items in 0.0 s");
        lines.end();
        assert!(lines.0.lock().unwrap().is_none());
    }
}
