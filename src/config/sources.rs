//! Checks `[customers]` and `[[source]]`.

use std::time::Duration;

use toml::Spanned;

use super::check::{Check, names, section, sources_named};
use super::places::{Kind, Place};
use super::raw::{self, Text};
use super::{Changes, Hide, HideMode, Source};
use crate::ids::SourceName;
use crate::rules::{OwnsRule, RegisterRule, Rules};
use crate::value::Value;

/// How long a source must be left alone before its change is backed up, where nothing is said.
const QUIET: Duration = Duration::from_secs(30);
/// The most that `quiet` may be, in seconds: as long as writes that never cease put a snapshot off.
const MAX_QUIET: u64 = 10 * 60;

/// Which source holds the register, and what the register is.
type Register = (SourceName, RegisterRule);

/// Checks `[customers]`.
fn register(check: &mut Check<'_, '_>, file: &raw::File) -> Option<Register> {
    const HINT: &str = "write `[customers]` with `source`, `table` and `key`";
    let (span, customers) = section(file.customers.as_ref());
    let customers = check.required(
        customers,
        None,
        "no register: `[customers]` is missing",
        HINT,
    )?;
    let span = span.as_ref();
    let source = check.required(
        customers.source.as_ref(),
        span,
        "`[customers]` does not say which source holds the register",
        "add `source = \"NAME\"`, the name of a `[[source]]`",
    );
    let source = source.and_then(|source| defined_source(check, file, source));
    let table = check.required(
        customers.table.as_ref(),
        span,
        "`[customers]` does not name the register's table",
        "add `table = \"customers\"`, the table with one row for each customer",
    );
    let table = table.and_then(|table| check.text(table, "table"));
    let key = check.required(
        customers.key.as_ref(),
        span,
        "`[customers]` does not name the register's key",
        "add `key = \"id\"`, the column (or \"a,b\") that tells customers apart",
    );
    let key = key.and_then(|key| check.columns(key, "key"));
    let since = check.optional(customers.since.as_ref(), "since");
    let name = check.optional(customers.name.as_ref(), "name");
    let rule = RegisterRule {
        table: table?,
        key: key?,
        since,
        name,
    };
    Some((source?, rule))
}

fn defined_source(
    check: &mut Check<'_, '_>,
    file: &raw::File,
    source: &Text,
) -> Option<SourceName> {
    let name: SourceName = check.name(source)?;
    let known = sources_named(file);
    if known.is_empty() {
        return None; // That there is none at all is told elsewhere.
    }
    if !known.contains(&name.as_str()) {
        let what = format!("the register's source {:?} is not defined", name.as_str());
        let hint = format!("the sources that are: {}", known.join(", "));
        check.problems.missing(Some(&source.span()), what, hint);
        return None;
    }
    Some(name)
}

/// Checks `[customers]` and every `[[source]]`; the register's rule goes to the source that holds it.
pub(super) fn sources(
    check: &mut Check<'_, '_>,
    file: &raw::File,
    places: &mut Vec<Place>,
) -> Option<(SourceName, Vec<Source>)> {
    let register = register(check, file);
    check.distinct(
        names(&file.sources, |source| source.name.as_ref()),
        "source",
    );
    if file.sources.is_empty() {
        let hint = "add a `[[source]]` with `name`, `kind = \"sqlite\"` and `path`";
        check
            .problems
            .missing(None, "no source: there is nothing to protect", hint);
    }
    let checked: Vec<Option<Source>> = file
        .sources
        .iter()
        .map(|written| source(check, written, register.as_ref(), places))
        .collect();
    Some((register?.0, checked.into_iter().collect::<Option<_>>()?))
}

