//! Small words of SQL: names in quotes, lists, and the meaning of names and types to SQLite.

/// A name as an SQL identifier, whatever it is made of.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether SQLite takes two names for the same: it folds the case of ASCII letters alone.
pub(super) fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Whether a name is one of SQLite's own.
pub(super) fn internal(name: &str) -> bool {
    has_prefix(name, "sqlite_")
}

/// What the SQL of everything that Tenure itself makes in a source has in it.
pub(super) const MARK: &str = "/* made by tenure */";

/// Whether an entry of the schema is Tenure's own (change tracking), which is never read nor restored. A
/// name alone does not make it so: somebody's table may be called `tenure_changes`.
pub(super) fn ours(kind: &str, name: &str, sql: &str) -> bool {
    let named = match kind {
        "table" => ["tenure_changes", "tenure_lineage"]
            .iter()
            .any(|own| same(own, name)),
        "trigger" => has_prefix(name, "tenure_"),
        _ => false,
    };
    named && sql.contains(MARK)
}

/// Whether a name begins so, to SQLite.
pub(super) fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len())
        .is_some_and(|start| same(start, prefix))
}

/// The name, ready for SQL, by which the rowid of a table with these columns is reached: the alias
/// if there is one, else the first of SQLite's three that is not taken by a column.
pub(super) fn rowid_name(alias: Option<&str>, columns: &[String]) -> Option<String> {
    if let Some(alias) = alias {
        return Some(quote(alias));
    }
    ["rowid", "_rowid_", "oid"]
        .into_iter()
        .find(|free| !columns.iter().any(|column| same(column, free)))
        .map(str::to_owned)
}

/// What a declared type makes of a column: the rules of "Determination Of Column Affinity".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Affinity {
    /// Text.
    Text,
    /// INTEGER, NUMERIC and REAL.
    Number,
    /// BLOB and none.
    Blob,
}

/// The affinity of a column of this declared type.
pub(super) fn affinity(declared: &str) -> Affinity {
    let declared = declared.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    if has(&["INT"]) {
        Affinity::Number
    } else if has(&["CHAR", "CLOB", "TEXT"]) {
        Affinity::Text
    } else if has(&["BLOB"]) || declared.trim().is_empty() || declared == "ANY" {
        Affinity::Blob
    } else {
        Affinity::Number
    }
}

/// Every string and integer that is written out in a piece of SQL. Schema text belongs to nobody,
/// so these may stand in a neutral row where a CHECK wants one of them.
pub(super) fn literals(sql: &str) -> Vec<Literal> {
    let mut found = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '\'' => take_string(rest, &mut found),
            '"' | '`' => quoted(rest, first),
            '[' => rest.find(']').map_or(rest.len(), |end| end + 1),
            c if c.is_ascii_digit() => take_number(rest, &mut found),
            c if c.is_alphanumeric() || c == '_' => word(rest),
            c => c.len_utf8(),
        };
        rest = &rest[taken..];
    }
    found
}

/// A literal in schema text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    /// A string, without its quotes.
    Text(String),
    /// An integer.
    Int(i64),
}

/// The length of the word at the start of `sql`.
pub(super) fn word(sql: &str) -> usize {
    sql.find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(sql.len())
}

/// The length of what stands in quotes at the start of `sql`, doubled quotes included.
pub(super) fn quoted(sql: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(end) = sql[at..].find(quote) {
        at += end + 1;
        if !sql[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    sql.len()
}

fn take_string(sql: &str, found: &mut Vec<Literal>) -> usize {
    let length = quoted(sql, '\'');
    let inner = sql[1..length].strip_suffix('\'').unwrap_or(&sql[1..length]);
    found.push(Literal::Text(inner.replace("''", "'")));
    length
}

fn take_number(sql: &str, found: &mut Vec<Literal>) -> usize {
    let length = word(sql);
    if let Ok(number) = sql[..length].parse() {
        found.push(Literal::Int(number));
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_compared_as_sqlite_does() {
        assert_eq!(quote("a \"b\" c"), "\"a \"\"b\"\" c\"");
        assert!(same("Customer", "CUSTOMER") && !same("é", "É"));
        assert!(internal("sqlite_stat1") && !internal("客户"));
    }

    #[test]
    fn what_is_ours_has_our_name_and_our_mark() {
        let ours = |kind, name, mark| ours(kind, name, &format!("CREATE {mark} x"));
        assert!(ours("table", "Tenure_changes", MARK) && ours("table", "tenure_lineage", MARK));
        assert!(ours("trigger", "tenure_customers_update", MARK));
        assert!(!ours("table", "tenure_changes", "") && !ours("trigger", "tenure_note", ""));
        assert!(!ours("table", "tenure_log", MARK) && !ours("trigger", "note", MARK));
        assert!(!ours("trigger", "tenur客", MARK) && !ours("view", "tenure_changes", MARK));
    }

    #[test]
    fn the_rowid_goes_by_the_first_name_that_no_column_takes() {
        let columns = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            rowid_name(Some("i d"), &columns(&["i d"])).as_deref(),
            Some("\"i d\"")
        );
        assert_eq!(rowid_name(None, &columns(&["a"])).as_deref(), Some("rowid"));
        assert_eq!(
            rowid_name(None, &columns(&["ROWID"])).as_deref(),
            Some("_rowid_")
        );
        assert_eq!(
            rowid_name(None, &columns(&["rowid", "oid", "_rowid_"])),
            None
        );
    }

    #[test]
    fn affinity_follows_the_five_rules_in_order() {
        assert_eq!(affinity("CHARINT"), Affinity::Number);
        assert_eq!(affinity("nvarchar(20)"), Affinity::Text);
        assert_eq!(affinity(""), Affinity::Blob);
        assert_eq!(affinity("DECIMAL(10,2)"), Affinity::Number);
    }

    #[test]
    fn literals_are_found_outside_of_names() {
        let sql =
            "CREATE TABLE \"it's\"(s1 TEXT CHECK(s1 IN ('a', 'b''c')), [x'y] INT CHECK(n > 12))";
        let text = |s: &str| Literal::Text(s.into());
        assert_eq!(literals(sql), [text("a"), text("b'c"), Literal::Int(12)]);
    }
}
