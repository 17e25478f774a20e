//! The `Date` of responses that have none (RFC 9110, section 6.6.1), made once per second and thread.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

thread_local! {
    static LATEST: RefCell<Option<(u64, HeaderValue)>> = const { RefCell::new(None) };
}

/// The date of this second; none where the clock is out of range.
pub(super) fn now() -> Option<HeaderValue> {
    let second = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    LATEST.with_borrow_mut(|latest| {
        if latest.as_ref().is_none_or(|(of, _)| *of != second) {
            *latest = text(second).map(|text| (second, text));
        }
        latest.as_ref().map(|(_, text)| text.clone())
    })
}

fn text(second: u64) -> Option<HeaderValue> {
    let at = Timestamp::from_second(i64::try_from(second).ok()?).ok()?;
    HeaderValue::try_from(DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_as_http_writes_it() {
        assert_eq!(text(784_111_777).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert!(now().is_some());
    }
}
