//! A value that was taken of an answer, and what it can be read as.

use std::fmt;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde_json::Value;

use crate::config::Against;
use crate::model::Utc;

/// Most characters of a value that a sentence shows.
const SHOWN: usize = 80;

/// What was taken of an answer: text as a JSON string, or the JSON value that stood at a pointer.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample(pub Value);

impl Sample {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self(Value::String(text.into()))
    }

    /// As a number, written as one or as text.
    pub(super) fn number(&self) -> Result<f64, String> {
        let number = match &self.0 {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.filter(|number| number.is_finite()).ok_or_else(|| format!("{self} is no number"))
    }

    /// As a time; none where there is none: an empty text, a null, an empty array, the year 1 of .NET. Of several times the
    /// newest counts against another's (it is the last publication), and the oldest against now (a copy is as complete as
    /// its last part).
    pub(super) fn time(&self, against: Against) -> Result<Option<Utc>, String> {
        let Value::Array(all) = &self.0 else { return self.one_time(&self.0) };
        let times = all.iter().map(|one| self.one_time(one)).collect::<Result<Vec<_>, _>>()?;
        Ok(match against {
            Against::Active => times.into_iter().flatten().max(),
            Against::Now => times.into_iter().collect::<Option<Vec<_>>>().and_then(|times| times.into_iter().min()),
        })
    }

    fn one_time(&self, value: &Value) -> Result<Option<Utc>, String> {
        let text = match value {
            Value::Null => return Ok(None),
            Value::String(text) => text.trim(),
            _ => return Err(format!("{self} is no time")),
        };
        if text.is_empty() {
            return Ok(None);
        }
        let time = instant(text).ok_or_else(|| format!("{text:?} is no time of RFC 3339 or RFC 1123"))?;
        // Nothing was published before this: such a time is a field that was never set.
        Ok(Some(Utc::from(time)).filter(|time| time.millis() > 0))
    }

    /// Whether two values are the same: arrays as sets, a number and its text alike.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Value::Array(_), Value::Array(_)) => self.members() == other.members(),
            (a, b) => a == b || plain(a) == plain(b),
        }
    }

    /// The elements of an array, as text, without order and repetition; of anything else, itself.
    pub(super) fn members(&self) -> std::collections::BTreeSet<String> {
        match &self.0 {
            Value::Array(all) => all.iter().map(plain).collect(),
            one => [plain(one)].into(),
        }
    }

    /// Whether this text stands in it.
    pub(super) fn holds(&self, text: &str) -> bool {
        plain(&self.0).contains(text)
            || matches!(&self.0, Value::Array(all) if all.iter().any(|one| plain(one).contains(text)))
    }
}

/// As a sentence shows it, shortened.
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Value::String(text) => write!(f, "{:?}", shortened(text)),
            other => f.write_str(&shortened(&other.to_string())),
        }
    }
}

/// The beginning of a text that is too long to be shown.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    }
}

/// RFC 3339 (without an offset: UTC, as some services write it), or the RFC 1123 of HTTP.
fn instant(text: &str) -> Option<Timestamp> {
    let utc = || {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    };
    let http = || rfc2822::DateTimeParser::new().parse_timestamp(text).ok();
    text.parse().ok().or_else(http).or_else(utc)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn time(value: Value, against: Against) -> Result<Option<String>, String> {
        Sample(value).time(against).map(|time| time.map(|time| time.to_string()))
    }

    #[test]
    fn times_are_read_as_services_write_them() {
        for (text, expected) in [
            ("2021-10-01T10:11:12Z", "2021-10-01T10:11:12Z"),
            ("2021-10-01T12:11:12+02:00", "2021-10-01T10:11:12Z"),
            ("2021-10-01T10:11:12.1234567Z", "2021-10-01T10:11:12.123Z"),
            ("2021-10-01T10:11:12", "2021-10-01T10:11:12Z"),
            ("Fri, 01 Oct 2021 10:11:12 GMT", "2021-10-01T10:11:12Z"),
            ("  Fri, 01 Oct 2021 10:11:12 GMT\n", "2021-10-01T10:11:12Z"),
        ] {
            assert_eq!(time(json!(text), Against::Active), Ok(Some(expected.into())), "{text}");
        }
        for none in [json!(null), json!(""), json!(" "), json!([]), json!("0001-01-01T00:00:00")] {
            assert_eq!(time(none, Against::Active), Ok(None));
        }
        for bad in [json!("yesterday"), json!(5), json!({}), json!(["2021-10-01T10:11:12Z", "x"]), json!(true)] {
            assert!(time(bad.clone(), Against::Active).is_err(), "{bad}");
        }
    }

    #[test]
    fn of_several_times_the_newest_was_published_last_and_the_oldest_is_complete() {
        let (old, new) = ("2021-10-01T00:00:00Z", "2021-10-02T00:00:00Z");
        assert_eq!(time(json!([old, new, null]), Against::Active), Ok(Some(new.into())));
        assert_eq!(time(json!([new, old]), Against::Now), Ok(Some(old.into())));
        assert_eq!(time(json!([new, ""]), Against::Now), Ok(None), "a part that was never copied");
    }

    #[test]
    fn values_are_the_same_whatever_their_order_and_writing() {
        let same = |a: Value, b: Value| Sample(a).same(&Sample(b));
        assert!(same(json!(["a", "b"]), json!(["b", "a", "b"])));
        assert!(same(json!([{"x": 1, "y": 2}]), json!([{"y": 2, "x": 1}])));
        assert!(same(json!("12"), json!(12)));
        assert!(!same(json!(["a"]), json!(["a", "b"])));
        assert!(!same(json!(["a"]), json!("a b")));
        assert!(!same(json!(null), json!("")));
    }
}
