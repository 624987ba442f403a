//! The one JSON document that a command prints with `--json`.

use serde_json::{Value, json};

use crate::error::Failure;

/// The document as it is printed.
pub fn document(value: &Value) -> String {
    format!("{value:#}\n")
}

/// A failure.
pub fn failure(failure: &Failure) -> Value {
    json!({
        "error": failure.to_string(),
        "causes": failure.causes(),
        "hint": failure.next_step(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_its_three_parts_whatever_it_is() {
        let plain = failure(&Failure::new("no"));
        assert_eq!(plain, json!({ "error": "no", "causes": [], "hint": null }));
        let cause = Failure::new("because").hint("do this");
        let whole = failure(&Failure::new("no").because(cause));
        assert_eq!(
            whole,
            json!({ "error": "no", "causes": ["because"], "hint": "do this" })
        );
        assert!(document(&whole).ends_with("}\n"));
    }
}
