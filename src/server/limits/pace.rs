//! Whether a client reads what it is sent.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::MinRate;

/// What has gone out through a client's socket. Shared by the socket and the connection's driver, on one thread: the atomics
/// are there because an upgraded socket may be sent, not because anyone contends.
#[derive(Debug, Default)]
pub(in crate::server) struct Outflow {
    written: AtomicU64,
    blocked: AtomicBool,
}

impl Outflow {
    /// The kernel took so many bytes.
    pub(in crate::server) fn took(&self, bytes: usize) {
        self.written.store(self.written.load(Relaxed).wrapping_add(bytes as u64), Relaxed);
        self.blocked.store(false, Relaxed);
    }

    /// The kernel has no room: the client does not read as fast as it is written to.
    pub(in crate::server) fn blocked(&self) {
        self.blocked.store(true, Relaxed);
    }

    /// Whether more is there for the client than the kernel takes.
    pub(in crate::server) fn is_blocked(&self) -> bool {
        self.blocked.load(Relaxed)
    }

    fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }
}

/// Measures, from look to look, whether a client that is behind reads too slowly or not at all.
#[derive(Debug)]
pub(in crate::server) struct Pace {
    rate: MinRate,
    /// Longest time in which no response may move at all, whatever the rate is.
    idle: Duration,
    /// Since when it is behind, and what had been written then.
    behind: Option<(Instant, u64)>,
    /// Since when no response has moved, and where they stood.
    stuck: Option<(Instant, u64)>,
}

impl Pace {
    pub(in crate::server) const fn new(rate: MinRate, idle: Duration) -> Self {
        Self { rate, idle, behind: None, stuck: None }
    }

    /// How soon a client that is behind is to be looked at again.
    pub(in crate::server) fn step(&self) -> Duration {
        let grace = if self.rate.bytes == 0 { self.idle } else { self.rate.grace.min(self.idle) };
        (grace / 4).max(Duration::from_millis(10))
    }

    /// Whether the client is too slow to be kept. `unread` is where the responses stand, when all of them wait for the client.
    pub(in crate::server) fn is_too_slow(&mut self, now: Instant, outflow: &Outflow, unread: Option<u64>) -> bool {
        let (blocked, written) = (outflow.is_blocked(), outflow.written());
        self.stuck = match (self.stuck, unread) {
            (_, None) => None,
            (Some((since, before)), Some(at)) if before == at => Some((since, at)),
            (_, Some(at)) => Some((now, at)),
        };
        if self.stuck.is_some_and(|(since, _)| now.duration_since(since) >= self.idle) {
            return true;
        }
        if !blocked && unread.is_none() {
            self.behind = None;
            return false;
        }
        let (since, before) = *self.behind.get_or_insert((now, written));
        let (waited, moved) = (now.duration_since(since), written.wrapping_sub(before));
        if self.rate.is_missed(moved, waited) {
            return true;
        }
        // What was read quickly before does not pay for being slow from now on.
        if waited > self.rate.grace {
            self.behind = Some((now, written));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn pace() -> Pace {
        Pace::new(MinRate { bytes: 1000, grace: 10 * S }, 60 * S)
    }

    /// How many seconds a client is kept that takes so many bytes each second, while more is there for it.
    async fn kept(mut pace: Pace, bytes: usize, unread: impl Fn(u64) -> Option<u64>) -> u64 {
        let outflow = Outflow::default();
        for second in 0..1000 {
            if bytes > 0 {
                outflow.took(bytes);
            }
            outflow.blocked();
            if pace.is_too_slow(Instant::now(), &outflow, unread(second)) {
                return second;
            }
            tokio::time::advance(S).await;
        }
        1000
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_below_the_rate_is_cut_after_the_grace() {
        assert_eq!(kept(pace(), 0, |_| None).await, 11);
        assert_eq!(kept(pace(), 900, |_| None).await, 11);
        assert_eq!(kept(pace(), 1100, |_| None).await, 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_only_one_that_takes_nothing_for_the_idle_time_is_cut() {
        let none = || Pace::new(MinRate::NONE, 60 * S);
        assert_eq!(kept(none(), 1, |_| Some(7)).await, 60);
        assert_eq!(kept(none(), 1, Some).await, 1000);
        assert_eq!(
            kept(none(), 0, |_| None).await,
            1000,
            "a response that waits for its backend is not the client's to read"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_catches_up_begins_anew() {
        let (mut pace, outflow) = (pace(), Outflow::default());
        for _ in 0..10 {
            outflow.blocked();
            assert!(!pace.is_too_slow(Instant::now(), &outflow, None));
            tokio::time::advance(9 * S).await;
            outflow.took(1);
            assert!(!pace.is_too_slow(Instant::now(), &outflow, None));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn streams_that_wait_for_their_windows_are_behind_too() {
        let (mut pace, outflow) = (pace(), Outflow::default());
        assert!(!pace.is_too_slow(Instant::now(), &outflow, Some(1)));
        tokio::time::advance(11 * S).await;
        assert!(pace.is_too_slow(Instant::now(), &outflow, Some(2)), "no byte went out, though the socket has room");
    }
}
