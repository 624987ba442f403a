//! What the generator knows of the tables it has made: what a person who wrote the schema would know.

use super::values::{Takes, name};

/// All tables.
#[derive(Clone, Default)]
pub struct Model {
    /// In the order in which they were made; the first one is the register.
    pub tables: Vec<Table>,
}

/// A table.
#[derive(Clone)]
pub struct Table {
    /// Its name now.
    pub name: String,
    /// Whether it is there still.
    pub alive: bool,
    /// Its columns, in their order.
    pub columns: Vec<Column>,
    /// What others refer to, as indexes into `columns`; empty where there is no key.
    pub key: Vec<usize>,
    /// Whether the key is the PRIMARY KEY.
    pub primary: bool,
    /// WITHOUT ROWID.
    pub without_rowid: bool,
    /// Whether its key is an alias of the rowid.
    pub alias: bool,
    /// AUTOINCREMENT.
    pub counts: bool,
    /// STRICT.
    pub strict: bool,
    /// Where its rows lead.
    pub links: Vec<Link>,
    /// What a person has said of it.
    pub said: Said,
    /// The class that a person has put it into.
    pub class: Option<&'static str>,
    /// Whether it is a full-text table with text of its own.
    pub text: bool,
}

/// What the configuration says of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing.
    Nothing,
    /// `shared`.
    Shared,
    /// `by = "<- table.columns"`.
    PointedAt { table: usize, columns: Vec<usize> },
}

/// A column.
#[derive(Clone)]
pub struct Column {
    /// Its name now.
    pub name: String,
    /// Whether it is there still.
    pub alive: bool,
    /// Its declared type.
    pub declared: &'static str,
    /// The declared collation, with COLLATE, or nothing.
    pub collate: &'static str,
    /// What may be put into it.
    pub takes: Takes,
    /// What it is for.
    pub role: Role,
    /// Whether it has a DEFAULT.
    pub default: bool,
}

/// What a column is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Anything.
    Data,
    /// A key of these.
    Key(Keys),
    /// It refers: see [`Table::links`].
    Link,
    /// What tells apart those who had one key after the other.
    Since,
    /// 0 or 1, which `where` asks for.
    Kind,
    /// Computed.
    Generated,
}

/// What keys are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    Integer,
    Tenant,
    Text,
    Uuid,
    Any,
}

/// Columns of a table that lead to a row.
#[derive(Clone, PartialEq)]
pub struct Link {
    /// The columns, as indexes.
    pub columns: Vec<usize>,
    /// To which table.
    pub to: usize,
    /// To what columns of it.
    pub key: Vec<usize>,
    /// Whether there is a foreign key.
    pub declared: bool,
    /// What a person has said.
    pub means: Means,
    /// What must hold besides, where it leads on over other tables.
    pub under: Vec<Under>,
}

/// That the row to which columns lead has a value in its column of [`Role::Kind`], or is gone.
#[derive(Clone, PartialEq)]
pub struct Under {
    /// The columns, as indexes.
    pub columns: Vec<usize>,
    /// To which table.
    pub to: usize,
    /// To what columns of it.
    pub key: Vec<usize>,
    /// The column there, and its value.
    pub kind: (usize, u8),
}

/// What the configuration says of a [`Link`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Means {
    /// Nothing.
    Nothing,
    /// `by`; with a `where` under which it holds: the column of [`Role::Kind`] and its value.
    By(Option<(usize, u8)>),
    /// `also`.
    Also,
}

impl Link {
    /// Whether it says of somebody that a row names them.
    pub fn counts(&self) -> bool {
        self.declared || self.means != Means::Nothing
    }
}

impl Table {
    /// The names of some columns, as SQL.
    pub fn names(&self, columns: &[usize]) -> Vec<String> {
        columns
            .iter()
            .map(|at| name(&self.columns[*at].name))
            .collect()
    }

    /// The columns that are there.
    pub fn living(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.columns.len()).filter(|at| self.columns[*at].alive)
    }

    /// The columns that an INSERT can name.
    pub fn stored(&self) -> Vec<usize> {
        self.living()
            .filter(|at| self.columns[*at].role != Role::Generated)
            .collect()
    }

    /// The word by which the rowid is reached, if it can be.
    pub fn rowid(&self) -> Option<&'static str> {
        let taken = |word: &&str| {
            self.living()
                .any(|at| self.columns[at].name.eq_ignore_ascii_case(word))
        };
        let mut free = ["rowid", "_rowid_", "oid"].into_iter();
        free.find(|word| !self.without_rowid && !taken(word))
    }

    /// By what rows are ordered and picked: the rowid, or the key.
    pub fn handle(&self) -> Vec<String> {
        match self.rowid() {
            Some(rowid) => vec![rowid.to_owned()],
            None => self.names(&self.key),
        }
    }

    /// Whether a column of the key makes numbers of what is compared with it, or text; none where it takes
    /// things as they are.
    pub fn takes_numbers(&self, column: usize) -> Option<bool> {
        match self.columns[column].declared {
            "INTEGER" | "INT" => Some(true),
            "TEXT" => Some(false),
            _ => None,
        }
    }

    /// The column of [`Role::Since`], if there is one.
    pub fn since(&self) -> Option<usize> {
        self.living()
            .find(|at| self.columns[*at].role == Role::Since)
    }

    /// Whether a rule of the configuration names its owner.
    pub fn ruled(&self) -> bool {
        let by = |link: &Link| matches!(link.means, Means::By(_));
        matches!(self.said, Said::PointedAt { .. }) || self.links.iter().any(by)
    }
}

