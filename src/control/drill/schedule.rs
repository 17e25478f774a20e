//! When a drill that waits for a window begins. Pure.

use std::time::Duration;

use crate::model::{DrillWindow, Utc, Window};

/// Where less is left of its window, and less than it wants, a drill does not begin any more.
const SHORTEST: Duration = Duration::from_secs(10);

/// What to do about a drill that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Its window is not open yet.
    Later,
    /// Begin it, for so long.
    Now(Duration),
    /// Too little is left of its window.
    Missed,
}

/// What to do about a drill that wants to last so long within a window.
pub(super) fn due(window: &DrillWindow, lasts: Duration, now: Utc) -> Due {
    if now < window.opens {
        return Due::Later;
    }
    let left = window.closes.since(now);
    if left >= lasts || left >= SHORTEST { Due::Now(lasts.min(left)) } else { Due::Missed }
}

/// The window that is open now.
pub(super) fn open(windows: &[Window], now: Utc) -> Option<DrillWindow> {
    windows.iter().find_map(|window| Some(occasion(window, window.opened(now)?)))
}

/// The next opening of a window: the one that is open now, if it is.
pub(super) fn next(window: &Window, now: Utc) -> DrillWindow {
    occasion(window, window.opened(now).unwrap_or_else(|| window.opens(now)))
}

fn occasion(window: &Window, opens: Utc) -> DrillWindow {
    DrillWindow { text: window.to_string(), opens, closes: opens + window.length() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> Utc {
        serde_json::from_str(&format!("\"{text}\"")).unwrap()
    }

    const TEN: Duration = Duration::from_secs(600);

    #[test]
    fn a_drill_begins_within_its_window_and_is_over_by_its_end() {
        let window = next(&"Wed 03:00-03:30".parse().unwrap(), utc("2026-11-22T12:00:00Z"));
        assert_eq!((window.opens, window.closes), (utc("2026-11-25T03:00:00Z"), utc("2026-11-25T03:30:00Z")));
        for (at, expected) in [
            ("2026-11-25T02:59:59Z", Due::Later),
            ("2026-11-25T03:00:00Z", Due::Now(TEN)),
            ("2026-11-25T03:25:00Z", Due::Now(TEN / 2)),
            ("2026-11-25T03:29:55Z", Due::Missed),
            ("2026-11-25T04:00:00Z", Due::Missed),
        ] {
            assert_eq!(due(&window, TEN, utc(at)), expected, "{at}");
        }
        assert_eq!(due(&window, Duration::from_secs(3), utc("2026-11-25T03:29:55Z")), Due::Now(Duration::from_secs(3)));
    }

    #[test]
    fn the_same_window_is_recognized_while_it_is_open() {
        let windows: Vec<Window> = ["Mon 01:00-02:00", "Wed 03:00-03:30"].map(|text| text.parse().unwrap()).into();
        let early = open(&windows, utc("2026-11-25T03:00:01Z"));
        assert_eq!(early, open(&windows, utc("2026-11-25T03:29:00Z")));
        assert_eq!(early.map(|window| window.opens), Some(utc("2026-11-25T03:00:00Z")));
        assert_eq!(open(&windows, utc("2026-11-25T03:30:00Z")), None);
    }
}
