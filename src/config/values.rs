//! Durations, sizes, shares and statuses: text to value.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::findings::{Fault, fault};
use super::raw_values::{RawShare, RawSize, RawStatus, RawStatusItem};
use super::types_pool::StatusSet;
use crate::model::Window;

const DURATION_HINT: &str = "a number and a unit of ms, s, m, h, d: \"250ms\", \"2s\", \"1h30m\"";
const WINDOW_HINT: &str =
    "days and hours in UTC: \"Sat 02:00-04:00\", \"Mon-Fri 22:00-04:00\", or \"02:00-04:00\" for every day";
const SIZE_HINT: &str = "a number of bytes, or a number and a unit of B, KiB, MiB, GiB: \"256KiB\"";
const SHARE_HINT: &str = "a percentage from 0% to 100%, or a number from 0 to 1";
const STATUS_HINT: &str = "a status from 100 to 599, or a range: 503, \"200-299\", \"200-299,304\"";

/// Longest span a config may name: 10 years. Beyond it, sums of moments could overflow.
pub(super) const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// `250ms`, `2s`, `1h30m`: numbers with units, in any order, each unit at most once by custom but not by force.
pub(super) fn duration(text: &str) -> Result<Duration, Fault> {
    let wrong = || fault(format!("{text:?} is no duration"), DURATION_HINT);
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    if rest.bytes().all(|b| b.is_ascii_digit()) {
        return Err(fault(format!("{text:?} has no unit"), DURATION_HINT));
    }
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let scale = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        total = number.checked_mul(scale).and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
        rest = after.trim_start();
    }
    let span = Duration::from_millis(total);
    if span > LONGEST { Err(fault(format!("{text:?} is too long"), "at most ten years")) } else { Ok(span) }
}

/// A span written as in the config: `250ms`, `2h`, `1h30m`. For the command line and the admin API, which read no config.
///
/// # Errors
/// What is wrong with it, and how it is written.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    duration(text).map_err(|fault| match fault.hint {
        Some(hint) => format!("{}; write {hint}", fault.message),
        None => fault.message,
    })
}

/// A span as a config would write it: `10m`, `1h30m`.
pub(super) fn brief(span: Duration) -> String {
    let mut rest = span.as_millis();
    let mut text = String::new();
    for (unit, scale) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if rest >= scale {
            text += &format!("{}{unit}", rest / scale);
            rest %= scale;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// `Sat 02:00-04:00`, `Mon-Fri 22:00-04:00`, `02:00-04:00`: in UTC, and again each week.
pub(super) fn window(text: &str) -> Result<Window, Fault> {
    text.parse().map_err(|_| fault(format!("{text:?} is no window"), WINDOW_HINT))
}

/// `256KiB`, `1MiB`, `4096`. `kB` and `MB` are powers of ten.
pub(super) fn size(raw: &RawSize) -> Result<u64, Fault> {
    let text = match raw {
        RawSize::Bytes(bytes) => return Ok(*bytes),
        RawSize::Text(text) => text.trim(),
    };
    let wrong = || fault(format!("{text:?} is no size"), SIZE_HINT);
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return Err(wrong()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(scale)).ok_or_else(wrong)
}

/// `20%` or `0.2`.
pub(super) fn share(raw: &RawShare) -> Result<f64, Fault> {
    let (number, shown) = match raw {
        RawShare::Number(number) => (Some(*number), number.to_string()),
        RawShare::Text(text) => {
            let percent = text.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
            (percent.map(|percent| percent / 100.0), format!("{text:?}"))
        }
    };
    let number = number.filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| fault(format!("{shown} is no share"), SHARE_HINT))
}

/// `503`, `"200-299"`, `"200-299,304"`, `[502, "503-504"]`.
pub(super) fn statuses(raw: &RawStatus) -> Result<StatusSet, Fault> {
    let mut ranges = Vec::new();
    match raw {
        RawStatus::One(number) => ranges.push(one_status(&number.to_string())?),
        RawStatus::Text(text) => ranges.extend(status_list(text)?),
        RawStatus::Many(items) => {
            for item in items {
                match item {
                    RawStatusItem::One(number) => ranges.push(one_status(&number.to_string())?),
                    RawStatusItem::Text(text) => ranges.extend(status_list(text)?),
                }
            }
        }
    }
    Ok(StatusSet(merged(ranges)))
}

/// In order, without overlaps: two ways to write a set are one config.
fn merged(mut ranges: Vec<RangeInclusive<u16>>) -> Vec<RangeInclusive<u16>> {
    ranges.sort_by_key(|range| *range.start());
    let mut all: Vec<RangeInclusive<u16>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match all.last_mut() {
            Some(last) if *range.start() <= last.end() + 1 => *last = *last.start()..=*range.end().max(last.end()),
            _ => all.push(range),
        }
    }
    all
}

