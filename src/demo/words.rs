//! Words for sample data: names, cities, products and prose that nobody owns.
//!
//! Most are built of syllables from a fixed seed, so that two sample databases of different seeds
//! still speak one language. That keeps the lists short, and their variety near that of real ones.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::random::Random;

/// How many different words free text is made of.
const VOCABULARY: usize = 4000;
/// How many family names there are.
const FAMILY_NAMES: usize = 2500;
/// How many cities there are.
const CITIES: usize = 600;
/// How many products the shop sells.
const PRODUCTS: usize = 800;
/// The language is the same for every seed of the data.
const LANGUAGE: u64 = 0x7465_6e75_7265;

const FIRST: &[&str] = &[
    "Ada",
    "Agnes",
    "Akira",
    "Amina",
    "Anders",
    "Anna",
    "Anton",
    "Beatriz",
    "Benedikt",
    "Björn",
    "Camille",
    "Carlos",
    "Chiara",
    "Chloé",
    "Clara",
    "Dagmar",
    "Daniel",
    "Dilnoza",
    "Dmitri",
    "Elena",
    "Emil",
    "Emre",
    "Esther",
    "Fatima",
    "Felix",
    "Francesca",
    "Frida",
    "Gabriel",
    "Giulia",
    "Gustav",
    "Hanna",
    "Hassan",
    "Helene",
    "Hugo",
    "Ida",
    "Ingrid",
    "Irina",
    "Jakub",
    "Jana",
    "Jens",
    "Johanna",
    "Jonas",
    "José",
    "Julia",
    "Jürgen",
    "Karin",
    "Katarzyna",
    "Kenji",
    "Klara",
    "Laila",
    "Lars",
    "Laura",
    "Leon",
    "Linh",
    "Lucía",
    "Magnus",
    "Maja",
    "Marek",
    "Maria",
    "Mateo",
    "Mei",
    "Mette",
    "Michael",
    "Miriam",
    "Nadia",
    "Nikola",
    "Noah",
    "Nora",
    "Olga",
    "Oskar",
    "Paula",
    "Pedro",
    "Petra",
    "Priya",
    "Rafael",
    "Rosa",
    "Samuel",
    "Sara",
    "Sofia",
    "Søren",
    "Stefan",
    "Sven",
    "Tamara",
    "Thomas",
    "Tomáš",
    "Ulrike",
    "Valentin",
    "Vera",
    "Viktor",
    "Wei",
    "Xavier",
    "Yara",
    "Yusuf",
    "Zoë",
];
const MAIL: &[&str] = &[
    "example.com",
    "example.net",
    "example.org",
    "mail.example",
    "post.example",
];
const STARTS: &[&str] = &[
    "b", "br", "d", "f", "fl", "g", "h", "k", "kl", "l", "m", "n", "p", "r", "s", "st", "t", "v",
    "w", "z",
];
const VOWELS: &[&str] = &["a", "a", "e", "e", "i", "o", "u", "ei"];
const ENDS: &[&str] = &["", "", "", "", "l", "n", "r", "s", "t", "nd"];
const FAMILY_ENDS: &[&str] = &["er", "sen", "ova", "ini", "ez", "son", "as"];
const CITY_ENDS: &[&str] = &["burg", "ton", "ville", "stad", "dorf", "by", "field", "a"];
const THINGS: &[&str] = &[
    "lamp", "chair", "kettle", "shelf", "clock", "bag", "knife", "rug",
];

