//! What a connection is doing, and until when it may.
//!
//! One coarse timer per connection serves the head deadline, the idle deadline and the drain: hyper's own head timer
//! would be made and dropped once per request, and hyper has no idle timer at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
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

/// What a connection is doing. Shared by its socket, its requests and its driver, all on one thread: the atomics are
/// there because an upgraded socket may be sent, not because anyone contends.
#[derive(Debug)]
pub(super) struct Activity {
    origin: Instant,
    under_way: AtomicU32,
    /// Milliseconds from `origin` to the end of the last request.
    idle_since: AtomicU64,
    /// Milliseconds from `origin` to the first byte of the head, or [`NO_HEAD`].
    head_since: AtomicU64,
    /// Whether any byte of the head has come.
    head_begun: AtomicBool,
    /// Milliseconds from `origin` to the moment by which a kept connection must have brought another request, or
    /// [`NO_DRAIN`].
    linger_until: AtomicU64,
    /// Responses under way that have handed out a part and were not asked for the next: the client is to read.
    unread: AtomicU32,
    /// Parts of responses that were handed out.
    parts: AtomicU64,
    /// Whether a request was refused in a way that ends the connection: its rest may still be on the wire.
    refused: AtomicBool,
    /// Whether a request panicked: nobody knows what state it left behind, so the connection is to end.
    panicked: AtomicBool,
    /// Heads that the strict reader let pass, and requests that are answered (HTTP/1).
    heads: AtomicU64,
    answered: AtomicU64,
    /// What the strict reader waits for: a [`Waits`].
    waits: AtomicU8,
    /// Whether the connection speaks another protocol from here on.
    switched: AtomicBool,
}

/// What the strict reader of a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Waits {
    ForNothing,
    /// The answer to an upgrade: it says what the bytes after it are.
    ForAnswer,
    /// All answers before the head that it did not let pass.
    ToRefuse,
    /// They are given: the refusal is due.
    Refuses,
}

/// What has become of what the strict reader waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// It waits for nothing, or still waits.
    Nothing,
    /// It can go on: whoever reads must ask it again.
    LookAgain,
    /// The connection must end, so that the head that did not pass is refused.
    Refuse,
}

