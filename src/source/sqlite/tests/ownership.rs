//! Who owns what.

use super::exact::chinook;
use super::*;
use crate::schema::ParentColumn;
use crate::source::sqlite::Known;
use crate::source::sqlite::read::Way;

#[test]
fn chinook_belongs_to_its_customers_by_foreign_keys() {
    let (_dir, path) = chinook();
    let mut rules = register("customer", &["customerid"]);
    let db = open(&path, &rules);
    let of = |name: &str| (ownership(&db, name), table(&db, name).path.as_str());
    assert_eq!(of("Customer"), (Ownership::Register, ""));
    assert_eq!(of("Invoice"), (Ownership::Owned, "CustomerId -> Customer"));
    assert_eq!(
        of("InvoiceLine"),
        (
            Ownership::Owned,
            "InvoiceId -> Invoice.CustomerId -> Customer"
        )
    );
    for parent in [
        "Employee",
        "Track",
        "Album",
        "Artist",
        "Genre",
        "MediaType",
        "Playlist",
        "PlaylistTrack",
    ] {
        assert_eq!(of(parent), (Ownership::Unsettled, ""), "{parent}");
    }
    assert_eq!(owners(&db, "Customer")[..3], ["1", "2", "3"]);
    let sql = "SELECT i.CustomerId FROM InvoiceLine JOIN Invoice i USING (InvoiceId) ORDER BY InvoiceLineId";
    assert_eq!(owners(&db, "InvoiceLine"), ask(&path, sql));
    assert!(table(&db, "InvoiceLine").warnings.is_empty());
    rules.shared = strings(&["employee", "track", "Genre"]);
    let db = open(&path, &rules);
    assert_eq!(ownership(&db, "Genre"), Ownership::Shared);
    assert_eq!(table(&db, "Genre").warnings, Vec::<String>::new());
    let employee = db.schema().tables.iter().position(|t| t.name == "Employee");
    let look = db.look(employee.unwrap()).unwrap();
    let personal = "has columns that look personal: LastName, FirstName, BirthDate (dates of birth), Address, \
                    PostalCode, Phone (phone numbers), Fax (phone numbers), Email (e-mail addresses)";
    assert_eq!(look.personal.as_deref(), Some(personal));
    let pointed_at = "is pointed at by Customer.SupportRepId, and one row by several customers: \
                      by = \"<- Customer.SupportRepId\" cannot own it";
    assert_eq!(look.pointed_at.unwrap().words(), pointed_at);
    assert!(owners(&db, "Employee").iter().all(|owner| owner == "table"));
}

#[test]
fn references_lead_to_the_owner_of_the_row_that_is_referred_to() {
    let (_dir, path) = chinook();
    let db = open(&path, &register("Customer", &["CustomerId"]));
    let references = &table(&db, "InvoiceLine").references;
    assert_eq!(references.len(), 1);
    let parent = &db.schema().tables[references[0].parent];
    assert_eq!(parent.name, "Invoice");
    assert_eq!(references[0].parent_columns, [ParentColumn::Rowid]);
    assert_eq!(
        table(&db, "InvoiceLine").columns[references[0].columns[0]].name,
        "InvoiceId"
    );
    let targets: Vec<String> = targets(&db, "InvoiceLine").concat();
    assert_eq!(targets, owners(&db, "InvoiceLine"));
    assert!(table(&db, "Customer").references.is_empty());
}

/// Customers, orders, lines, visits of two customers, attachments of anything, addresses.
pub(super) const CRM: &str = "
    CREATE TABLE address(id INTEGER PRIMARY KEY, street TEXT);
    CREATE TABLE customers(id INTEGER PRIMARY KEY, name TEXT, referred_by REFERENCES customers, address_id INT);
    CREATE INDEX customers_address ON customers(address_id);
    CREATE TABLE orders(id TEXT PRIMARY KEY, customer_id INT REFERENCES customers, replaces REFERENCES orders, sold_by INT);
    CREATE TABLE lines(order_id REFERENCES orders(id), n, PRIMARY KEY(order_id, n)) WITHOUT ROWID;
    CREATE TABLE attachments(id INTEGER PRIMARY KEY, record_type TEXT, record_id);
    CREATE TABLE pages(attachment INT REFERENCES attachments, text);
    CREATE TABLE visits(host INT REFERENCES customers(id), guest INT REFERENCES customers(id));
    CREATE TABLE visit_notes(visit INT REFERENCES visits(rowid), note);
    INSERT INTO address VALUES (10, 'a'), (11, 'b'), (12, 'nobody''s');
    INSERT INTO customers VALUES (1, 'Ann', NULL, 10), (2, 'Bob', 1, 11), (3, 'Cid', 99, NULL);
    INSERT INTO orders VALUES ('o1', 1, NULL, 2), ('o2', 2, 'o1', 2), ('o3', NULL, 'o2', NULL), ('o4', 77, NULL, 1);
    INSERT INTO lines VALUES ('o1', 1), ('o1', 2), ('o2', 1), ('o3', 1), ('zz', 1);
    INSERT INTO attachments VALUES (1, 'customer', 2), (2, 'order', 'o1'), (3, 'thing', 1), (4, 'order', 'o4');
    INSERT INTO pages VALUES (1, 'p'), (2, 'q'), (3, 'r');
    INSERT INTO visits VALUES (1, 1), (2, NULL), (NULL, 3), (NULL, NULL);";

