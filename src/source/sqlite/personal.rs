//! Guessing from a column's name whether people's data may stand in it, so that a table that is nobody's is
//! looked at again. A guess warns and never decides.

/// Words that stand for something personal on their own, or written as one with the words beside them.
/// Without accents, and in lower case.
const TELLING: &[&str] = &[
    // English
    "email",
    "mail",
    "phone",
    "telephone",
    "phoneno",
    "phonenumber",
    "homephone",
    "workphone",
    "mobile",
    "mobilephone",
    "cell",
    "cellphone",
    "fax",
    "surname",
    "firstname",
    "lastname",
    "fullname",
    "forename",
    "givenname",
    "familyname",
    "middlename",
    "maidenname",
    "nickname",
    "address",
    "street",
    "zipcode",
    "postcode",
    "postalcode",
    "birth",
    "birthday",
    "birthdate",
    "birthplace",
    "dob",
    "gender",
    "salutation",
    "nationality",
    "religion",
    "ethnicity",
    "maritalstatus",
    "iban",
    "ssn",
    "socialsecurity",
    "passport",
    "driverslicense",
    "creditcard",
    "cardnumber",
    "cardholder",
    "bankaccount",
    "salary",
    "diagnosis",
    // German
    "vorname",
    "nachname",
    "familienname",
    "zuname",
    "geburtsname",
    "anrede",
    "ansprechpartner",
    "telefon",
    "telefonnummer",
    "telefonnr",
    "telefax",
    "handy",
    "handynummer",
    "handynr",
    "mobilnummer",
    "mobiltelefon",
    "rufnummer",
    "anschrift",
    "adresse",
    "strasse",
    "hausnummer",
    "hausnr",
    "plz",
    "postleitzahl",
    "wohnort",
    "geburt",
    "geburtstag",
    "geburtsdatum",
    "geburtsort",
    "geschlecht",
    "staatsangehorigkeit",
    "staatsangehoerigkeit",
    "konfession",
    "familienstand",
    "steuernummer",
    "sozialversicherungsnummer",
    "personalausweis",
    "ausweisnummer",
    "reisepass",
    "kontonummer",
    "kontoinhaber",
    "bankverbindung",
    "gehalt",
    "krankenkasse",
    // French
    "prenom",
    "nomdefamille",
    "nomdenaissance",
    "courriel",
    "rue",
    "codepostal",
    "naissance",
    "datenaissance",
    "civilite",
    "nationalite",
    "sexe",
    "securitesociale",
    "numerosecu",
    "passeport",
    "comptebancaire",
    "salaire",
    "domicile",
    // Spanish
    "apellido",
    "apellidos",
    "correo",
    "correoelectronico",
    "direccion",
    "calle",
    "telefono",
    "movil",
    "codigopostal",
    "nacimiento",
    "fechanacimiento",
    "sexo",
    "nif",
    "dni",
    "pasaporte",
    "nacionalidad",
    "seguridadsocial",
    "cuentabancaria",
    "salario",
    "domicilio",
    // Pinyin
    "xingming",
    "dianhua",
    "shouji",
    "shoujihao",
    "dizhi",
    "zhuzhi",
    "youxiang",
    "youbian",
    "shengri",
    "chusheng",
    "xingbie",
    "shenfenzheng",
    "shenfenzhenghao",
    "weixin",
    "huzhao",
];

/// The same in Chinese characters, simplified and traditional, which have no spaces around words.
const TELLING_PARTS: &[&str] = &[
    "姓名",
    "电话",
    "電話",
    "手机",
    "手機",
    "地址",
    "住址",
    "邮箱",
    "郵箱",
    "电子邮件",
    "電子郵件",
    "邮编",
    "郵編",
    "生日",
    "出生",
    "性别",
    "性別",
    "身份证",
    "身份證",
    "身分證",
    "护照",
    "護照",
    "微信",
    "民族",
    "籍贯",
    "籍貫",
    "婚姻",
    "联系人",
    "聯絡人",
    "银行卡",
    "銀行卡",
    "工资",
    "薪水",
];

/// Addresses of machines, which are nobody's home.
const OF_MACHINES: &[&str] = &["ip地址", "网址", "網址", "mac地址"];

/// Words that also name products and countries: they tell something only of a part of a name.
const NAMES: &[&str] = &["name", "nom", "nombre"];
const OF_A_PERSON: &[&str] = &[
    "first", "last", "full", "middle", "given", "family", "maiden", "person", "contact", "famille",
    "contacto", "persona", "personne",
];

/// Words that may stand for a birth, which only dates among the values make likely.
const OF_BIRTH: &[&str] = &[
    "born",
    "bday",
    "birth",
    "birthday",
    "birthdate",
    "dob",
    "geb",
    "gebdat",
    "gebdatum",
    "geburt",
    "geburtstag",
    "geburtsdatum",
    "naissance",
    "datenaissance",
    "datnaiss",
    "ne",
    "nee",
    "nacimiento",
    "fechanacimiento",
    "nac",
    "fecnac",
    "shengri",
    "chusheng",
    "csrq",
];
const OF_BIRTH_PARTS: &[&str] = &["生日", "出生"];

