//! What the daemon and the command line say to each other beyond what the socket is for everybody.
//!
//! Everybody gets the JSON document that the command prints. The command line asks for
//! `application/vnd.tenure.answer+json` with `form=text` or `form=json`, and gets the answer as it is to be
//! printed, with its exit code and warnings.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::actions::{Answer, json};
use crate::error::{Failure, FailureKind};
use crate::report::{Report, Unit};

/// In which form the command line wants an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text for people.
    Text,
    /// One JSON document.
    Json,
}

const TEXT: &str = "application/vnd.tenure.answer+json; form=text";
const JSON: &str = "application/vnd.tenure.answer+json; form=json";

impl Form {
    /// The media type that asks for it.
    pub fn media(self) -> &'static str {
        match self {
            Self::Text => TEXT,
            Self::Json => JSON,
        }
    }

    /// The form that a media type asks for; none for everybody else's JSON.
    pub fn of(accept: Option<&str>) -> Option<Self> {
        [Self::Text, Self::Json]
            .into_iter()
            .find(|form| accept == Some(form.media()))
    }
}

/// An answer on its way.
#[derive(Debug, Deserialize, Serialize)]
pub struct Sent {
    code: u8,
    body: String,
    warnings: Vec<String>,
    chatter: bool,
}

impl From<&Answer> for Sent {
    fn from(answer: &Answer) -> Self {
        Self {
            code: answer.code,
            body: answer.body.clone(),
            warnings: answer.warnings.clone(),
            chatter: answer.is_chatter,
        }
    }
}

impl From<Sent> for Answer {
    fn from(sent: Sent) -> Self {
        Self {
            code: sent.code,
            body: sent.body,
            warnings: sent.warnings,
            is_chatter: sent.chatter,
        }
    }
}

/// The status that a failure is answered with.
pub fn status_of(failure: &Failure) -> u16 {
    match failure.kind() {
        FailureKind::Usage => 400,
        FailureKind::Refused => 403,
        FailureKind::NotFound => 404,
        FailureKind::Failed => 500,
    }
}

/// A failure's body.
pub fn body_of(failure: &Failure) -> Vec<u8> {
    json::document(&json::failure(failure)).into_bytes()
}

/// The failure that was answered.
pub fn failure_of(status: u16, body: &[u8]) -> Failure {
    let kind = match status {
        403 => FailureKind::Refused,
        404 => FailureKind::NotFound,
        400 => FailureKind::Usage,
        _ => FailureKind::Failed,
    };
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let Some(what) = said["error"].as_str() else {
        return Failure::new(format!("the daemon has answered with status {status}"));
    };
    let causes = said["causes"].as_array().into_iter().flatten().rev();
    let cause = causes.filter_map(Value::as_str).fold(None, |below, text| {
        let failure = Failure::new(text);
        Some(match below {
            Some(below) => failure.because(below),
            None => failure,
        })
    });
    let mut failure = Failure::of(kind, what);
    if let Some(cause) = cause {
        failure = failure.because(cause);
    }
    match said["hint"].as_str() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// How far a job has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Progress {
    /// Which stretch of work, counted from 1; 0 before the first.
    pub stretch: u64,
    /// What it is called.
    pub what: String,
    /// How much there is to do, if that is known.
    pub total: Option<u64>,
    /// Whether the numbers are bytes.
    pub bytes: bool,
    /// How much was done.
    pub done: u64,
    /// What a person should know, in order.
    pub notes: Vec<String>,
}

impl Progress {
    /// Shows what is new since `before`.
    pub fn show(&self, before: &Self, report: &dyn Report) {
        for note in self.notes.iter().skip(before.notes.len()) {
            report.note(note);
        }
        let mut done = before.done;
        if self.stretch != before.stretch {
            let unit = if self.bytes { Unit::Bytes } else { Unit::Items };
            report.begin(&self.what, self.total, unit);
            done = 0;
        }
        report.advance(self.done.saturating_sub(done));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_the_same_on_the_other_side() {
        let cause = Failure::new("because").because(Failure::new("deeper"));
        let failure = Failure::of(FailureKind::NotFound, "no")
            .because(cause)
            .hint("do");
        let (status, body) = (status_of(&failure), body_of(&failure));
        let read = failure_of(status, &body);
        assert_eq!(read.to_string(), "no");
        assert_eq!(read.kind(), FailureKind::NotFound);
        assert_eq!(read.causes(), ["because", "deeper"]);
        assert_eq!(read.next_step(), Some("do"));
        assert!(failure_of(502, b"gone").to_string().contains("502"));
    }

    #[test]
    fn a_form_is_known_by_its_media_type() {
        for form in [Form::Text, Form::Json] {
            assert_eq!(Form::of(Some(form.media())), Some(form));
        }
        assert_eq!(Form::of(Some("application/json")), None);
        assert_eq!(Form::of(None), None);
    }
}
