//! Server-sent events out of bytes (WHATWG HTML, section 9.2.6), as far as botgate sends them: `event`, `data`, comments.

/// Most bytes of one event; a longer one is not botgate's.
const MAX_EVENT: usize = 1024 * 1024;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SseEvent {
    /// Its name; empty when it has none.
    pub(super) name: String,
    /// Its data, lines joined.
    pub(super) data: String,
}

/// An event that does not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Takes bytes as they come, gives events as they end.
#[derive(Debug, Default)]
pub(super) struct SseParser {
    line: Vec<u8>,
    event: SseEvent,
}

impl SseParser {
    /// The events that end within these bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<SseEvent>, TooLong> {
        let mut events = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + self.event.data.len() + part.len() > MAX_EVENT {
                return Err(TooLong);
            }
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
                events.extend(self.end_line(line.trim_end_matches(['\r', '\n'])));
            }
        }
        Ok(events)
    }

    fn end_line(&mut self, line: &str) -> Option<SseEvent> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return (!event.data.is_empty()).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "data" => {
                if !self.event.data.is_empty() {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // A comment has an empty field; what is unknown is left out, as the standard says.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_whole_however_the_bytes_are_cut() {
        let stream = "event: decision\r\ndata: {\"a\":1}\r\n\r\n: keep-alive\n\ndata: é\ndata:2\n\n".as_bytes();
        let event = |name: &str, data: &str| SseEvent { name: name.into(), data: data.into() };
        let expected = vec![event("decision", "{\"a\":1}"), event("", "é\n2")];
        for size in 1..=stream.len() {
            let mut parser = SseParser::default();
            let events: Vec<_> = stream.chunks(size).flat_map(|chunk| parser.push(chunk).unwrap()).collect();
            assert_eq!(events, expected, "{size}");
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut parser = SseParser::default();
        assert_eq!((0..2000).find_map(|_| parser.push(&[b'x'; 1024]).err()), Some(TooLong));
    }
}
