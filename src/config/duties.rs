//! Checks `[snapshots]`, `[schedule]`, `[admin]` and `[retention]`: what is to be done, when, by
//! whom and for how long.

use std::time::Duration;

use toml::Spanned;

use super::check::{Check, section};
use super::raw::{self, OneOrMore, Text};
use super::sources::class;
use super::{
    Admin, AtEnd, Full, Fuse, Keep, Member, Period, Retention, RetentionRule, Role, Schedule,
    Snapshots, Vanished,
};

/// Checks `[snapshots]`.
pub(super) fn snapshots(check: &mut Check<'_, '_>, file: &raw::File) -> Option<Snapshots> {
    let (_, written) = section(file.snapshots.as_ref());
    let default = Snapshots::default();
    let Some(raw) = written else {
        return Some(default);
    };
    let keep = raw.keep.as_ref().map_or(Some(default.keep), |keep| {
        let counts = keep.get_ref();
        if (counts.daily, counts.weekly, counts.monthly) == (0, 0, 0) {
            let hint = "write `keep = { daily = 14, weekly = 5, monthly = 12 }`, or leave it out";
            check
                .problems
                .at(&keep.span(), "`keep` would keep no snapshot", hint);
            return None;
        }
        Some(Keep {
            daily: counts.daily,
            weekly: counts.weekly,
            monthly: counts.monthly,
        })
    });
    let words = [("reuse", Full::Reuse), ("independent", Full::Independent)];
    let full = raw.full.as_ref();
    let full = full.map_or(Some(default.full), |text| check.word(text, "full", &words));
    if let (Some(Full::Independent), Some(text)) = (full, &raw.full) {
        let hint = "write `full = \"reuse\"`, or leave it out";
        check.cannot(
            text,
            "full",
            "store everything again in a full snapshot",
            hint,
        );
    }
    let dead_for = check.period_or(raw.dead_for.as_ref(), "dead_for", default.dead_for);
    if let (Some(dead_for), Some(text)) = (dead_for, &raw.dead_for)
        && dead_for != default.dead_for
    {
        let hint = "leave it out: a dead blob stays until nothing in its pack is alive";
        check.cannot(text, "dead_for", "write packs anew", hint);
    }
    let cool_off = raw.keyring_cool_off.as_ref();
    let cool_off = check.period_or(cool_off, "keyring_cool_off", default.keyring_cool_off);
    if let (Some(cool_off), Some(text)) = (cool_off, &raw.keyring_cool_off)
        && cool_off != default.keyring_cool_off
    {
        let hint = "write `keyring_cool_off = \"0d\"`, or leave it out: older keyrings are destroyed at once";
        check.cannot(
            text,
            "keyring_cool_off",
            "keep older keyrings for a time",
            hint,
        );
    }
    Some(Snapshots {
        keep: keep?,
        full: full?,
        dead_for: dead_for?,
        keyring_cool_off: cool_off?,
    })
}

/// The most that `jitter` may be, in seconds.
const MAX_JITTER: u64 = 60 * 60;

/// Checks `[schedule]`. What could not be understood is noted, and left out.
pub(super) fn schedule(check: &mut Check<'_, '_>, file: &raw::File) -> Schedule {
    let raw = &file.schedule;
    let jitter = raw.jitter.as_ref();
    Schedule {
        incremental: check.cron(raw.incremental.as_ref()),
        full: check.cron(raw.full.as_ref()),
        retention: check.cron(raw.retention.as_ref()),
        replicate: check.cron(raw.replicate.as_ref()),
        prune: check.cron(raw.prune.as_ref()),
        verify: check.cron(raw.verify.as_ref()),
        jitter: jitter.map_or(Duration::ZERO, |text| {
            check
                .lapse(text, "jitter", 0..=MAX_JITTER)
                .unwrap_or_default()
        }),
    }
}

/// Checks `[admin]`; the outer option is whether it could be understood, the inner whether it is there.
pub(super) fn admin(check: &mut Check<'_, '_>, file: &raw::File) -> Option<Option<Admin>> {
    let (span, Some(raw)) = section(file.admin.as_ref()) else {
        return Some(None);
    };
    let socket = check.required(
        raw.socket.as_ref(),
        span.as_ref(),
        "`[admin]` has no socket",
        "add `socket = \"/run/tenure/admin.sock\"`",
    );
    let socket = socket.and_then(|socket| check.path(socket, "socket"));
    let lists = [
        (Role::Admin, &raw.roles.admin),
        (Role::Dpo, &raw.roles.dpo),
        (Role::Operator, &raw.roles.operator),
        (Role::Auditor, &raw.roles.auditor),
        (Role::Viewer, &raw.roles.viewer),
    ];
    let mut roles = Vec::new();
    for (role, list) in lists {
        let members: Vec<_> = list.iter().map(|text| member(check, text)).collect();
        roles.push((role, members));
    }
    let words = Role::ALL.map(|role| (role.as_str(), role));
    let see = raw.roles.see_hidden.iter();
    let see: Vec<_> = see
        .map(|text| check.word(text, "see_hidden", &words))
        .collect();
    let mut checked = Vec::new();
    for (role, members) in roles {
        checked.push((role, members.into_iter().collect::<Option<_>>()?));
    }
    Some(Some(Admin {
        socket: socket?,
        roles: checked,
        see_hidden: see.into_iter().collect::<Option<_>>()?,
    }))
}

fn member(check: &mut Check<'_, '_>, text: &Text) -> Option<Member> {
    let written = text.get_ref();
    let (group, name) = match written.strip_prefix('@') {
        Some(name) => (true, name),
        None => (false, written.as_str()),
    };
    // A name with its domain, as a directory service gives it, has an @ inside.
    let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ':' | '/' | ',');
    if name.is_empty() || name.starts_with('@') || name.contains(bad) {
        let what = format!("{written:?} is not a user or a group");
        check
            .problems
            .at(&text.span(), what, "write \"user\" or \"@group\"");
        return None;
    }
    Some(if group {
        Member::Group(name.to_owned())
    } else {
        Member::User(name.to_owned())
    })
}