pub(super) fn crm_rules() -> Rules {
    let mut rules = register("customers", &["id"]);
    let when = |rule: OwnsRule, filter: &str| OwnsRule {
        filter: Some(filter.into()),
        ..rule
    };
    rules.owns = vec![
        owns("address", pointed_at_by("customers", &["address_id"])),
        when(
            owns("attachments", key(&["record_id"])),
            "record_type = 'customer' -- theirs",
        ),
        when(
            owns("attachments", through(&["record_id"], "orders")),
            "record_type = 'order'",
        ),
        OwnsRule {
            class: Some("billing".into()),
            ..also("orders", "sold_by")
        },
    ];
    rules
}

#[test]
fn a_crm_is_settled_by_keys_and_rules() {
    let (_dir, path) = database(CRM);
    let db = open(&path, &crm_rules());
    assert_eq!(owners(&db, "customers"), ["1", "2", "3"]);
    assert_eq!(owners(&db, "orders"), ["1", "2", "orphan", "orphan"]);
    assert_eq!(owners(&db, "lines"), ["1", "1", "2", "orphan", "orphan"]);
    assert_eq!(owners(&db, "address"), ["1", "2", "orphan"]);
    assert_eq!(owners(&db, "attachments"), ["2", "1", "orphan", "orphan"]);
    assert_eq!(owners(&db, "pages"), ["2", "1", "orphan"]);
    assert_eq!(owners(&db, "visits"), ["1", "2", "3", "orphan"]);
    assert_eq!(table(&db, "orders").class.as_deref(), Some("billing"));
    assert_eq!(
        table(&db, "lines").path,
        "order_id -> orders.customer_id -> customers"
    );
    assert_eq!(table(&db, "address").path, "<- customers.address_id");
    assert!(
        table(&db, "pages")
            .path
            .starts_with("attachment -> attachments.record_id -> customers where")
    );
}

#[test]
fn self_references_and_also_are_told_and_do_not_own() {
    let (_dir, path) = database(CRM);
    let db = open(&path, &crm_rules());
    let names = |name: &str| -> Vec<String> {
        let table = table(&db, name);
        let pair = |r: &crate::schema::Reference| {
            let columns: Vec<_> = r
                .columns
                .iter()
                .map(|c| table.columns[*c].name.clone())
                .collect();
            format!(
                "{} -> {}",
                columns.join(","),
                db.schema().tables[r.parent].name
            )
        };
        table.references.iter().map(pair).collect()
    };
    assert_eq!(names("customers"), ["referred_by -> customers"]);
    assert_eq!(targets(&db, "customers"), [["NULL"], ["1"], ["NULL"]]);
    assert_eq!(
        names("orders"),
        [
            "customer_id -> customers",
            "replaces -> orders",
            "sold_by -> customers"
        ]
    );
    let expected = [
        ["1", "NULL", "2"],
        ["2", "1", "2"],
        ["NULL", "2", "NULL"],
        ["NULL", "NULL", "1"],
    ];
    assert_eq!(targets(&db, "orders"), expected);
    // The same column leads to a customer or to an order, by what the row says.
    assert_eq!(
        names("attachments"),
        ["record_id -> customers", "record_id -> orders"]
    );
    let expected = [
        ["2", "NULL"],
        ["NULL", "1"],
        ["NULL", "NULL"],
        ["NULL", "NULL"],
    ];
    assert_eq!(targets(&db, "attachments"), expected);
}