fn source(
    check: &mut Check<'_, '_>,
    written: &Spanned<raw::Source>,
    register: Option<&Register>,
    places: &mut Vec<Place>,
) -> Option<Source> {
    let (span, raw) = (written.span(), written.get_ref());
    let name = check.required(
        raw.name.as_ref(),
        Some(&span),
        "a source has no name",
        "add `name = \"crm\"`",
    );
    let name = name.and_then(|name| check.name::<SourceName>(name));
    let usable = kind(check, written);
    if usable == Some(true) {
        let hint = "add `path = \"/…\"`, the database's file";
        check.required(raw.path.as_ref(), Some(&span), "a source has no path", hint);
    }
    let kind = match usable {
        Some(true) => Kind::Database,
        _ => Kind::Folder,
    };
    let path = raw.path.as_ref().and_then(|text| {
        let path = check.path(text, "path")?;
        places.push(Place::new(
            kind,
            raw.name.as_ref(),
            &path,
            Some(text.span()),
        ));
        Some(path)
    });
    if usable != Some(true) {
        return None;
    }
    not_for_sqlite(check, raw);
    let changes = changes(check, raw);
    let quiet = raw.quiet.as_ref();
    let quiet = quiet.map_or(Some(QUIET), |text| {
        check.lapse(text, "quiet", 1..=MAX_QUIET)
    });
    let hide = raw.hide.as_ref().map(|written| hide(check, written));
    let register = register.filter(|(source, _)| Some(source) == name.as_ref());
    let rules = rules(check, raw, name.as_ref(), register.map(|(_, rule)| rule));
    Some(Source {
        name: name?,
        path: path?,
        rules: rules?,
        changes: changes?,
        on_change: quiet.map(|quiet| raw.on_change.then_some(quiet))?,
        hide: hide.map_or(Some(None), |hide| hide.map(Some))?,
    })
}

/// Whether this version can use a source of its kind; none, noted, if the kind is missing or unknown.
fn kind(check: &mut Check<'_, '_>, written: &Spanned<raw::Source>) -> Option<bool> {
    const LATER: [&str; 3] = ["files", "postgres", "mariadb"];
    let text = check.required(
        written.get_ref().kind.as_ref(),
        Some(&written.span()),
        "a source has no kind",
        "add `kind = \"sqlite\"`",
    )?;
    match text.get_ref().as_str() {
        "sqlite" => Some(true),
        kind if LATER.contains(&kind) => {
            let what = format!("sources of kind {kind:?} cannot be used in this version");
            let hint = "only \"sqlite\" can; take this source out until then";
            check.problems.at(&text.span(), what, hint);
            Some(false)
        }
        _ => {
            check.unknown_word(text, "kind", &["sqlite", "files", "postgres", "mariadb"]);
            None
        }
    }
}

fn not_for_sqlite(check: &mut Check<'_, '_>, raw: &raw::Source) {
    let others = [("owner", &raw.owner), ("url", &raw.url)];
    for (key, text) in others {
        if let Some(text) = text {
            let what = format!("`{key}` does not belong to a source of kind \"sqlite\"");
            check.problems.at(&text.span(), what, "take it out");
        }
    }
}

fn changes(check: &mut Check<'_, '_>, raw: &raw::Source) -> Option<Changes> {
    let words = [("scan", Changes::Scan), ("triggers", Changes::Triggers)];
    match &raw.changes {
        None => Some(Changes::Scan),
        Some(text) => check.word(text, "changes", &words),
    }
}

fn rules(
    check: &mut Check<'_, '_>,
    raw: &raw::Source,
    name: Option<&SourceName>,
    register: Option<&RegisterRule>,
) -> Option<Rules> {
    let owns: Vec<Option<OwnsRule>> = raw.owns.iter().map(|rule| owns(check, rule)).collect();
    for table in &raw.shared {
        let text = table.get_ref();
        check.text(table, "shared");
        if register.is_some_and(|register| register.table == *text) {
            let what = format!("{text:?} is the register and cannot be shared");
            check
                .problems
                .at(&table.span(), what, "take it out of `shared`");
        }
        let named = |rule: &&Spanned<raw::Owns>| {
            let table = rule.get_ref().table.as_ref();
            table.is_some_and(|table| table.get_ref() == text)
        };
        if let Some(rule) = raw.owns.iter().find(named) {
            let what = format!("{text:?} is both owned and shared");
            let hint = "take it out of `shared`, or take this rule out";
            check.problems.at(&rule.span(), what, hint);
        }
    }
    check.distinct(raw.shared.iter(), "shared table");
    Some(Rules {
        source: name?.clone(),
        register: register.cloned(),
        shared: raw
            .shared
            .iter()
            .map(|table| table.get_ref().clone())
            .collect(),
        owns: owns.into_iter().collect::<Option<_>>()?,
    })
}

