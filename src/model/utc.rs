//! Wall-clock time as a value.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Moment;

/// A point of wall-clock time, to the millisecond; written as RFC 3339 in UTC.
///
/// For what people read, for windows, and for what must survive a restart. Spans are measured between [`Moment`]s, which
/// no clock that jumps can move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "jiff::Timestamp", into = "jiff::Timestamp")]
#[schema(value_type = String, format = DateTime)]
pub struct Utc(i64);

impl Utc {
    /// The time it is. Not for pure code: there it is given.
    pub fn now() -> Self {
        jiff::Timestamp::now().into()
    }

    /// So many milliseconds after 1970 began.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970 began.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Time from `earlier` to this; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).try_into().unwrap_or(0))
    }

    /// For a reader at `beside`: to the second, and without the date on the same day: `12:03:20Z`, or
    /// `2026-11-28 02:00:00Z`.
    pub fn clock(self, beside: Self) -> String {
        const DAY: i64 = 86_400_000;
        let whole = Self(self.0.div_euclid(1000) * 1000).to_string();
        match whole.split_once('T') {
            Some((_, time)) if self.0.div_euclid(DAY) == beside.0.div_euclid(DAY) => time.to_owned(),
            Some((date, time)) => format!("{date} {time}"),
            None => whole,
        }
    }

    /// So much earlier.
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(by.as_millis().try_into().unwrap_or(i64::MAX)))
    }
}

impl Add<Duration> for Utc {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by.as_millis().try_into().unwrap_or(i64::MAX)))
    }
}

impl From<jiff::Timestamp> for Utc {
    fn from(at: jiff::Timestamp) -> Self {
        Self(at.as_millisecond())
    }
}

impl From<Utc> for jiff::Timestamp {
    fn from(Utc(millis): Utc) -> Self {
        // Out of the calendar: as far as it goes.
        Self::from_millisecond(millis).unwrap_or(if millis < 0 { Self::MIN } else { Self::MAX })
    }
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", jiff::Timestamp::from(*self))
    }
}

/// The moment it is, on both clocks: spans by the one, windows and dates by the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// On the monotonic clock.
    pub at: Moment,
    /// On the wall clock.
    pub utc: Utc,
}

impl Now {
    /// The moment at which the wall clock will show `utc`, if it does not jump; now when it is past.
    pub fn moment_of(self, utc: Utc) -> Moment {
        self.at + utc.since(self.utc)
    }

    /// What the wall clock showed, or will show, at `moment`, if it did not jump.
    pub fn utc_of(self, moment: Moment) -> Utc {
        if moment >= self.at { self.utc + moment.since(self.at) } else { self.utc.before(self.at.since(moment)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_rfc_3339_and_read_back() {
        let at = Utc::from_millis(1_795_324_786_250);
        let text = serde_json::to_string(&at).unwrap();
        assert_eq!(text, "\"2026-11-22T05:19:46.25Z\"");
        assert_eq!(serde_json::from_str::<Utc>(&text).unwrap(), at);
    }

    #[test]
    fn a_time_of_the_same_day_is_read_without_its_date() {
        let at = Utc::from_millis(1_795_324_786_250);
        assert_eq!(at.clock(at + Duration::from_secs(3600)), "05:19:46Z");
        assert_eq!(at.clock(at + Duration::from_secs(86_400)), "2026-11-22 05:19:46Z");
    }

    #[test]
    fn both_clocks_are_read_against_each_other() {
        let second = Duration::from_secs(1);
        let now = Now { at: Moment::ZERO + second * 10, utc: Utc::from_millis(1_000_000) };
        assert_eq!(now.moment_of(now.utc + second), now.at + second);
        assert_eq!(now.moment_of(now.utc.before(second)), now.at, "what is past is now");
        assert_eq!(now.utc_of(now.at + second), now.utc + second);
        assert_eq!(now.utc_of(Moment::ZERO), now.utc.before(second * 10));
    }
}