#[test]
fn one_row_with_two_owners_makes_its_table_ambiguous() {
    let (_dir, path) = database(CRM);
    let add = |sql: &str| Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    add("PRAGMA foreign_keys = OFF; INSERT INTO visits VALUES (2, 3)");
    let db = open(&path, &crm_rules());
    assert_eq!(ownership(&db, "visits"), Ownership::Ambiguous);
    assert!(owners(&db, "visits").iter().all(|owner| owner == "table"));
    let warning = &table(&db, "visits").warnings[0];
    assert!(
        warning.contains("host -> customers") && warning.contains("guest -> customers"),
        "{warning}"
    );
    // Both columns still name customers.
    assert_eq!(targets(&db, "visits").last().unwrap(), &["2", "3"]);
    drop(db);
    // What hangs on an ambiguous table has no owner either, and its reference names nobody.
    add(
        "CREATE TABLE seen(host INT, guest INT, v REFERENCES visit(id));
         CREATE TABLE visit(id INTEGER PRIMARY KEY, a REFERENCES customers, b REFERENCES customers);
         INSERT INTO visit VALUES (1, 1, 2); INSERT INTO seen(v) VALUES (1)",
    );
    let db = open(&path, &crm_rules());
    assert_eq!(ownership(&db, "visit"), Ownership::Ambiguous);
    assert_eq!(ownership(&db, "seen"), Ownership::Unsettled);
    assert!(table(&db, "seen").warnings[0].contains("visit"));
    assert!(table(&db, "seen").references.is_empty());
    // Stating one of the two settles it.
    let mut rules = crm_rules();
    rules.owns.push(owns("visits", key(&["guest"])));
    let db = open(&path, &rules);
    assert_eq!(owners(&db, "visits"), ["1", "orphan", "3", "orphan", "3"]);
    assert_eq!(targets(&db, "visits").last().unwrap(), &["2", "3"]);
}

#[test]
fn an_address_of_two_customers_is_ambiguous() {
    let (_dir, path) = database(CRM);
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch(
        "PRAGMA foreign_keys = OFF; UPDATE customers SET address_id = 10 WHERE id = 2",
    )
    .unwrap();
    let db = open(&path, &crm_rules());
    assert_eq!(ownership(&db, "address"), Ownership::Ambiguous);
    assert!(table(&db, "address").warnings[0].contains("<- customers.address_id"));
    // Two rows of one customer that point to one address are no disagreement.
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); CREATE TABLE a(id INTEGER PRIMARY KEY);
         CREATE TABLE o(c REFERENCES c, a REFERENCES a); INSERT INTO c VALUES (1); INSERT INTO a VALUES (5);
         INSERT INTO o VALUES (1, 5), (1, 5)",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![owns("a", pointed_at_by("o", &["a"]))];
    let db = open(&path, &rules);
    assert_eq!(owners(&db, "a"), ["1"]);
    assert_eq!(table(&db, "a").path, "<- o.a, c -> c");
    assert!(table(&db, "a").warnings[0].contains("o has no index on a"));
}

#[test]
fn a_row_is_owned_by_whichever_pointing_row_has_an_owner() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); CREATE TABLE a(id INTEGER PRIMARY KEY);
         CREATE TABLE o(c REFERENCES c, a REFERENCES a); CREATE INDEX oa ON o(a);
         INSERT INTO c VALUES (1), (2); INSERT INTO a VALUES (5), (6), (7);
         INSERT INTO o VALUES (NULL, 5), (99, 5), (1, 5), (2, 6), (NULL, 6), (NULL, 7)",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = vec![owns("a", pointed_at_by("o", &["a"]))];
    assert_eq!(owners(&open(&path, &rules), "a"), ["1", "2", "orphan"]);
    // Of the keys that nobody has, the one that somebody had who is known.
    let more =
        "INSERT INTO a VALUES (8); INSERT INTO o VALUES (NULL, 8), (97, 8), (98, 8), (99, 8)";
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    conn.execute_batch(more).unwrap();
    let known = |token: ValueRef<'_>| match token {
        ValueRef::Int(98) => Known::Erased,
        _ => Known::Nobody,
    };
    let mut db = open(&path, &rules);
    db.tell_missing(Box::new(known)).unwrap();
    assert_eq!(owners(&db, "a"), ["1", "2", "orphan", "98"]);
}

