//! What a connection is doing, and until when it may.
//!
//! One coarse timer per connection serves the head deadline, the idle deadline and the drain: a timer of its own for
//! each head would be made and dropped once per request.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

/// The deadlines of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// From the first byte of a head (of a new connection: from its start) to its end; none in HTTP/2, where frames
    /// that are no head are read between requests.
    pub(super) head: Option<Duration>,
    /// Between two requests.
    pub(super) idle: Duration,
}

/// What a connection must do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing: a request is under way, which has deadlines of its own.
    Never,
    /// Look again then.
    At(Instant),
    /// The head is late: answer 408 where it has begun, and close.
    HeadLate,
    /// Close: nothing came for too long, or the drain is over for it.
    Idle,
}

/// What a connection is doing. Shared by its socket, its requests and its driver, all on one thread.
#[derive(Debug)]
pub(super) struct Activity {
    origin: Instant,
    under_way: Cell<u32>,
    /// Milliseconds from `origin` to the end of the last request.
    idle_since: Cell<u64>,
    /// Milliseconds from `origin` to the first byte of the head, or [`NO_HEAD`].
    head_since: Cell<u64>,
    /// Whether any byte of the head has come.
    head_begun: Cell<bool>,
    /// Milliseconds from `origin` to the moment by which a kept connection must have brought another request, or
    /// [`NO_DRAIN`].
    linger_until: Cell<u64>,
    /// Responses under way that have handed out a part and were not asked for the next: the client is to read.
    unread: Cell<u32>,
    /// Parts of responses that were handed out.
    parts: Cell<u64>,
    /// Whether a request was refused in a way that ends the connection: its rest may still be on the wire.
    refused: Cell<bool>,
    /// Whether a request panicked: nobody knows what state it left behind, so the connection is to end.
    panicked: Cell<bool>,
}

const NO_HEAD: u64 = u64::MAX;
const NO_DRAIN: u64 = u64::MAX;

impl Activity {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            origin: Instant::now(),
            under_way: Cell::new(0),
            idle_since: Cell::new(0),
            head_since: Cell::new(0),
            head_begun: Cell::new(false),
            linger_until: Cell::new(NO_DRAIN),
            unread: Cell::new(0),
            parts: Cell::new(0),
            refused: Cell::new(false),
            panicked: Cell::new(false),
        })
    }

    fn now(&self) -> u64 {
        self.origin.elapsed().as_millis() as u64
    }

    /// The last request of the connection is answered before all of it was read.
    pub(super) fn refuse(&self) {
        self.refused.set(true);
    }

    pub(super) fn refused(&self) -> bool {
        self.refused.get()
    }

    /// A request of the connection panicked.
    pub(super) fn panic(&self) {
        self.panicked.set(true);
    }

    pub(super) fn panicked(&self) -> bool {
        self.panicked.get()
    }

    pub(super) fn bytes_read(&self) {
        if self.under_way.get() == 0 && !self.head_begun.get() {
            self.head_begun.set(true);
            if self.head_since.get() == NO_HEAD {
                self.head_since.set(self.now());
            }
        }
    }

    /// A request head is complete. The request is under way until the guard drops.
    pub(super) fn request_begun(self: &Rc<Self>) -> UnderWay {
        self.under_way.set(self.under_way.get() + 1);
        self.head_since.set(NO_HEAD);
        self.head_begun.set(false);
        UnderWay { activity: self.clone(), unread: false }
    }

    /// Where the responses under way stand, when all of them wait for the client to read. If this is the same a while
    /// later, it reads nothing.
    pub(super) fn unread(&self) -> Option<u64> {
        let unread = self.unread.get();
        (unread > 0 && unread == self.under_way.get()).then(|| self.parts.get())
    }

    /// From now on the connection is to end as soon as it can; it may bring one more request within `linger`.
    pub(super) fn drain(&self, linger: Duration) {
        self.linger_until.set(self.now().saturating_add(linger.as_millis() as u64));
    }

    pub(super) fn draining(&self) -> bool {
        self.linger_until.get() != NO_DRAIN
    }

    /// Whether part of a head has come, but not all.
    pub(super) fn within_head(&self) -> bool {
        self.head_begun.get()
    }

    pub(super) fn busy(&self) -> bool {
        self.under_way.get() > 0
    }

    /// Until when it may go on as it is, and what it must do then; none while a request is under way.
    pub(super) fn limit(&self, deadlines: &Deadlines) -> Option<(Instant, Due)> {
        if self.busy() {
            return None;
        }
        let at = |millis: u64| self.origin + Duration::from_millis(millis);
        let head_since = self.head_since.get();
        // A head that has begun is let finish while draining: its request was accepted.
        let lingers = self.draining() && !self.within_head();
        let (limit, verdict) = match deadlines.head {
            Some(limit) if head_since != NO_HEAD => (at(head_since) + limit, Due::HeadLate),
            _ => (at(self.idle_since.get()) + deadlines.idle, Due::Idle),
        };
        let limit = if lingers { limit.min(at(self.linger_until.get())) } else { limit };
        Some((limit, verdict))
    }

    pub(super) fn due(&self, deadlines: &Deadlines) -> Due {
        match self.limit(deadlines) {
            None => Due::Never,
            Some((limit, _)) if Instant::now() < limit => Due::At(limit),
            Some((_, verdict)) => verdict,
        }
    }
}