/// A country: its code, its name, and how its telephone numbers begin.
pub type Country = (&'static str, &'static str, &'static str);

/// The countries that customers live in.
pub const COUNTRIES: &[Country] = &[
    ("AT", "Austria", "+43"),
    ("AU", "Australia", "+61"),
    ("BE", "Belgium", "+32"),
    ("BR", "Brazil", "+55"),
    ("CA", "Canada", "+1"),
    ("CH", "Switzerland", "+41"),
    ("CN", "China", "+86"),
    ("CZ", "Czechia", "+420"),
    ("DE", "Germany", "+49"),
    ("DK", "Denmark", "+45"),
    ("ES", "Spain", "+34"),
    ("FI", "Finland", "+358"),
    ("FR", "France", "+33"),
    ("GB", "United Kingdom", "+44"),
    ("IE", "Ireland", "+353"),
    ("IN", "India", "+91"),
    ("IT", "Italy", "+39"),
    ("JP", "Japan", "+81"),
    ("NL", "Netherlands", "+31"),
    ("NO", "Norway", "+47"),
    ("PL", "Poland", "+48"),
    ("PT", "Portugal", "+351"),
    ("SE", "Sweden", "+46"),
    ("US", "United States", "+1"),
];

/// Something to buy.
#[derive(Clone, Debug)]
pub struct Product {
    /// Its number in the shop, such as `KX40213`.
    pub sku: String,
    /// What it is called.
    pub name: String,
    /// What one costs, in cents.
    pub price_cents: u64,
}

/// All words.
#[derive(Clone, Debug)]
pub struct Words {
    family: Vec<String>,
    cities: Vec<String>,
    vocabulary: Vec<String>,
    /// What is sold.
    pub products: Vec<Product>,
}

impl Words {
    /// The words, which are always the same.
    pub fn new() -> Self {
        let random = &mut Random::new(LANGUAGE);
        let family = distinct(FAMILY_NAMES, || {
            let root = syllables(random, 1, 3);
            capital(&(root + random.one_of(FAMILY_ENDS)))
        });
        let cities = distinct(CITIES, || {
            let root = syllables(random, 1, 3);
            capital(&(root + random.one_of(CITY_ENDS)))
        });
        let vocabulary = distinct(VOCABULARY, || syllables(random, 1, 4));
        let products = (0..PRODUCTS).map(|n| product(random, n)).collect();
        Self {
            family,
            cities,
            vocabulary,
            products,
        }
    }

    /// Writes a person's name.
    pub fn name(&self, random: &mut Random, into: &mut String) {
        into.clear();
        into.push_str(random.one_of(FIRST));
        into.push(' ');
        into.push_str(random.mostly_early(&self.family));
    }

    /// Writes an address that no other customer has.
    pub fn email(&self, random: &mut Random, customer: i64, into: &mut String) {
        into.clear();
        into.push_str(random.mostly_early(&self.family));
        into.make_ascii_lowercase();
        number(into, customer.unsigned_abs());
        into.push('@');
        into.push_str(random.one_of(MAIL));
    }

    /// Writes a telephone number of that country.
    pub fn phone(&self, random: &mut Random, country: Country, into: &mut String) {
        into.clear();
        into.push_str(country.2);
        into.push(' ');
        number(into, random.between(100, 1000));
        into.push(' ');
        number(into, random.between(1_000_000, 10_000_000));
    }

    /// A city.
    pub fn city(&self, random: &mut Random) -> &str {
        random.mostly_early(&self.cities)
    }

    /// A country.
    pub fn country(&self, random: &mut Random) -> Country {
        let at = random.below(COUNTRIES.len() as u64) as usize;
        COUNTRIES[at] // `below` stays below the length
    }

    /// A product.
    pub fn product(&self, random: &mut Random) -> &Product {
        let at = random.below(self.products.len() as u64) as usize;
        &self.products[at] // `below` stays below the length
    }

    /// A first name, in lower case where it is ASCII: how somebody of the staff signs.
    pub fn author(&self, random: &mut Random, into: &mut String) {
        into.clear();
        into.push_str(FIRST[random.below(20) as usize]); // there are more than 20
        into.make_ascii_lowercase();
    }

    /// Writes sentences of `words` words altogether.
    pub fn prose(&self, random: &mut Random, words: u64, into: &mut String) {
        into.clear();
        let mut starts = true;
        for _ in 0..words {
            let word = random.mostly_early(&self.vocabulary);
            if !into.is_empty() {
                into.push(' ');
            }
            let at = into.len();
            into.push_str(word);
            if starts && let Some(first) = into.get_mut(at..at + 1) {
                first.make_ascii_uppercase();
            }
            starts = random.chance(120);
            if starts {
                into.push('.');
            }
        }
        if !starts && words > 0 {
            into.push('.');
        }
    }
}

fn product(random: &mut Random, n: usize) -> Product {
    let letters = [b'A' + random.below(26) as u8, b'A' + random.below(26) as u8];
    let sku = format!(
        "{}{}{:05}",
        char::from(letters[0]),
        char::from(letters[1]),
        40_000 + n * 7
    );
    let name = format!(
        "{} {}",
        capital(&syllables(random, 1, 3)),
        random.one_of(THINGS)
    );
    Product {
        sku,
        name,
        price_cents: random.between(3, 250) * 100 - 1,
    }
}

/// That many different words; gives up only after far more tries than any list here needs.
fn distinct(count: usize, mut word: impl FnMut() -> String) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut words = Vec::with_capacity(count);
    for _ in 0..count * 100 {
        if words.len() == count {
            break;
        }
        let next = word();
        if seen.insert(next.clone()) {
            words.push(next);
        }
    }
    words
}

fn syllables(random: &mut Random, low: u64, high: u64) -> String {
    let mut word = String::new();
    for _ in 0..random.between(low, high) {
        word.push_str(random.one_of(STARTS));
        word.push_str(random.one_of(VOWELS));
        word.push_str(random.one_of(ENDS));
    }
    word
}

fn capital(word: &str) -> String {
    let mut word = word.to_owned();
    if let Some(first) = word.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    word
}

/// Appends a number; writing to a string cannot fail.
fn number(into: &mut String, n: u64) {
    let _ = write!(into, "{n}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_full_and_distinct() {
        let words = Words::new();
        assert_eq!(words.vocabulary.len(), VOCABULARY);
        assert_eq!(words.family.len(), FAMILY_NAMES);
        assert_eq!(words.cities.len(), CITIES);
        let skus: HashSet<_> = words.products.iter().map(|product| &product.sku).collect();
        assert_eq!(skus.len(), PRODUCTS);
    }

    #[test]
    fn prose_has_the_words_asked_for_and_ends_its_sentences() {
        let (words, mut random, mut text) = (Words::new(), Random::new(5), String::new());
        for count in [1, 2, 40] {
            words.prose(&mut random, count, &mut text);
            assert_eq!(text.split(' ').count() as u64, count);
            assert!(text.ends_with('.') && text.starts_with(char::is_uppercase));
        }
    }
}
