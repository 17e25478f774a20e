//! How much a backend may send ahead over HTTP/2 of what its clients take.
//!
//! A window bounds a response to its size per round trip. It is set when a connection begins, by the round trip that the
//! handshake has shown: what is near never needs more than the first size. What connections have beyond that comes from one
//! budget of their worker, and goes back to it when they end.
//!
//! They do not grow with what comes, as those of clients do: the library would make the window of one request that of the
//! whole connection, and one client that does not read would keep all others of its connection waiting.

use std::cell::Cell;
use std::time::Duration;

/// Octets per request and per connection, of a backend that is near.
///
/// The library lets half of the latter be the overhead of small DATA frames that wait, 256 octets less the data each, and
/// ends the connection past that, with every request on it: enough for two responses full of events of 32 octets.
const FIRST: Size = Size { stream: 512 * 1024, connection: 16 * 1024 * 1024 };

/// What one response of a far backend is to be sent as fast as, in octets per millisecond.
const PACE: u32 = 100_000;

/// What the window of a request may be: over 50 ms, that is 80 MB/s.
const MOST: u32 = 4 * 1024 * 1024;

/// So many requests whose clients do not read leave the others of their connection room.
const BESIDE: u32 = 8;

/// What the connections of one worker may have together beyond their first windows.
const BUDGET: u64 = 128 * 1024 * 1024;

thread_local! {
    /// A worker is a thread.
    static GRANTED: Cell<u64> = const { Cell::new(0) };
}

/// Sizes in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) stream: u32,
    pub(super) connection: u32,
}

impl Size {
    fn over(round_trip: Duration) -> Self {
        let milliseconds = u32::try_from(round_trip.as_millis()).unwrap_or(u32::MAX);
        let stream = PACE.saturating_mul(milliseconds).clamp(FIRST.stream, MOST);
        Self { stream, connection: FIRST.connection.max(stream * BESIDE) }
    }
}

/// The windows of one connection, for as long as it lives.
#[derive(Debug)]
pub(super) struct Windows {
    pub(super) size: Size,
    granted: u64,
}

impl Windows {
    /// Of a connection to whoever is so far away, where the budget has room for it.
    pub(super) fn over(round_trip: Duration) -> Self {
        let size = Size::over(round_trip);
        let granted = u64::from(size.connection - FIRST.connection);
        if size == FIRST || GRANTED.get() + granted > BUDGET {
            return Self { size: FIRST, granted: 0 };
        }
        GRANTED.set(GRANTED.get() + granted);
        Self { size, granted }
    }
}

impl Drop for Windows {
    fn drop(&mut self) {
        GRANTED.set(GRANTED.get().saturating_sub(self.granted));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(milliseconds: u64) -> Windows {
        Windows::over(Duration::from_millis(milliseconds))
    }

    #[test]
    fn what_is_near_has_the_first_windows_and_what_is_far_has_what_the_wire_holds() {
        assert_eq!((over(0).size, over(5).size), (FIRST, FIRST));
        assert_eq!(over(20).size, Size { stream: 2_000_000, connection: 16_777_216 });
        assert_eq!(over(50).size, Size { stream: MOST, connection: 8 * MOST });
        assert_eq!(over(u64::MAX).size, over(50).size);
    }

    #[test]
    fn the_budget_of_a_worker_bounds_them_all_and_has_back_what_ends() {
        let all: Vec<Windows> = (0..100).map(|_| over(50)).collect();
        assert!(GRANTED.get() <= BUDGET && GRANTED.get() > BUDGET / 2);
        assert!(all.last().is_some_and(|last| last.size == FIRST), "nothing was left");
        drop(all);
        assert_eq!((GRANTED.get(), over(50).size.stream), (0, MOST));
    }
}
