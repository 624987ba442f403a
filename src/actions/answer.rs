//! What a command hands back to be printed.

use serde_json::Value;

use super::json;

/// A command's answer, in the form that was asked for.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The exit code.
    pub code: u8,
    /// What goes to standard output.
    pub body: String,
    /// What a person must see in any form: goes to standard error.
    pub warnings: Vec<String>,
    /// Whether the answer only says that it is done, so that `--quiet` leaves it out.
    pub is_chatter: bool,
}

impl Answer {
    /// An answer that was asked for, such as a list. Only the wanted one of the two forms is made.
    pub fn new(
        as_json: bool,
        value: impl FnOnce() -> Value,
        text: impl FnOnce() -> String,
    ) -> Self {
        let body = if as_json {
            json::document(&value())
        } else {
            text()
        };
        Self {
            code: 0,
            body,
            warnings: Vec::new(),
            is_chatter: false,
        }
    }

    /// An answer that only says that it is done.
    #[must_use]
    pub fn chatter(mut self) -> Self {
        self.is_chatter = true;
        self
    }

    /// With something that a person must see.
    #[must_use]
    pub fn warn(mut self, warnings: impl IntoIterator<Item = String>) -> Self {
        self.warnings.extend(warnings);
        self
    }

    /// With an exit code other than 0, if `is` so.
    #[must_use]
    pub fn code_if(mut self, is: bool, code: u8) -> Self {
        if is {
            self.code = code;
        }
        self
    }
}

/// Something was found wrong.
pub const WRONG: u8 = 1;
/// The configuration is wrong.
pub const MISCONFIGURED: u8 = 2;
/// Done in part.
pub const IN_PART: u8 = 3;
