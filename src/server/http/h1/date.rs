//! The date of responses (RFC 9110, section 6.6.1), written once per second and thread.

use std::cell::Cell;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::time::Instant;

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
type Text = [u8; 29];

const EPOCH: &Text = b"Thu, 01 Jan 1970 00:00:00 GMT";

thread_local! {
    static CACHED: Cell<Option<(Instant, Text)>> = const { Cell::new(None) };
}

/// Appends the date of now.
pub(super) fn append(out: &mut Vec<u8>) {
    let now = Instant::now();
    let text = match CACHED.get() {
        Some((until, text)) if now < until => text,
        _ => {
            let time = Timestamp::now();
            let written = DateTimePrinter::new().timestamp_to_rfc9110_string(&time).unwrap_or_default();
            let text = written.as_bytes().try_into().unwrap_or(*EPOCH);
            let left = 1_000_000_000_u32.saturating_sub(time.subsec_nanosecond().unsigned_abs());
            CACHED.set(Some((now + Duration::from_nanos(left.into()), text)));
            text
        }
    };
    out.extend_from_slice(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_now() {
        let mut out = Vec::new();
        append(&mut out);
        let ago = |seconds| Timestamp::from_second(Timestamp::now().as_second() - seconds).unwrap();
        let text = |seconds| DateTimePrinter::new().timestamp_to_rfc9110_string(&ago(seconds)).unwrap();
        let near: Vec<String> = (0..3).map(text).collect();
        assert!(near.contains(&String::from_utf8(out).unwrap()));
    }
}
