//! The time zone of this host, by its IANA name.

use std::fs;
use std::path::Path;

use chrono_tz::Tz;

/// The host's zone, as `TZ`, `/etc/timezone` or the link `/etc/localtime` tell; else UTC.
pub(super) fn local() -> Tz {
    let said = std::env::var("TZ").ok();
    let written = fs::read_to_string("/etc/timezone").ok();
    let linked = fs::read_link("/etc/localtime").ok();
    let said = said
        .as_deref()
        .and_then(named)
        .or_else(|| named(written.as_deref()?));
    said.or_else(|| of_link(&linked?)).unwrap_or(Tz::UTC)
}

fn named(text: &str) -> Option<Tz> {
    text.trim().trim_start_matches(':').parse().ok()
}

fn of_link(link: &Path) -> Option<Tz> {
    named(link.to_str()?.split_once("zoneinfo/")?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_told_by_name_and_by_link() {
        assert_eq!(named("Asia/Shanghai\n"), Some(Tz::Asia__Shanghai));
        assert_eq!(named(":Europe/Berlin"), Some(Tz::Europe__Berlin));
        assert_eq!(named("somewhere"), None);
        let link = Path::new("../usr/share/zoneinfo/America/New_York");
        assert_eq!(of_link(link), Some(Tz::America__New_York));
        assert_eq!(of_link(Path::new("/etc/elsewhere")), None);
    }
}
