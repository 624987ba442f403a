//! Server-sent events, as HTML's specification has them: `event:` and `data:` lines, and an empty one.

/// One event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is: one word.
    pub name: String,
    /// What it says: usually one line of JSON. Line ends of any kind arrive as `\n`.
    pub data: String,
}

/// A comment, which keeps a stream alive and shows a reader that has gone.
pub(super) const KEEP_ALIVE: &str = ":\n\n";

impl Event {
    /// As bytes of the stream.
    pub(super) fn encode(&self) -> String {
        let mut text = String::with_capacity(self.name.len() + self.data.len() + 16);
        text.push_str("event:");
        text.extend(self.name.chars().filter(|c| !c.is_control()));
        for line in self.data.replace("\r\n", "\n").split(['\n', '\r']) {
            text.push_str("\ndata:");
            // A reader takes one space away.
            if line.starts_with(' ') {
                text.push(' ');
            }
            text.push_str(line);
        }
        text.push_str("\n\n");
        text
    }
}

/// Makes events of a stream's bytes, however these are cut.
#[derive(Default)]
pub(super) struct Decoder {
    line: Vec<u8>,
    name: String,
    data: Option<String>,
}

impl Decoder {
    /// Takes the next bytes, and gives the events that they complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(&line);
            events.extend(self.line(line.strip_suffix('\r').unwrap_or(&line)));
        }
        events
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            let data = self.data.take()?;
            return Some(Event { name, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match (field, &mut self.data) {
            ("event", _) => value.clone_into(&mut self.name),
            ("data", Some(data)) => {
                data.push('\n');
                data.push_str(value);
            }
            ("data", none) => *none = Some(value.to_owned()),
            // Comments, and fields that we do not send.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> Event {
        Event {
            name: name.to_owned(),
            data: data.to_owned(),
        }
    }

    #[test]
    fn what_is_sent_arrives_however_it_is_cut() {
        let events = [
            event("progress", r#"{"done":1}"#),
            event("", ""),
            event("text", " one\n\n  three\n:four\ndata:five\n"),
            event("grüße", "日本"),
        ];
        let mut bytes = Vec::new();
        for event in &events {
            bytes.extend(event.encode().bytes());
            bytes.extend(KEEP_ALIVE.bytes());
        }
        for size in 1..bytes.len() {
            let mut decoder = Decoder::default();
            let cut = bytes.chunks(size);
            let found: Vec<_> = cut.flat_map(|chunk| decoder.push(chunk)).collect();
            assert_eq!(found, events, "in pieces of {size} bytes");
        }
    }

    #[test]
    fn an_event_cannot_smuggle_in_another() {
        let bytes = event("a\n\nevent:b", "1\r\rdata:2\r\n\r\nevent:c").encode();
        let found = Decoder::default().push(bytes.as_bytes());
        assert_eq!(found, [event("aevent:b", "1\n\ndata:2\n\nevent:c")]);
    }

    #[test]
    fn other_writers_are_understood() {
        let found =
            Decoder::default().push(b"id: 7\r\nevent: x\r\ndata: y\r\ndata\r\n\r\ndata:z\n\n");
        assert_eq!(found, [event("x", "y\n"), event("", "z")]);
    }
}