fn owns(check: &mut Check<'_, '_>, written: &Spanned<raw::Owns>) -> Option<OwnsRule> {
    let (span, raw) = (written.span(), written.get_ref());
    let table = check.required(
        raw.table.as_ref(),
        Some(&span),
        "a `[[source.owns]]` names no table",
        "add `table = \"NAME\"`",
    );
    let table = table.and_then(|table| check.text(table, "table"));
    let by = raw.by.as_ref().map(|text| {
        super::names::by(text.get_ref())
            .map_err(|error| check.bad_names(text, "by", &error))
            .ok()
    });
    if raw.by.is_none() && raw.class.is_none() && raw.also.is_none() {
        let hint = "add `by`, or `class` or `also` where foreign keys say whose the rows are";
        check
            .problems
            .missing(Some(&span), "a `[[source.owns]]` says nothing", hint);
    }
    let filter = check.optional(raw.filter.as_ref(), "where");
    let also = check.optional(raw.also.as_ref(), "also");
    let class = raw.class.as_ref().map(|text| class(check, text));
    Some(OwnsRule {
        table: table?,
        by: by.map_or(Some(None), |by| by.map(Some))?,
        filter,
        class: class.map_or(Some(None), |class| class.map(Some))?,
        also,
    })
}

/// Checks the name of a class.
pub(super) fn class(check: &mut Check<'_, '_>, text: &Text) -> Option<String> {
    let name = text.get_ref();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
    if starts && name.len() <= 64 && name.chars().all(fits) {
        return Some(name.clone());
    }
    let what = format!("{name:?} is not the name of a class");
    let hint = "use up to 64 of a-z, 0-9, _ and -, a letter first, such as \"billing\"";
    check.problems.at(&text.span(), what, hint);
    None
}

fn hide(check: &mut Check<'_, '_>, written: &Spanned<raw::Hide>) -> Option<Hide> {
    let (span, raw) = (written.span(), written.get_ref());
    let words = [("flag", HideMode::Flag), ("vault", HideMode::Vault)];
    let mode = check.required(
        raw.mode.as_ref(),
        Some(&span),
        "`[source.hide]` has no mode",
        "add `mode = \"flag\"` or `mode = \"vault\"`",
    );
    let mode = mode.and_then(|text| check.word(text, "mode", &words))?;
    let column = check.optional(raw.column.as_ref(), "column");
    let value = raw.value.as_ref().map(|value| flag_value(check, value));
    match mode {
        HideMode::Flag if column.is_none() || value.is_none() => {
            let hint = "add `column`, and the `value` that hides a customer";
            let what = "hiding by flag needs a column and a value";
            check.problems.missing(Some(&span), what, hint);
            None
        }
        HideMode::Flag => Some(Hide::Flag {
            column: column?,
            value: value??,
        }),
        HideMode::Vault if column.is_some() || value.is_some() => {
            let what = "hiding in the vault sets no column";
            check
                .problems
                .at(&span, what, "take `column` and `value` out");
            None
        }
        HideMode::Vault => Some(Hide::Vault),
    }
}

fn flag_value(check: &mut Check<'_, '_>, value: &Spanned<toml::Value>) -> Option<Value> {
    match value.get_ref() {
        toml::Value::Integer(number) => Some(Value::Int(*number)),
        toml::Value::Boolean(yes) => Some(Value::Int(i64::from(*yes))),
        toml::Value::Float(number) => Some(Value::Real(*number)),
        toml::Value::String(text) => Some(Value::Text(text.clone().into_bytes())),
        other => {
            let what = format!("`value` cannot be a {}", other.type_str());
            check
                .problems
                .at(&value.span(), what, "write a number, a text, true or false");
            None
        }
    }
}
