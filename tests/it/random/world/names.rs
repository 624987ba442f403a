//! Names: plain ones, and whatever SQLite takes in quotes.

use super::World;
use crate::random::dice::Dice;

const ODD: [&str; 18] = [
    "two words",
    "say \"so\"",
    "it's",
    "select",
    "Größe",
    "客户",
    "🎷",
    "a.b",
    "c,d",
    "[x]",
    "`y`",
    " outer ",
    "-- no comment",
    "e -> f <- g",
    "line\nbreak",
    "100%_",
    "ta\tb",
    "\\",
];

impl World {
    /// A name that nothing has yet.
    pub(super) fn new_name(&mut self, stem: &str, dice: &mut Dice<'_>) -> String {
        self.named += 1;
        let number = self.named;
        match dice.pick(8) {
            0..6 => format!("{stem}{number}"),
            // Letters come back after a while: in another case they would be the same.
            6 if number <= 26 => char::from(b'a' + (number % 26) as u8).to_string(),
            _ => format!("{}{number}", dice.of(&ODD)),
        }
    }
}