/// A request under way; dropped with the last of its response.
#[derive(Debug)]
pub(super) struct UnderWay {
    activity: Rc<Activity>,
    unread: bool,
}

impl UnderWay {
    /// There is room for the next part of the response.
    pub(super) fn asked(&mut self) {
        if std::mem::take(&mut self.unread) {
            self.activity.unread.set(self.activity.unread.get() - 1);
        }
    }

    /// A part of the response is on its way to the client.
    pub(super) fn handed_out(&mut self) {
        self.asked();
        self.unread = true;
        self.activity.unread.set(self.activity.unread.get() + 1);
        self.activity.parts.set(self.activity.parts.get() + 1);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.asked();
        let left = self.activity.under_way.get() - 1;
        self.activity.under_way.set(left);
        if left == 0 {
            self.activity.idle_since.set(self.activity.now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn deadlines() -> Deadlines {
        Deadlines { head: Some(10 * S), idle: 60 * S }
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_has_the_head_deadline() {
        let activity = Activity::new();
        assert_eq!(activity.due(&deadlines()), Due::At(Instant::now() + 10 * S));
        tokio::time::advance(10 * S).await;
        assert_eq!(activity.due(&deadlines()), Due::HeadLate);
        assert!(!activity.within_head());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_under_way_has_no_deadline_here_and_idling_starts_at_its_end() {
        let activity = Activity::new();
        activity.bytes_read();
        let request = activity.request_begun();
        tokio::time::advance(1000 * S).await;
        assert_eq!(activity.due(&deadlines()), Due::Never);
        drop(request);
        assert_eq!(activity.due(&deadlines()), Due::At(Instant::now() + 60 * S));
        tokio::time::advance(60 * S).await;
        assert_eq!(activity.due(&deadlines()), Due::Idle);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_dribbles_in_on_a_kept_connection_is_late_all_the_same() {
        let activity = Activity::new();
        drop(activity.request_begun());
        tokio::time::advance(30 * S).await;
        activity.bytes_read();
        tokio::time::advance(9 * S).await;
        activity.bytes_read();
        assert_eq!(activity.due(&deadlines()), Due::At(Instant::now() + S));
        tokio::time::advance(S).await;
        assert_eq!(activity.due(&deadlines()), Due::HeadLate);
        assert!(activity.within_head());
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_leaves_an_idle_connection_the_linger_and_a_begun_head_its_time() {
        let activity = Activity::new();
        drop(activity.request_begun());
        activity.drain(S);
        assert_eq!(activity.due(&deadlines()), Due::At(Instant::now() + S));
        tokio::time::advance(S).await;
        assert_eq!(activity.due(&deadlines()), Due::Idle);

        let begun = Activity::new();
        begun.bytes_read();
        begun.drain(S);
        tokio::time::advance(2 * S).await;
        assert_eq!(begun.due(&deadlines()), Due::At(Instant::now() + 8 * S));
    }

    #[tokio::test]
    async fn a_client_is_to_read_when_every_response_under_way_has_handed_out_a_part() {
        let activity = Activity::new();
        let (mut one, mut two) = (activity.request_begun(), activity.request_begun());
        one.handed_out();
        assert_eq!(activity.unread(), None, "the other still waits for its backend");
        two.handed_out();
        assert_eq!(activity.unread(), Some(2));
        two.asked();
        assert_eq!(activity.unread(), None);
        drop(two);
        assert_eq!(activity.unread(), Some(2));
        drop(one);
        assert_eq!(activity.unread(), None);
    }
}
