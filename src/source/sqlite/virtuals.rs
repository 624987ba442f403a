//! Virtual tables: which can be made again, and which tables they have made for themselves.
//!
//! A full-text index (FTS5) over another table or a view holds nothing of its own, and one with its own
//! text is a table like any other. An index without text (`content=''`) has forgotten what it was made
//! of. Of other modules we do not know what they keep.

use rusqlite::Connection;

use super::full_text;
use super::schema::Listed;
use super::sql::{quote, quoted, same, word};
use crate::schema::FullText;

/// All virtual tables of a database.
pub(super) struct Virtuals {
    all: Vec<(String, Module)>,
    /// Those that are made again.
    pub full_text: Vec<FullText>,
    /// What cannot be, in words.
    pub lost: Vec<String>,
}

impl Virtuals {
    pub(super) fn read(conn: &Connection, listed: &[Listed]) -> rusqlite::Result<Self> {
        let mut virtuals = Self {
            all: Vec::new(),
            full_text: Vec::new(),
            lost: Vec::new(),
        };
        let mut prepared =
            conn.prepare("SELECT sql FROM sqlite_schema WHERE name = ?1 AND type = 'table'")?;
        for entry in listed.iter().filter(|t| t.kind == "virtual") {
            let sql: String = prepared.query_row([&entry.name], |row| row.get(0))?;
            virtuals.all.push((entry.name.clone(), Module::of(&sql)));
        }
        for at in 0..virtuals.all.len() {
            virtuals.judge(conn, at, listed)?;
        }
        Ok(virtuals)
    }

    /// Notes whether a virtual table can be made again.
    fn judge(&mut self, conn: &Connection, at: usize, listed: &[Listed]) -> rusqlite::Result<()> {
        let (name, module) = &self.all[at];
        if module.is("fts5") && module.content != Content::Nowhere {
            // A tokenizer may be one that the application brings along.
            match conn.prepare(&format!("SELECT 1 FROM {}", quote(name))) {
                Ok(_) => {
                    if module.content == Content::Own && module.locales {
                        let what = format!("the locales of the full-text table {name}");
                        self.lost.push(what);
                    }
                    self.full_text.push(FullText {
                        name: name.clone(),
                        external: module.content != Content::Own,
                        settings: full_text::settings(conn, name)?,
                    });
                }
                Err(error) => self.lost.push(format!(
                    "the virtual table {name} ({}), which cannot be opened: {error}",
                    module.name
                )),
            }
            return Ok(());
        }
        let shadows = listed.iter().filter(|t| self.shadowed(t) == Some(at));
        let shadows: Vec<&str> = shadows.map(|t| t.name.as_str()).collect();
        let with = match shadows.len() {
            0 => String::new(),
            _ => format!(", with its tables {}", shadows.join(", ")),
        };
        let lost = format!("the virtual table {name} ({}){with}", module.name);
        self.lost.push(lost);
        Ok(())
    }

    /// Whose shadow a table is. By its name alone SQLite takes more tables for shadows than there are.
    fn shadowed(&self, entry: &Listed) -> Option<usize> {
        let (of, part) = entry.name.rsplit_once('_')?;
        let mut all = self.all.iter();
        let found = all.position(|(name, _)| entry.kind == "shadow" && same(name, of))?;
        self.all[found].1.makes(part).then_some(found)
    }

    /// Whether the table or view is not to be made again by its statement.
    pub(super) fn leave_out(&self, entry: &Listed) -> bool {
        match entry.kind.as_str() {
            "virtual" => !self.full_text.iter().any(|t| t.name == entry.name),
            _ => self.shadowed(entry).is_some(),
        }
    }

    /// Whether the table's rows are read.
    pub(super) fn has_rows(&self, entry: &Listed) -> bool {
        let mut own = self.full_text.iter().filter(|index| !index.external);
        match entry.kind.as_str() {
            "virtual" => own.any(|index| index.name == entry.name),
            "view" => false,
            _ => self.shadowed(entry).is_none(),
        }
    }
}

/// Where a full-text index has its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// It keeps it.
    Own,
    /// It keeps none.
    Nowhere,
    /// In this table or view.
    Table(String),
}

/// The module of a virtual table, and what a full-text index says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Module {
    /// Its name, as it is written.
    pub name: String,
    pub content: Content,
    /// Whether it keeps columns that are not in the index, where it keeps no text.
    unindexed: bool,
    /// Whether it keeps the length of each text.
    sizes: bool,
    /// Whether each text may have a locale.
    locales: bool,
}

impl Module {
    /// What the schema's SQL says.
    pub(super) fn of(sql: &str) -> Self {
        let mut tokens = Tokens(sql);
        let mut name = String::new();
        // CREATE VIRTUAL TABLE name USING module
        for at in 0..6 {
            if let Some(token) = tokens.next().filter(|_| at == 5) {
                name = bare(token);
            }
        }
        let mut module = Self {
            name,
            content: Content::Own,
            unindexed: false,
            sizes: true,
            locales: false,
        };
        if tokens.next() == Some("(") {
            for argument in arguments(tokens.0) {
                module.learn(argument);
            }
        }
        module
    }

    pub(super) fn is(&self, name: &str) -> bool {
        same(&self.name, name)
    }

    fn learn(&mut self, argument: &str) {
        let Some((option, value)) = argument.split_once('=') else {
            return;
        };
        let (option, value) = (option.trim(), bare(value.trim()));
        // FTS5 takes the beginning of an option for it: the first that fits, in an order of its own.
        let known = [
            "prefix",
            "tokenize",
            "content",
            "contentless_delete",
            "contentless_unindexed",
            "content_rowid",
            "columnsize",
            "locale",
        ];
        let fits = |known: &&str| known.get(..option.len()).is_some_and(|k| same(k, option));
        match known.into_iter().find(fits) {
            Some("content") if value.is_empty() => self.content = Content::Nowhere,
            Some("content") => self.content = Content::Table(value),
            Some("contentless_unindexed") => self.unindexed = value != "0",
            Some("columnsize") => self.sizes = value != "0",
            Some("locale") => self.locales = value != "0",
            _ => {}
        }
    }