fn status_list(text: &str) -> Result<Vec<RangeInclusive<u16>>, Fault> {
    text.split(',').map(one_status).collect()
}

fn one_status(text: &str) -> Result<RangeInclusive<u16>, Fault> {
    let text = text.trim();
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.trim().parse::<u16>().ok().filter(|number| (100..600).contains(number));
    match (number(low), number(high)) {
        (Some(low), Some(high)) if low <= high => Ok(low..=high),
        (Some(_), Some(_)) => Err(fault(format!("{text:?} runs backwards"), STATUS_HINT)),
        _ => Err(fault(format!("{text:?} is no status"), STATUS_HINT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        for (text, millis) in [("250ms", 250), ("2s", 2_000), ("1h30m", 5_400_000), ("1h 30m", 5_400_000), ("0s", 0)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "s", "2 parsecs", "-1s", "1.5s", "1s2", "99999999999999999999s", "20000d", "1h٣m"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_that_is_none_says_how_to_write_one() {
        assert_eq!(parse_duration("2h"), Ok(Duration::from_secs(7200)));
        let told = parse_duration("soon").unwrap_err();
        assert!(told.starts_with("\"soon\" is no duration; write a number and a unit"), "{told}");
    }

    #[test]
    fn a_span_is_shown_as_it_would_be_written() {
        for text in ["0s", "250ms", "10m", "1h30m", "400d", "1d1h1m1s1ms"] {
            assert_eq!(duration(text).map(brief).as_deref(), Ok(text));
        }
        assert_eq!(brief(Duration::from_secs(90)), "1m30s");
    }

    #[test]
    fn windows_are_days_and_hours() {
        for text in ["Sat 02:00-04:00", "mon-fri 22:00-04:00 UTC", "02:00-04:00"] {
            assert!(window(text).is_ok(), "{text}");
        }
        for text in ["", "Saturday 02:00-04:00", "Sat 2-4", "Sat 02:00-04:00 CET"] {
            assert_eq!(window(text).map_err(|fault| fault.message), Err(format!("{text:?} is no window")));
        }
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        let text = |text: &str| size(&RawSize::Text(text.into())).ok();
        assert_eq!(text("256KiB"), Some(262_144));
        assert_eq!(text("1 MiB"), Some(1_048_576));
        assert_eq!(text("1MB"), Some(1_000_000));
        assert_eq!(text("17"), Some(17));
        for bad in ["", "KiB", "1XiB", "-1", "1.5MiB", "99999999999GiB"] {
            assert_eq!(text(bad), None, "{bad}");
        }
    }

    #[test]
    fn statuses_are_numbers_ranges_and_lists() {
        let text = |text: &str| statuses(&RawStatus::Text(text.into())).map(|set| set.0).ok();
        assert_eq!(text("304, 200-299"), Some(vec![200..=299, 304..=304]));
        assert_eq!(text("502,504,500-503,501"), Some(vec![500..=504]));
        for bad in ["", "20", "600", "299-200", "abc", "200-"] {
            assert_eq!(text(bad), None, "{bad}");
        }
    }

    #[test]
    fn shares_are_percentages_or_fractions() {
        assert_eq!(share(&RawShare::Text("20%".into())).ok(), Some(0.2));
        assert_eq!(share(&RawShare::Number(0.5)).ok(), Some(0.5));
        for bad in ["20", "120%", "-1%", "NaN%"] {
            assert!(share(&RawShare::Text(bad.into())).is_err(), "{bad}");
        }
    }
}
