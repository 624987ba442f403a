//! Guessing from a column's name whether people's data may stand in it, so that a shared table is
//! looked at again. A guess warns and never decides.

/// Words that stand for something personal on their own: English, German, French, Spanish, pinyin.
const TELLING: &[&str] = &[
    "email",
    "mail",
    "phone",
    "mobile",
    "cell",
    "fax",
    "surname",
    "firstname",
    "lastname",
    "fullname",
    "address",
    "street",
    "birth",
    "birthday",
    "birthdate",
    "dob",
    "iban",
    "ssn",
    "passport", //
    "vorname",
    "nachname",
    "telefon",
    "handy",
    "anschrift",
    "adresse",
    "strasse",
    "straße",
    "geburtstag",
    "geburtsdatum", //
    "prenom",
    "prénom",
    "courriel",
    "telephone",
    "téléphone",
    "naissance", //
    "apellido",
    "apellidos",
    "correo",
    "direccion",
    "dirección",
    "telefono",
    "teléfono",
    "nacimiento", //
    "xingming",
    "dianhua",
    "shouji",
    "dizhi",
    "youxiang",
    "shengri",
    "shenfenzheng",
];

/// The same in Chinese characters, which have no spaces around words.
const TELLING_PARTS: &[&str] = &["姓名", "电话", "手机", "地址", "邮箱", "生日", "身份证"];

/// Words that also name products and countries: they tell something only of a part of a name.
const NAMES: &[&str] = &["name", "nom", "nombre"];
const OF_A_PERSON: &[&str] = &[
    "first", "last", "full", "middle", "given", "family", "person", "contact",
];

/// Whether a column of this name looks as if it held something about a person.
pub(super) fn looks_personal(column: &str) -> bool {
    let words = words(column);
    let one_of = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    one_of(TELLING)
        || words
            .windows(2)
            .any(|pair| TELLING.contains(&pair.concat().as_str()))
        || one_of(NAMES) && one_of(OF_A_PERSON)
        || TELLING_PARTS.iter().any(|part| column.contains(part))
}

/// The words of a name in `snake_case`, `camelCase` or with spaces, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for c in name.chars() {
        if !c.is_alphabetic() || (c.is_uppercase() && after_lower) {
            words.push(String::new());
        }
        if c.is_alphabetic() {
            words
                .last_mut()
                .into_iter()
                .for_each(|word| word.extend(c.to_lowercase()));
        }
        after_lower = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_seen_and_products_are_not() {
        for personal in [
            "Email",
            "e_mail",
            "contactPhone",
            "LAST_NAME",
            "sur_name",
            "contact_name",
            "billing address",
            "FirstName",
            "BirthDate",
            "Straße",
            "prenom",
            "客户姓名",
            "shouji",
            "phone2",
        ] {
            assert!(looks_personal(personal), "{personal}");
        }
        for plain in [
            "name",
            "country_name",
            "price",
            "mailing_list",
            "Milliseconds",
            "id",
        ] {
            assert!(!looks_personal(plain), "{plain}");
        }
    }
}