    /// Whether its table has made a shadow table of this name for itself.
    fn makes(&self, part: &str) -> bool {
        let text = ["fts3", "fts4", "fts5"].iter().any(|name| self.is(name));
        if text && same(part, "content") {
            return self.content == Content::Own || self.unindexed;
        }
        self.sizes || !text || !same(part, "docsize")
    }
}

/// What the SQL of a trigger says.
pub(super) struct TriggerText<'s> {
    /// Whether it runs when rows are deleted.
    pub is_on_delete: bool,
    rest: &'s str,
}

impl<'s> TriggerText<'s> {
    /// What the schema's SQL says: CREATE TRIGGER name … event …
    pub(super) fn of(sql: &'s str) -> Self {
        let mut tokens = Tokens(sql);
        tokens.nth(2);
        let events = ["delete", "insert", "update"];
        let event = tokens.find(|token| events.iter().any(|event| same(event, token)));
        Self {
            is_on_delete: event.is_some_and(|event| same(event, "delete")),
            rest: tokens.0,
        }
    }

    /// Whether it names a table, as a word or in quotes.
    pub(super) fn names(&self, table: &str) -> bool {
        Tokens(self.rest).any(|token| same(&bare(token), table))
    }
}

/// Whether a word stands in SQL, outside of quotes and comments.
pub(super) fn has_word(sql: &str, wanted: &str) -> bool {
    Tokens(sql).any(|token| same(token, wanted))
}

/// What stands between commas, up to the parenthesis that closes.
fn arguments(sql: &str) -> Vec<&str> {
    let (mut found, mut depth, mut start) = (Vec::new(), 0, 0);
    let mut tokens = Tokens(sql);
    while let Some(token) = tokens.next() {
        let end = sql.len() - tokens.0.len();
        let before = end - token.len();
        match token {
            ")" if depth == 0 => {
                found.push(sql[start..before].trim());
                break;
            }
            "," if depth == 0 => {
                found.push(sql[start..before].trim());
                start = end;
            }
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
    }
    found
}

/// A word, or what stands in its quotes.
fn bare(token: &str) -> String {
    let mut chars = token.chars();
    match (chars.next(), chars.next_back()) {
        (Some('['), Some(']')) => chars.as_str().to_owned(),
        (Some(first @ ('\'' | '"' | '`')), Some(last)) if first == last => chars
            .as_str()
            .replace(&format!("{first}{first}"), &first.to_string()),
        _ => token.to_owned(),
    }
}

/// Words, quoted texts and single characters of SQL; spaces and comments are passed over.
struct Tokens<'s>(&'s str);

impl<'s> Iterator for Tokens<'s> {
    type Item = &'s str;

    fn next(&mut self) -> Option<&'s str> {
        loop {
            let rest = self.0.trim_start();
            self.0 = match () {
                () if rest.starts_with("--") => rest.split_once('\n').map_or("", |(_, rest)| rest),
                () if rest.starts_with("/*") => rest.split_once("*/").map_or("", |(_, rest)| rest),
                () => {
                    let first = rest.chars().next()?;
                    let length = match first {
                        '\'' | '"' | '`' => quoted(rest, first),
                        '[' => rest.find(']').map_or(rest.len(), |end| end + 1),
                        c if c.is_alphanumeric() || c == '_' => word(rest),
                        c => c.len_utf8(),
                    };
                    self.0 = &rest[length..];
                    return Some(&rest[..length]);
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(sql: &str) -> (String, Content) {
        let module = Module::of(sql);
        (module.name, module.content)
    }

    #[test]
    fn the_text_is_where_the_options_say() {
        let own = |name: &str| (name.to_owned(), Content::Own);
        let table = |name: &str| ("fts5".to_owned(), Content::Table(name.to_owned()));
        assert_eq!(
            content("CREATE VIRTUAL TABLE \"a USING b\" USING\nFTS5(x)"),
            own("FTS5")
        );
        assert_eq!(content("CREATE VIRTUAL TABLE x using rtree"), own("rtree"));
        assert_eq!(
            content(
                "CREATE VIRTUAL TABLE x/* ( */USING 'fts5'(a, b -- content=''\n, tokenize = \"x, content='y'\")"
            ),
            own("fts5")
        );
        assert_eq!(
            content("CREATE VIRTUAL TABLE [x] USING fts5(a, CONTENT = 'my \"old\" notes, ''92')"),
            table("my \"old\" notes, '92")
        );
        assert_eq!(
            content("CREATE VIRTUAL TABLE x USING fts5(a, content=t, content_rowid=id)"),
            table("t")
        );
        assert_eq!(
            content("CREATE VIRTUAL TABLE x USING fts5(a, cont=\"\")").1,
            Content::Nowhere
        );
    }

    #[test]
    fn shadows_are_what_the_options_make() {
        let makes = |options: &str, part: &str| {
            Module::of(&format!("CREATE VIRTUAL TABLE x USING fts5(a{options})")).makes(part)
        };
        assert!(makes("", "content") && makes("", "docsize") && makes("", "data"));
        assert!(!makes(", content=t", "content") && !makes(", content=''", "content"));
        assert!(makes(", content='', contentless_unindexed=1", "content"));
        assert!(!makes(", columnsize=0", "docsize") && makes(", columnsize=0", "config"));
    }
}