#[test]
fn shared_wins_over_a_path_and_says_so() {
    let (_dir, path) = database(CRM);
    let mut rules = crm_rules();
    rules.shared = strings(&["orders"]);
    let db = open(&path, &rules);
    assert_eq!(ownership(&db, "orders"), Ownership::Shared);
    assert!(
        table(&db, "orders")
            .warnings
            .iter()
            .any(|w| w.contains("customer_id -> customers"))
    );
    assert_eq!(ownership(&db, "lines"), Ownership::Unsettled);
    // Its rows still name customers.
    assert_eq!(targets(&db, "orders")[0], ["1", "2"]);
}

#[test]
fn composite_keys_own_by_all_their_columns() {
    let (_dir, path) = database(
        "CREATE TABLE c(tenant INT, no TEXT, PRIMARY KEY(tenant, no));
         CREATE TABLE o(tenant INT, id INT, no TEXT, prior INT, PRIMARY KEY(tenant, id),
            FOREIGN KEY(tenant, no) REFERENCES c, FOREIGN KEY(tenant, prior) REFERENCES o(TENANT, ID));
         INSERT INTO c VALUES (1, 'a'), (2, 'a'), (NULL, 'b');
         INSERT INTO o VALUES (1, 1, 'a', NULL), (2, 1, 'a', NULL), (2, 2, 'b', 1), (NULL, 3, 'b', NULL);",
    );
    let db = open(&path, &register("c", &["tenant", "no"]));
    assert_eq!(owners(&db, "c"), ["'1,'a''", "'2,'a''", "orphan"]);
    assert_eq!(owners(&db, "o"), ["'1,'a''", "'2,'a''", "orphan", "orphan"]);
    assert_eq!(targets(&db, "o")[2], ["NULL", "'2,'a''"]);
    assert_eq!(table(&db, "o").path, "(tenant, no) -> c");
    // The tenant belongs to both keys, so it is never withheld.
    let o = table(&db, "o");
    let names: Vec<Vec<&str>> = o
        .references
        .iter()
        .map(|r| {
            r.columns
                .iter()
                .map(|c| o.columns[*c].name.as_str())
                .collect()
        })
        .collect();
    assert_eq!(names, [["no"], ["prior"]]);
    assert_eq!(o.references[0].kept, [(0, ParentColumn::Column(0))]);
}

#[test]
fn a_cycle_is_broken_nearest_to_the_register() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY);
         CREATE TABLE far(id INTEGER PRIMARY KEY, near REFERENCES near);
         CREATE TABLE near(id INTEGER PRIMARY KEY, far REFERENCES far, c REFERENCES c);
         CREATE TABLE lonely(id INTEGER PRIMARY KEY, other REFERENCES lonely2);
         CREATE TABLE lonely2(id INTEGER PRIMARY KEY, other REFERENCES lonely);
         INSERT INTO c VALUES (1), (2); INSERT INTO near VALUES (1, 1, 1), (2, 1, 2);
         INSERT INTO far VALUES (1, 2), (2, NULL);",
    );
    let db = open(&path, &register("c", &["id"]));
    assert_eq!(owners(&db, "near"), ["1", "2"]);
    assert_eq!(owners(&db, "far"), ["2", "orphan"]);
    assert_eq!(ownership(&db, "lonely"), Ownership::Unsettled);
    // The edge that was left out to break the cycle still names somebody.
    assert_eq!(targets(&db, "near"), [["2", "1"], ["2", "2"]]);
}

#[test]
fn the_parents_collation_and_affinity_decide() {
    let (_dir, path) = database(
        "CREATE TABLE c(id TEXT COLLATE NOCASE PRIMARY KEY, n TEXT UNIQUE);
         CREATE TABLE o(c TEXT REFERENCES c); CREATE TABLE p(n INTEGER REFERENCES c(n));
         INSERT INTO c VALUES ('bob', '07'), ('Ann', '7');
         INSERT INTO o VALUES ('ann'), ('BOB'), ('Änn'); INSERT INTO p VALUES (7), ('8');",
    );
    let db = open(&path, &register("c", &["id"]));
    assert_eq!(owners(&db, "o"), ["'Ann'", "'bob'", "orphan"]);
    assert_eq!(owners(&db, "p"), ["'Ann'", "orphan"]);
}

