//! PINGs: they tell a silent client from a vanished one, and measure what comes within one round trip.

use std::task::{Context, Poll};

use h2::{Ping, PingPong};

use super::gauge::Gauge;

/// A client that was not heard for so long is asked whether it is there, and has so long to answer; milliseconds.
const SILENCE: u32 = 30_000;
const PATIENCE: u32 = 20_000;

/// Pauses between two measures, in milliseconds: short while the windows grow, ever longer while they need not.
const SHORTEST_PAUSE: u32 = 20;
const LONGEST_PAUSE: u32 = 1_000;

/// The PINGs of one connection, of which one at most is unanswered.
pub(super) struct Pulse {
    pings: PingPong,
    sent: Option<Sent>,
    /// Octets that had come when the last measure ended.
    measured: u32,
    pause: u32,
    since: u32,
}

/// An unanswered PING.
#[derive(Clone, Copy)]
struct Sent {
    at: u32,
    received: u32,
}

/// What a look has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing.
    Steady,
    /// So many octets came within one round trip.
    Measured(u32),
    /// The client has vanished.
    Vanished,
}

impl Pulse {
    pub(super) const fn new(pings: PingPong) -> Self {
        Self { pings, sent: None, measured: 0, pause: SHORTEST_PAUSE, since: 0 }
    }

    /// Looks whether a PING is due, or was answered. After `worth` octets a round trip is measured.
    pub(super) fn poll(&mut self, gauge: &Gauge, worth: u32, cx: &mut Context<'_>) -> Beat {
        let now = gauge.now.get();
        let Some(sent) = self.sent else {
            let fresh = gauge.received.get().wrapping_sub(self.measured);
            let measures = fresh >= worth && now.wrapping_sub(self.since) >= self.pause;
            if measures || now.wrapping_sub(gauge.heard.get()) >= SILENCE {
                // It cannot be sent only when the connection is over.
                if self.pings.send_ping(Ping::opaque()).is_ok() {
                    self.sent = Some(Sent { at: now, received: gauge.received.get() });
                    // So that the answer is heard of.
                    let _ = self.pings.poll_pong(cx);
                }
            }
            return Beat::Steady;
        };
        match self.pings.poll_pong(cx) {
            Poll::Ready(answered) => {
                self.sent = None;
                (self.measured, self.since) = (gauge.received.get(), now);
                answered.map_or(Beat::Steady, |_| Beat::Measured(self.measured.wrapping_sub(sent.received)))
            }
            Poll::Pending if now.wrapping_sub(Self::last(sent, gauge, now)) >= PATIENCE => Beat::Vanished,
            Poll::Pending => Beat::Steady,
        }
    }

    /// Whether the last measure made the windows grow: then the next is soon.
    pub(super) fn grew(&mut self, grew: bool) {
        self.pause = if grew { SHORTEST_PAUSE } else { (self.pause * 2).min(LONGEST_PAUSE) };
    }

    /// Milliseconds from now until the next look is due.
    pub(super) fn due(&self, gauge: &Gauge) -> u32 {
        let now = gauge.now.get();
        let (since, limit) = match self.sent {
            Some(sent) => (Self::last(sent, gauge, now), PATIENCE),
            None => (gauge.heard.get(), SILENCE),
        };
        limit.saturating_sub(now.wrapping_sub(since))
    }

    /// When the PING was sent, or the client was heard after that: an answer may be behind a large body.
    fn last(sent: Sent, gauge: &Gauge, now: u32) -> u32 {
        let heard = gauge.heard.get();
        if now.wrapping_sub(heard) < now.wrapping_sub(sent.at) { heard } else { sent.at }
    }
}
