//! How much a client may send ahead of what its backends take.
//!
//! A window bounds the throughput of an upload to its size per round trip, and the memory that a client can have filled. It
//! is small at first, and grows while a client shows that it sends a window full within one round trip. What connections have
//! beyond their first windows comes from one budget of their worker, and goes back to it when they end.

use std::cell::Cell;

/// Of one stream and of the connection, at first.
///
/// The library lets half of the latter be the overhead of small DATA frames that nobody has read yet, 256 octets less the
/// data each, and ends the connection past that: enough for one request that is full of messages of 32 octets.
pub(super) const FIRST: Size = Size { stream: 256 * 1024, connection: 4 * 1024 * 1024 };

/// What a stream's window may grow to: 1 Gbit/s over a round trip of 80 ms is 10 MB.
const MOST: u32 = 16 * 1024 * 1024;

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
    /// Never smaller, so that one request whose backend takes nothing does not keep the others from their windows.
    pub(super) connection: u32,
}

impl Size {
    /// The next larger size.
    const fn next(self) -> Option<Self> {
        if self.stream >= MOST {
            return None;
        }
        let stream = self.stream * 2;
        let beside = stream + stream / 2;
        let connection = if beside > self.connection { beside } else { self.connection };
        Some(Self { stream, connection })
    }

    const fn beyond_first(self) -> u64 {
        (self.connection - FIRST.connection) as u64
    }
}

/// The windows of one connection.
#[derive(Debug)]
pub(super) struct Windows {
    size: Size,
    /// Octets of the budget that it has, until it ends: what a client was once allowed to send cannot be taken back.
    granted: u64,
}

impl Windows {
    pub(super) const fn new() -> Self {
        Self { size: FIRST, granted: 0 }
    }

    /// Octets after which a round trip is measured: early in a burst that fills a window, or the most of it is missed.
    pub(super) const fn worth_measuring(&self) -> u32 {
        self.size.stream / 8
    }

    /// Whether a connection that received so many octets within one round trip may be held up by its windows.
    pub(super) const fn are_filled_by(&self, octets: u32) -> bool {
        octets as u64 * 3 >= self.size.stream as u64 * 2
    }

    /// The next larger size, where the budget of the worker has room for it.
    pub(super) fn grow(&mut self) -> Option<Size> {
        let next = self.size.next()?;
        let wanted = next.beyond_first().saturating_sub(self.granted);
        if GRANTED.get() + wanted > BUDGET {
            return None;
        }
        GRANTED.set(GRANTED.get() + wanted);
        self.granted += wanted;
        self.size = next;
        Some(next)
    }

    /// Back to the first size, once the client has used up what it was allowed; none when that is what it is.
    pub(super) fn shrink(&mut self) -> Option<Size> {
        if self.size == FIRST {
            return None;
        }
        self.size = FIRST;
        Some(FIRST)
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

    fn grown() -> Windows {
        let mut windows = Windows::new();
        while windows.grow().is_some() {}
        windows
    }

    #[test]
    fn they_grow_to_what_a_long_fat_network_needs_and_no_further() {
        let windows = grown();
        assert_eq!(windows.size, Size { stream: MOST, connection: MOST / 2 * 3 });
        assert!(windows.are_filled_by(MOST) && !windows.are_filled_by(MOST / 2));
    }

    #[test]
    fn the_budget_of_a_worker_bounds_them_all_and_has_back_what_ends() {
        let all: Vec<Windows> = (0..100).map(|_| grown()).collect();
        assert!(GRANTED.get() <= BUDGET);
        assert!(all.last().is_some_and(|last| last.size.connection == FIRST.connection), "nothing was left");
        drop(all);
        assert_eq!(GRANTED.get(), 0);
        let mut one = grown();
        let all = one.size.beyond_first();
        assert_eq!((one.shrink(), one.shrink(), GRANTED.get()), (Some(FIRST), None, all), "it may still be sent");
        while one.grow().is_some() {}
        assert_eq!(GRANTED.get(), all, "asked for once");
        drop(one);
        assert_eq!(GRANTED.get(), 0);
    }
}
