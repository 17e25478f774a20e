//! A key's value, or its default.

use std::time::Duration;

use super::findings::Place;
use super::raw_values::{RawDuration, RawSize};
use super::values;

/// A span that may be zero.
pub(super) fn span(place: &Place<'_>, raw: Option<&RawDuration>, default: Duration) -> Duration {
    raw.and_then(|raw| place.take(values::duration(&raw.0))).unwrap_or(default)
}

/// A span that must not be zero.
pub(super) fn deadline(place: &Place<'_>, raw: Option<&RawDuration>, default: Duration) -> Duration {
    let span = span(place, raw, default);
    if span.is_zero() {
        place.error("zero would let nothing pass", format!("the default is {default:?}"));
        return default;
    }
    span
}

/// A size that must not be zero.
pub(super) fn size(place: &Place<'_>, raw: Option<&RawSize>, default: u64) -> u64 {
    match raw.and_then(|raw| place.take(values::size(raw))) {
        Some(0) => {
            place.error("zero would let nothing pass", format!("the default is {default} bytes"));
            default
        }
        size => size.unwrap_or(default),
    }
}

/// A number that the schema bounds far below what its type holds.
pub(super) fn number(raw: Option<u64>, default: u32) -> u32 {
    raw.map_or(default, |number| u32::try_from(number).unwrap_or(u32::MAX))
}