/// How long a telling word is at least that is found inside of another, such as in `mailadresse`.
const LONG: usize = 7;

/// Whether a column of this name looks as if it held something about a person.
pub(super) fn looks_personal(column: &str) -> bool {
    let words = words(column);
    let one_of = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let inside = |word: &String| {
        let mut long = TELLING.iter().filter(|telling| telling.len() >= LONG);
        long.any(|telling| word.contains(telling))
    };
    let parts = column.to_lowercase();
    one_of(TELLING)
        || words.iter().any(inside)
        || together(&words, TELLING)
        || one_of(NAMES) && one_of(OF_A_PERSON)
        || TELLING_PARTS.iter().any(|part| parts.contains(part))
            && !OF_MACHINES.iter().any(|part| parts.contains(part))
}

/// Whether dates in a column of this name are likely to be of births.
pub(super) fn hints_at_birth(column: &str) -> bool {
    let words = words(column);
    words.iter().any(|word| OF_BIRTH.contains(&word.as_str()))
        || together(&words, OF_BIRTH)
        || OF_BIRTH_PARTS.iter().any(|part| column.contains(part))
}

/// Whether two or three words after each other make one of `list`.
fn together(words: &[String], list: &[&str]) -> bool {
    let made = |words: &[String]| list.contains(&words.concat().as_str());
    words.windows(2).any(made) || words.windows(3).any(made)
}

/// The words of a name in `snake_case`, `camelCase` or with spaces, in lower case and without accents.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for c in name.chars() {
        if !c.is_alphabetic() || (c.is_uppercase() && after_lower) {
            words.push(String::new());
        }
        if c.is_alphabetic()
            && let Some(word) = words.last_mut()
        {
            c.to_lowercase().for_each(|c| without_accent(c, word));
        }
        after_lower = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

fn without_accent(c: char, to: &mut String) {
    let plain = match c {
        'à'..='å' => 'a',
        'è'..='ë' => 'e',
        'ì'..='ï' => 'i',
        'ò'..='ö' => 'o',
        'ù'..='ü' => 'u',
        'ç' => 'c',
        'ñ' => 'n',
        'ß' => {
            to.push('s');
            's'
        }
        c => c,
    };
    to.push(plain);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_seen_in_five_languages() {
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
            "phone2",
            "date_of_birth",
            "Gender",
            "postal_code",
            "MaidenName",
            "contact_name",
            "Straße",
            "strasse_hausnr",
            "Geburtsdatum",
            "kundentelefon",
            "EMailAdresse",
            "Staatsangehörigkeit",
            "PLZ",
            "Handy-Nr",
            "Vorname",
            "anrede",
            "prénom",
            "prenom",
            "nom_de_famille",
            "Téléphone",
            "adresse_postale",
            "code postal",
            "date_naissance",
            "Civilité",
            "n° sécurité sociale",
            "apellido1",
            "correo",
            "dirección",
            "Teléfono_móvil",
            "fecha_nacimiento",
            "nombre_contacto",
            "DNI",
            "客户姓名",
            "联系电话",
            "手機號碼",
            "收货地址",
            "电子邮件",
            "出生日期",
            "身份证号",
            "性别",
            "shouji",
            "xingming",
            "shen_fen_zheng",
        ] {
            assert!(looks_personal(personal), "{personal}");
        }
    }

    #[test]
    fn products_and_places_are_not_people() {
        for plain in [
            "name",
            "country_name",
            "nom",
            "nombre",
            "nom_produit",
            "nombre_producto",
            "price",
            "mailing_list",
            "Milliseconds",
            "id",
            "title",
            "genre",
            "genero",
            "sku",
            "EAN13",
            "barcode",
            "unit_price",
            "weight_kg",
            "color",
            "marque",
            "preis",
            "artikelnummer",
            "bezeichnung",
            "einheit",
            "lagerort",
            "steuersatz",
            "cantidad",
            "precio",
            "descripcion",
            "quantite",
            "prix_ht",
            "taux_tva",
            "created_at",
            "tax_rate",
            "headphones",
            "portable",
            "description",
            "currency",
            "iso_code",
            "capital",
            "region",
            "sort_order",
            "产品名称",
            "价格",
            "数量",
            "型号",
            "网址",
            "IP地址",
            "颜色",
            "国家",
        ] {
            assert!(!looks_personal(plain), "{plain}");
        }
    }

    #[test]
    fn births_are_hinted_at() {
        for hint in [
            "Geb",
            "born_on",
            "né_le",
            "fec_nac",
            "出生",
            "BDay",
            "geb-datum",
        ] {
            assert!(hints_at_birth(hint), "{hint}");
        }
        for none in ["created", "date", "released", "nein", "生产日期"] {
            assert!(!hints_at_birth(none), "{none}");
        }
    }
}
