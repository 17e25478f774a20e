//! Weekly windows in UTC.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Utc;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60;
const WEEK: i64 = 7 * DAY;
/// 1970 began on a Thursday.
const EPOCH_DAY: i64 = 3;

/// A span of time that comes again each week: `Sat 02:00-04:00`, `Mon-Fri 22:00-04:00`, `02:00-04:00`. UTC.
///
/// One that ends at or before its beginning goes on into the next day; the days are those on which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Bit 0 is Monday.
    days: u8,
    /// Minutes after midnight, 0 to 1439.
    from: u16,
    /// Minutes, 1 to 1440.
    lasts: u16,
}

/// A text that is no window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no window: write \"Sat 02:00-04:00\", \"Mon-Fri 22:00-04:00\", or \"02:00-04:00\" for every day; UTC"
)]
pub struct NoWindow(pub String);

impl Window {
    /// Whether `at` lies in it; its end does not.
    pub fn contains(&self, at: Utc) -> bool {
        self.opened(at).is_some()
    }

    /// How long one lasts.
    pub fn length(&self) -> Duration {
        Duration::from_secs(u64::from(self.lasts) * 60)
    }

    /// When it opens next: `at` itself while it is open.
    pub fn opens(&self, at: Utc) -> Utc {
        if self.contains(at) {
            return at;
        }
        let (week, minute) = split(at);
        let next = self.starts().map(|start| if start > minute { start } else { start + WEEK }).min();
        Utc::from_millis((week + next.unwrap_or(WEEK)) * MINUTE)
    }

    /// When it closes, if it is open at `at`.
    pub fn closes(&self, at: Utc) -> Option<Utc> {
        self.opened(at).map(|opened| opened + self.length())
    }

    /// When it opened, if it is open at `at`.
    pub fn opened(&self, at: Utc) -> Option<Utc> {
        let (week, minute) = split(at);
        let lasts = i64::from(self.lasts);
        let within = |start: &i64| (*start..start + lasts).contains(&minute);
        // One that began at the end of last week may still be open.
        let start = self.starts().flat_map(|start| [start, start - WEEK]).filter(within).max()?;
        Some(Utc::from_millis((week + start) * MINUTE))
    }

    /// The minutes of a week at which it opens.
    fn starts(&self) -> impl Iterator<Item = i64> + '_ {
        (0..7).filter(|day| self.days & (1 << day) != 0).map(|day| day * DAY + i64::from(self.from))
    }
}

/// The minute at which the week of `at` began, and the minutes since then.
fn split(at: Utc) -> (i64, i64) {
    let minutes = at.millis().div_euclid(MINUTE);
    let minute = (minutes + EPOCH_DAY * DAY).rem_euclid(WEEK);
    (minutes - minute, minute)
}

fn day(text: &str) -> Option<u8> {
    let at = DAYS.iter().position(|day| text.trim().eq_ignore_ascii_case(day))?;
    u8::try_from(at).ok()
}

fn days(text: &str) -> Option<u8> {
    let mut bits = 0;
    for part in text.split(',') {
        match part.split_once('-') {
            None => bits |= 1 << day(part)?,
            Some((first, last)) => {
                let (first, last) = (day(first)?, day(last)?);
                (0..7).map(|more| (first + more) % 7).take_while(|d| *d != last).for_each(|d| bits |= 1 << d);
                bits |= 1 << last;
            }
        }
    }
    Some(bits)
}

fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let number = |text: &str| text.parse::<u16>().ok().filter(|_| text.len() == 2 && !text.starts_with('+'));
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let whole = hours * 60 + minutes;
    (minutes < 60 && whole <= 24 * 60).then_some(whole)
}

fn window(text: &str) -> Option<Window> {
    let text = text.trim();
    let text = text.strip_suffix("UTC").unwrap_or(text).trim();
    let (when, hours) = text.rsplit_once(' ').map_or((None, text), |(days, hours)| (Some(days), hours));
    let days = when.map_or(Some(0x7f), days)?;
    let (from, to) = hours.split_once('-')?;
    let (from, to) = (minute(from).filter(|from| *from < 1440)?, minute(to)?);
    Some(Window { days, from, lasts: if to > from { to - from } else { to + 1440 - from } })
}

impl FromStr for Window {
    type Err = NoWindow;

    fn from_str(text: &str) -> Result<Self, NoWindow> {
        window(text).ok_or_else(|| NoWindow(text.to_owned()))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != 0x7f {
            let named = (0..7).filter(|day| self.days & (1 << day) != 0).map(|day| DAYS[day]);
            write!(f, "{} ", named.collect::<Vec<_>>().join(","))?;
        }
        let to = (self.from + self.lasts - 1) % 1440 + 1;
        write!(f, "{:02}:{:02}-{:02}:{:02} UTC", self.from / 60, self.from % 60, to / 60, to % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> Utc {
        serde_json::from_str(&format!("\"{text}\"")).unwrap()
    }

    #[test]
    fn a_window_knows_when_it_is_open() {
        // 2026-11-21 is a Saturday.
        let window: Window = "Sat 02:00-04:00".parse().unwrap();
        assert!(!window.contains(utc("2026-11-21T01:59:59Z")));
        assert!(window.contains(utc("2026-11-21T02:00:00Z")));
        assert_eq!(window.closes(utc("2026-11-21T03:59:59Z")), Some(utc("2026-11-21T04:00:00Z")));
        assert!(!window.contains(utc("2026-11-21T04:00:00Z")));
        assert_eq!(window.opens(utc("2026-11-21T04:00:00Z")), utc("2026-11-28T02:00:00Z"));
        assert_eq!(window.opens(utc("2026-11-16T00:00:00Z")), utc("2026-11-21T02:00:00Z"));
        assert_eq!(window.opens(utc("2026-11-21T03:00:00Z")), utc("2026-11-21T03:00:00Z"));
    }

    #[test]
    fn a_window_may_go_on_after_midnight_and_into_the_next_week() {
        let window: Window = "Sun 22:00-04:00".parse().unwrap();
        assert!(window.contains(utc("2026-11-22T23:00:00Z")));
        assert!(window.contains(utc("2026-11-23T03:59:00Z")), "a Monday");
        assert_eq!(window.opened(utc("2026-11-23T03:59:00Z")), Some(utc("2026-11-22T22:00:00Z")));
        assert!(!window.contains(utc("2026-11-24T03:59:00Z")));
    }

    #[test]
    fn windows_are_written_as_they_are_read() {
        for (text, written) in [
            ("Mon-Fri 22:00-04:00", "Mon,Tue,Wed,Thu,Fri 22:00-04:00 UTC"),
            ("sat,sun 00:00-24:00 UTC", "Sat,Sun 00:00-24:00 UTC"),
            ("02:00-04:00", "02:00-04:00 UTC"),
            ("Fri-Mon 02:00-02:00", "Mon,Fri,Sat,Sun 02:00-02:00 UTC"),
        ] {
            let window: Window = text.parse().unwrap();
            assert_eq!(window.to_string(), written);
            assert_eq!(window.to_string().parse(), Ok(window));
        }
        for text in ["", "Sat", "Sat 2-4", "Sat 02:00", "Sat 24:00-25:00", "Caturday 02:00-04:00", "02:00-04:60"] {
            assert!(text.parse::<Window>().is_err(), "{text}");
        }
    }
}