#[test]
fn a_source_without_the_register_takes_keys_as_they_stand() {
    let (_dir, path) = database(
        "CREATE TABLE calls(id INTEGER PRIMARY KEY, caller); CREATE TABLE notes(call REFERENCES calls, note);
         CREATE TABLE pairs(a, b); CREATE TABLE other(x);
         INSERT INTO calls VALUES (1, 5), (2, 'x'), (3, NULL); INSERT INTO notes VALUES (2, 'n'), (3, 'm');
         INSERT INTO pairs VALUES (1, 'y'), (1, NULL);",
    );
    let rules = Rules {
        register: None,
        owns: vec![
            owns("calls", key(&["caller"])),
            owns("pairs", key(&["a", "b"])),
        ],
        ..register("", &[])
    };
    let db = open(&path, &rules);
    assert_eq!(owners(&db, "calls"), ["5", "'x'", "orphan"]);
    assert_eq!(owners(&db, "notes"), ["'x'", "orphan"]);
    assert_eq!(owners(&db, "pairs"), ["'1,'y''", "orphan"]);
    assert_eq!(ownership(&db, "other"), Ownership::Unsettled);
    assert_eq!(targets(&db, "notes"), [["'x'"], ["NULL"]]);
    let mut called = false;
    db.register::<SqliteError>(&mut |_| {
        called = true;
        Ok(())
    })
    .unwrap();
    assert!(!called);
}

#[test]
fn a_register_whose_key_nothing_keeps_unique_is_warned_of() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INT, code TEXT UNIQUE, part TEXT); CREATE UNIQUE INDEX some ON c(part) WHERE part > ''",
    );
    let warned = |key: &str| {
        !table(&open(&path, &register("c", &[key])), "c")
            .warnings
            .is_empty()
    };
    assert_eq!(
        [warned("id"), warned("code"), warned("part")],
        [true, false, true]
    );
}

#[test]
fn owners_are_looked_up_and_never_searched_for() {
    let (_dir, path) = database(CRM);
    let db = open(&path, &crm_rules());
    let conn = Connection::open(&path).unwrap();
    for (at, table) in db.schema().tables.iter().enumerate() {
        let sql = db.select(at, Way::From(7)).replace("?1", "7");
        let sql = format!("EXPLAIN QUERY PLAN {sql}");
        let mut prepared = conn.prepare(&sql).unwrap();
        let steps = prepared
            .query_map([], |row| row.get::<_, String>(3))
            .unwrap();
        for step in steps.map(Result::unwrap) {
            let all = step.starts_with("SCAN t") && !step.starts_with("SCAN t0");
            assert!(
                !all && !step.contains("TEMP B-TREE"),
                "{}: {step}",
                table.name
            );
        }
    }
}

#[test]
fn an_also_column_does_not_own_even_with_a_key_declared() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); INSERT INTO c VALUES (1), (2);
         CREATE TABLE o(c REFERENCES c, seller REFERENCES c); INSERT INTO o VALUES (1, 2), (NULL, 2);",
    );
    let mut rules = register("c", &["id"]);
    assert_eq!(ownership(&open(&path, &rules), "o"), Ownership::Ambiguous);
    rules.owns = vec![also("o", "SELLER")];
    let db = open(&path, &rules);
    assert_eq!(owners(&db, "o"), ["1", "orphan"]);
    assert_eq!(targets(&db, "o"), [["1", "2"], ["NULL", "2"]]);
}

#[test]
fn a_self_reference_does_not_hurry_a_table() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); INSERT INTO c VALUES (1), (2);
         CREATE TABLE z(c REFERENCES c, y REFERENCES y, id INTEGER PRIMARY KEY, z REFERENCES z);
         CREATE TABLE y(id INTEGER PRIMARY KEY, c REFERENCES c, y REFERENCES y);
         INSERT INTO y VALUES (7, 2, 7); INSERT INTO z VALUES (NULL, 7, 1, 1), (1, NULL, 2, 1);",
    );
    let db = open(&path, &register("c", &["id"]));
    assert_eq!(owners(&db, "z"), ["2", "1"]);
}

#[test]
fn each_condition_on_a_column_names_its_own_customers() {
    let (_dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); INSERT INTO c VALUES (1), (2);
         CREATE TABLE o(kind TEXT, record); INSERT INTO o VALUES ('buyer', 1), ('seller', 2), ('x', 1);",
    );
    let mut rules = register("c", &["id"]);
    rules.owns = ["buyer", "seller", "seller"]
        .map(|kind| OwnsRule {
            filter: Some(format!("kind = '{kind}'")),
            ..owns("o", key(&["record"]))
        })
        .to_vec();
    let db = open(&path, &rules);
    assert_eq!(owners(&db, "o"), ["1", "2", "orphan"]);
    assert_eq!(
        targets(&db, "o"),
        [["1", "NULL"], ["NULL", "2"], ["NULL", "NULL"]]
    );
}