const NO_HEAD: u64 = u64::MAX;
const NO_DRAIN: u64 = u64::MAX;

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            origin: Instant::now(),
            under_way: AtomicU32::new(0),
            idle_since: AtomicU64::new(0),
            head_since: AtomicU64::new(0),
            head_begun: AtomicBool::new(false),
            linger_until: AtomicU64::new(NO_DRAIN),
            unread: AtomicU32::new(0),
            parts: AtomicU64::new(0),
            refused: AtomicBool::new(false),
            heads: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            waits: AtomicU8::new(Waits::ForNothing as u8),
            switched: AtomicBool::new(false),
            panicked: AtomicBool::new(false),
        })
    }

    fn now(&self) -> u64 {
        self.origin.elapsed().as_millis() as u64
    }

    /// The last request of the connection is answered before all of it was read.
    pub(super) fn refuse(&self) {
        self.refused.store(true, Relaxed);
    }

    pub(super) fn refused(&self) -> bool {
        self.refused.load(Relaxed)
    }

    /// A request of the connection panicked.
    pub(super) fn panic(&self) {
        self.panicked.store(true, Relaxed);
    }

    pub(super) fn panicked(&self) -> bool {
        self.panicked.load(Relaxed)
    }

    /// So many heads of the connection have passed the strict reader.
    pub(super) fn heads_passed(&self, heads: u64) {
        self.heads.store(heads, Relaxed);
    }

    /// Whether all of their requests are answered.
    pub(super) fn all_answered(&self) -> bool {
        self.answered.load(Relaxed) == self.heads.load(Relaxed)
    }

    /// Bytes are held until an upgrade is answered.
    pub(super) fn waits_for_answer(&self) {
        self.waits.store(Waits::ForAnswer as u8, Relaxed);
    }

    /// The next head did not pass.
    pub(super) fn head_is_bad(&self) {
        if !self.refuses_head() {
            self.waits.store(Waits::ToRefuse as u8, Relaxed);
        }
    }

    /// Whether the connection ends because its last head did not pass.
    pub(super) fn refuses_head(&self) -> bool {
        self.waits.load(Relaxed) == Waits::Refuses as u8
    }

    /// What the driver must do for the strict reader now.
    pub(super) fn settled(&self) -> Settled {
        let waits = self.waits.load(Relaxed);
        if waits == Waits::ForNothing as u8 || !(self.all_answered() || self.switched()) {
            return Settled::Nothing;
        }
        if waits == Waits::ForAnswer as u8 {
            self.waits.store(Waits::ForNothing as u8, Relaxed);
            return Settled::LookAgain;
        }
        self.waits.store(Waits::Refuses as u8, Relaxed);
        Settled::Refuse
    }

    /// A request was answered with 101: what follows is no HTTP.
    pub(super) fn switch(&self) {
        self.switched.store(true, Relaxed);
    }

    pub(super) fn switched(&self) -> bool {
        self.switched.load(Relaxed)
    }

    pub(super) fn bytes_read(&self) {
        if self.under_way.load(Relaxed) == 0 && !self.head_begun.load(Relaxed) {
            self.head_begun.store(true, Relaxed);
            if self.head_since.load(Relaxed) == NO_HEAD {
                self.head_since.store(self.now(), Relaxed);
            }
        }
    }

    /// A request head is complete. The request is under way until the guard drops.
    pub(super) fn request_begun(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Relaxed);
        self.head_since.store(NO_HEAD, Relaxed);
        self.head_begun.store(false, Relaxed);
        UnderWay { activity: self.clone(), unread: false }
    }

    /// Where the responses under way stand, when all of them wait for the client to read. If this is the same a while
    /// later, it reads nothing.
    pub(super) fn unread(&self) -> Option<u64> {
        let unread = self.unread.load(Relaxed);
        (unread > 0 && unread == self.under_way.load(Relaxed)).then(|| self.parts.load(Relaxed))
    }

    /// From now on the connection is to end as soon as it can; it may bring one more request within `linger`.
    pub(super) fn drain(&self, linger: Duration) {
        self.linger_until.store(self.now().saturating_add(linger.as_millis() as u64), Relaxed);
    }

    pub(super) fn draining(&self) -> bool {
        self.linger_until.load(Relaxed) != NO_DRAIN
    }

    /// Whether part of a head has come, but not all.
    pub(super) fn within_head(&self) -> bool {
        self.head_begun.load(Relaxed)
    }

    pub(super) fn busy(&self) -> bool {
        self.under_way.load(Relaxed) > 0
    }

    pub(super) fn due(&self, deadlines: &Deadlines) -> Due {
        if self.busy() {
            return Due::Never;
        }
        let at = |millis: u64| self.origin + Duration::from_millis(millis);
        let now = Instant::now();
        let head_since = self.head_since.load(Relaxed);
        // A head that has begun is let finish while draining: its request was accepted.
        let lingers = self.draining() && !self.within_head();
        let (limit, verdict) = match deadlines.head {
            Some(limit) if head_since != NO_HEAD => (at(head_since) + limit, Due::HeadLate),
            _ => (at(self.idle_since.load(Relaxed)) + deadlines.idle, Due::Idle),
        };
        let limit = if lingers { limit.min(at(self.linger_until.load(Relaxed))) } else { limit };
        if now < limit { Due::At(limit) } else { verdict }
    }
}

/// A request under way; dropped with the last of its response.
#[derive(Debug)]
pub(super) struct UnderWay {
    activity: Arc<Activity>,
    unread: bool,
}

impl UnderWay {
    /// There is room for the next part of the response.
    pub(super) fn asked(&mut self) {
        if std::mem::take(&mut self.unread) {
            self.activity.unread.fetch_sub(1, Relaxed);
        }
    }

    /// A part of the response is on its way to the client.
    pub(super) fn handed_out(&mut self) {
        self.asked();
        self.unread = true;
        self.activity.unread.fetch_add(1, Relaxed);
        self.activity.parts.fetch_add(1, Relaxed);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.asked();
        self.activity.answered.fetch_add(1, Relaxed);
        if self.activity.under_way.fetch_sub(1, Relaxed) == 1 {
            self.activity.idle_since.store(self.activity.now(), Relaxed);
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

    #[tokio::test]
    async fn a_bad_head_is_refused_once_every_request_before_it_is_answered() {
        let activity = Activity::new();
        activity.heads_passed(2);
        let one = activity.request_begun();
        activity.head_is_bad();
        assert_eq!(activity.settled(), Settled::Nothing);
        drop(one);
        assert_eq!(activity.settled(), Settled::Nothing, "the second has not even begun");
        drop(activity.request_begun());
        assert!(!activity.refuses_head());
        assert_eq!(activity.settled(), Settled::Refuse);
        activity.head_is_bad();
        assert!(activity.refuses_head() && activity.settled() == Settled::Refuse, "that does not change any more");
    }

    #[tokio::test]
    async fn what_waits_for_the_answer_to_an_upgrade_is_looked_at_again_once() {
        let activity = Activity::new();
        activity.heads_passed(1);
        let upgrade = activity.request_begun();
        activity.waits_for_answer();
        assert_eq!(activity.settled(), Settled::Nothing);
        drop(upgrade);
        assert_eq!(activity.settled(), Settled::LookAgain);
        assert_eq!(activity.settled(), Settled::Nothing);
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