impl Model {
    /// The tables that are there.
    pub fn living(&self) -> Vec<usize> {
        (0..self.tables.len())
            .filter(|at| self.tables[*at].alive)
            .collect()
    }

    /// The links of a table, and what the columns that they lead to lead on to.
    pub fn leading(&self, table: usize) -> Vec<Link> {
        let mut all = self.tables[table].links.clone();
        let mut at = 0;
        while at < all.len() {
            let link = all[at].clone();
            at += 1;
            if !link.counts() || !self.tables[link.to].alive {
                continue;
            }
            for on in &self.tables[link.to].links {
                let own = |column: &usize| {
                    let place = link.key.iter().position(|key| key == column);
                    place.map(|place| link.columns[place])
                };
                let columns: Option<Vec<usize>> = on.columns.iter().map(own).collect();
                let Some(columns) = columns else { continue };
                let mut new = Link {
                    columns,
                    to: on.to,
                    key: on.key.clone(),
                    declared: link.declared && on.declared,
                    // A foreign key holds always, whatever a rule says.
                    means: match link.declared {
                        true => Means::Also,
                        false => link.means.clone(),
                    },
                    under: link.under.clone(),
                };
                if let Means::By(Some(kind)) = on.means
                    && !on.declared
                {
                    let (columns, key) = (link.columns.clone(), link.key.clone());
                    let under = Under {
                        columns,
                        to: link.to,
                        key,
                        kind,
                    };
                    new.under
                        .extend((!link.under.contains(&under)).then_some(under));
                }
                if on.counts() && !all.contains(&new) && all.len() < 64 {
                    all.push(new);
                }
            }
        }
        all
    }

    /// The links of a table along which its rows are owned, if they lead to owned tables: those that a
    /// rule names, or else its foreign keys, without self-references and `also`.
    pub fn owning(&self, table: usize) -> Vec<&Link> {
        let entry = &self.tables[table];
        if table == 0 || entry.said == Said::Shared {
            return Vec::new();
        }
        let by_rule = entry.ruled();
        let owns = |link: &&Link| match link.means {
            Means::By(_) => true,
            Means::Also => false,
            // Where somebody is pointed at from here, this is not where the owner comes from.
            Means::Nothing => {
                let back = &self.tables[link.to].said;
                let pointed = matches!(back, Said::PointedAt { table: from, .. } if *from == table);
                !by_rule && link.declared && link.to != table && !pointed
            }
        };
        entry.links.iter().filter(owns).collect()
    }

    /// `[customers]` and the rest that a configuration says of all this: the register's part and the
    /// source's.
    pub fn rules(&self) -> (String, String) {
        let register = &self.tables[0];
        let mut customers = format!(
            "table = {}\nkey = {}",
            toml(&register.name),
            toml(&register.names(&register.key).join(","))
        );
        if let Some(since) = register.since() {
            customers += &format!("\nsince = {}", toml(&register.columns[since].name));
        }
        let (mut shared, mut owns) = (Vec::new(), String::new());
        for at in self.living() {
            let table = &self.tables[at];
            let mut rule = |says: &[(&str, String)]| {
                owns += &format!("  [[source.owns]]\n  table = {}\n", toml(&table.name));
                for (word, what) in says {
                    owns += &format!("  {word} = {}\n", toml(what));
                }
            };
            let owned = !self.owning(at).is_empty() || table.ruled();
            if let Some(class) = table.class.filter(|_| owned) {
                rule(&[("class", class.to_owned())]);
            }
            match &table.said {
                Said::Nothing => {}
                Said::Shared => shared.push(toml(&table.name)),
                Said::PointedAt {
                    table: from,
                    columns,
                } => {
                    let from = &self.tables[*from];
                    let by = format!("<- {}.{}", name(&from.name), from.names(columns).join(","));
                    rule(&[("by", by)]);
                }
            }
            for link in &table.links {
                let columns = table.names(&link.columns).join(",");
                match &link.means {
                    Means::Nothing => {}
                    Means::Also => {
                        let plain = link.columns.iter().map(|c| table.columns[*c].name.clone());
                        rule(&[("also", plain.collect::<Vec<_>>().join(","))]);
                    }
                    Means::By(filter) => {
                        let by = match link.to {
                            0 => columns,
                            to => format!("{columns} -> {}", name(&self.tables[to].name)),
                        };
                        let filter = filter.map(|(kind, value)| {
                            (
                                "where",
                                format!("{} = {value}", name(&table.columns[kind].name)),
                            )
                        });
                        let says: Vec<_> = [("by", by)].into_iter().chain(filter).collect();
                        rule(&says);
                    }
                }
            }
        }
        (
            customers,
            format!("shared = [{}]\n{owns}", shared.join(", ")),
        )
    }
}

fn toml(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