/// Checks `[retention]`; see [`admin`] for the two options.
pub(super) fn retention(check: &mut Check<'_, '_>, file: &raw::File) -> Option<Option<Retention>> {
    let (_, Some(raw)) = section(file.retention.as_ref()) else {
        return Some(None);
    };
    let fuse = fuse(check, raw.fuse.as_ref());
    let deadline = check.period_or(raw.deadline.as_ref(), "deadline", Period::days(30));
    let vanished = match &raw.vanished {
        None => Some(Vanished {
            after: Period::days(30),
            then: AtEnd::Review,
        }),
        Some(written) => vanished(check, written),
    };
    let rules: Vec<_> = raw
        .rules
        .iter()
        .map(|written| rule(check, written))
        .collect();
    Some(Some(Retention {
        fuse: fuse?,
        deadline: deadline?,
        vanished: vanished?,
        rules: rules.into_iter().collect::<Option<_>>()?,
    }))
}

fn fuse(check: &mut Check<'_, '_>, written: Option<&Spanned<raw::Fuse>>) -> Option<Fuse> {
    let mut fuse = Fuse::default();
    let Some(written) = written else {
        return Some(fuse);
    };
    if let Some(share) = &written.get_ref().share {
        fuse.share = *share.get_ref();
        if !(0.0..=1.0).contains(&fuse.share) {
            let what = format!("a share of {} is not one of the customers", fuse.share);
            check
                .problems
                .at(&share.span(), what, "write a part of 1, such as 0.05");
            return None;
        }
    }
    fuse.number = written.get_ref().number.unwrap_or(fuse.number);
    Some(fuse)
}

fn vanished(check: &mut Check<'_, '_>, written: &Spanned<raw::Vanished>) -> Option<Vanished> {
    let (span, raw) = (written.span(), written.get_ref());
    let hint = "write `vanished = { after = \"30d\", then = \"review\" }`";
    let what = "`vanished` does not say after what time";
    let after = check.required(raw.after.as_ref(), Some(&span), what, hint);
    let after = after.and_then(|text| check.period(text, "after"));
    let words = [("review", AtEnd::Review), ("erase", AtEnd::Erase)];
    let then = raw.then.as_ref();
    let then = then.map_or(Some(AtEnd::Review), |text| check.word(text, "then", &words));
    Some(Vanished {
        after: after?,
        then: then?,
    })
}

fn rule(check: &mut Check<'_, '_>, written: &Spanned<raw::Rule>) -> Option<RetentionRule> {
    let (span, raw) = (written.span(), written.get_ref());
    let name = raw.class.as_ref();
    let name = name.map_or(Some("customer".to_owned()), |text| class(check, text));
    let what = "a `[[retention.rule]]` has no legal basis";
    let hint = "add `basis`, such as \"contract ended; HGB §257\"";
    let basis = check.required(raw.basis.as_ref(), Some(&span), what, hint);
    let basis = basis.and_then(|text| check.text(text, "basis"));
    let what = "a `[[retention.rule]]` does not say from when it counts";
    let hint = "add `start`, a column of the register that holds a date, or several";
    let start = check.required(raw.start.as_ref(), Some(&span), what, hint);
    let start = start.and_then(|start| start_columns(check, start));
    let what = "a `[[retention.rule]]` does not say how long";
    let hint = "add `keep`, such as \"3y\"";
    let keep = check.required(raw.keep.as_ref(), Some(&span), what, hint);
    let keep = keep.and_then(|text| check.period(text, "keep"));
    let at_least = check.period_or(raw.at_least.as_ref(), "at_least", Period::default());
    let grace = check.period_or(raw.grace.as_ref(), "grace", Period::default());
    let then = at_end(check, written);
    Some(RetentionRule {
        class: name?,
        basis: basis?,
        start: start?,
        keep: keep?,
        at_least: at_least?,
        grace: grace?,
        then: then?,
    })
}

fn start_columns(check: &mut Check<'_, '_>, start: &Spanned<OneOrMore>) -> Option<Vec<String>> {
    let columns = match start.get_ref() {
        OneOrMore::One(column) => vec![column.clone()],
        OneOrMore::More(columns) => columns.clone(),
    };
    if columns.is_empty() || columns.iter().any(|column| column.trim().is_empty()) {
        let hint = "name a column of the register, such as \"last_contact_at\"";
        check
            .problems
            .at(&start.span(), "`start` names no column", hint);
        return None;
    }
    Some(columns)
}

fn at_end(check: &mut Check<'_, '_>, written: &Spanned<raw::Rule>) -> Option<AtEnd> {
    let (span, raw) = (written.span(), written.get_ref());
    let what = "a `[[retention.rule]]` does not say what happens at the end";
    let hint = "add `then = \"erase\"` or \"review\"";
    let text = check.required(raw.then.as_ref(), Some(&span), what, hint)?;
    if text.get_ref() == "anonymise" {
        let what = "`then = \"anonymise\"` cannot be used in this version";
        let hint = "write \"review\" until then, without `columns`: a person decides at the end";
        check.problems.at(&text.span(), what, hint);
        return None;
    }
    if let Some(columns) = &raw.columns {
        let what = "`columns` belong to `then = \"anonymise\"` alone";
        check.problems.at(&columns.span(), what, "take them out");
    }
    let words = [("erase", AtEnd::Erase), ("review", AtEnd::Review)];
    check.word(text, "then", &words)
}