#[test]
fn rules_that_fit_nothing_any_more_are_refused_or_for_a_backup_noted() {
    let (dir, path) = database(
        "CREATE TABLE c(id INTEGER PRIMARY KEY); CREATE TABLE o(c REFERENCES c, buyer INT);
         CREATE TABLE n(c REFERENCES c); INSERT INTO c VALUES (1), (2); INSERT INTO o VALUES (1, 2); INSERT INTO n VALUES (2);",
    );
    let mut rules = register("c", &["id"]);
    rules.shared = strings(&["gone", "also gone"]);
    rules.owns = vec![owns("o", key(&["customer"])), owns("lost", key(&["c"]))];
    assert!(Database::open(&path, &rules).is_err());
    let db = Database::open_apart(&path, &rules, dir.path(), Trouble::IsNoted).unwrap();
    let told = db.unmet().join("\n");
    for what in [
        "\"gone\"",
        "\"also gone\"",
        "\"lost\"",
        "the column \"customer\", which the table \"o\"",
    ] {
        assert!(told.contains(what), "{told}");
    }
    // The rule says that the foreign key does not count, so nothing says whose this table is.
    assert_eq!(ownership(&db, "o"), Ownership::Unsettled);
    assert_eq!(owners(&db, "n"), ["2"]);
    rules.register = register("customers", &["id"]).register;
    assert!(Database::open_apart(&path, &rules, dir.path(), Trouble::IsNoted).is_err());
}

#[test]
fn composite_keys_are_told_apart_to_their_last_byte() {
    let (_dir, path) = database(
        "CREATE TABLE c(a TEXT, b, PRIMARY KEY(a, b)); CREATE TABLE o(a, b, FOREIGN KEY(a, b) REFERENCES c);
         INSERT INTO c VALUES (CAST(x'610062' AS TEXT), 1), (CAST(x'610063' AS TEXT), 1), ('it''s', x'00ff'), ('a', 1);
         INSERT INTO o SELECT * FROM c ORDER BY rowid DESC;",
    );
    let rules = register("c", &["a", "b"]);
    let db = open(&path, &rules);
    let mut tokens = std::collections::HashSet::new();
    db.register::<SqliteError>(&mut |row| {
        tokens.insert(row.token);
        Ok(())
    })
    .unwrap();
    assert_eq!(tokens.len(), 4);
    let mut owners = owners(&db, "o");
    owners.dedup();
    assert_eq!(owners.len(), 4);
    expect_exact(&path, &rules);
}

#[test]
fn two_keys_of_a_register_elsewhere_agree_or_make_their_table_ambiguous() {
    let schema = "CREATE TABLE calls(id INTEGER PRIMARY KEY, caller INT, callee TEXT, kind TEXT);
         CREATE TABLE notes(call REFERENCES calls); INSERT INTO notes VALUES (1);
         INSERT INTO calls VALUES (1, 5, '5', 'a'), (2, NULL, '6', 'b'), (3, 7, NULL, 'a'), (4, NULL, NULL, 'a');";
    let (_dir, path) = database(schema);
    let mut rules = Rules {
        register: None,
        owns: vec![
            owns("calls", key(&["caller"])),
            owns("calls", key(&["callee"])),
        ],
        ..register("", &[])
    };
    let db = open(&path, &rules);
    assert_eq!(owners(&db, "calls"), ["5", "'6'", "7", "orphan"]);
    assert_eq!(owners(&db, "notes"), ["5"]);
    drop(db);
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("INSERT INTO calls VALUES (5, 8, '9', 'a')")
        .unwrap();
    let db = open(&path, &rules);
    assert_eq!(ownership(&db, "calls"), Ownership::Ambiguous);
    assert_eq!(ownership(&db, "notes"), Ownership::Unsettled);
    let warning = &table(&db, "calls").warnings[0];
    let words = "by caller -> the register elsewhere and by callee -> the register elsewhere";
    assert!(warning.contains(words), "{warning}");
    drop(db);
    // Under a condition only one of the two counts.
    rules.owns[1].filter = Some("kind = 'b'".into());
    let db = open(&path, &rules);
    assert_eq!(owners(&db, "calls"), ["5", "'6'", "7", "orphan", "8"]);
}
