//! What a run counts.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::mark::Mark;

/// Requests that ended, how long each took, and what became of those that failed.
#[derive(Default)]
pub(crate) struct Counts(RefCell<Inner>);

#[derive(Default)]
struct Inner {
    answered: u64,
    bytes: u64,
    failed: u64,
    resent: u64,
    reasons: BTreeMap<String, u64>,
    /// Microseconds of each, from the moment that it was meant to be sent, failed ones too.
    waits: Vec<u32>,
    /// The same of those that ended after the mark.
    waits_after: Vec<u32>,
    failed_after: u64,
    last_failure: Option<Instant>,
    last_slow: Option<Instant>,
}

/// A wait that a person would notice, for the question until when there were any.
const SLOW: Duration = Duration::from_millis(500);

impl Counts {
    /// One that was answered well.
    pub(crate) fn answered(&self, since: Instant, bytes: u64, mark: &Mark) {
        let mut inner = self.0.borrow_mut();
        inner.answered += 1;
        inner.bytes += bytes;
        inner.wait(since, mark);
    }

    /// One that was not.
    pub(crate) fn failed(&self, since: Instant, why: String, mark: &Mark) {
        let mut inner = self.0.borrow_mut();
        inner.failed += 1;
        *inner.reasons.entry(why).or_default() += 1;
        if mark.is_set() {
            inner.failed_after += 1;
            inner.last_failure = Some(Instant::now());
        }
        inner.wait(since, mark);
    }

    /// One that was sent again, since its kept connection was closed before it was taken.
    pub(crate) fn resent(&self) {
        self.0.borrow_mut().resent += 1;
    }

    /// How many ended.
    pub(crate) fn ended(&self) -> u64 {
        let inner = self.0.borrow();
        inner.answered + inner.failed
    }

    /// All of it as JSON, for a run of this length.
    pub(crate) fn report(&self, ran: Duration, mark: &Mark) -> Value {
        let mut inner = self.0.borrow_mut();
        let Inner { answered, bytes, failed, resent, .. } = *inner;
        let seconds = ran.as_secs_f64();
        let mut report = json!({
            "answered": answered, "bytes": bytes, "failed": failed, "resent": resent, "reasons": inner.reasons,
            "seconds": seconds, "per_second": answered as f64 / seconds,
        });
        for (name, value) in quantiles(&mut inner.waits) {
            report[name] = json!(value);
        }
        if let Some(at) = mark.get() {
            let until = |last: Option<Instant>| last.map_or(0.0, |last| last.duration_since(at).as_secs_f64() * 1e3);
            report["after"] = json!({
                "failed": inner.failed_after, "longest_ms": inner.waits_after.iter().max().map_or(0.0, |&us| f64::from(us) / 1e3),
                "until_all_succeed_ms": until(inner.last_failure), "until_none_slow_ms": until(inner.last_slow),
            });
        }
        report
    }
}

impl Inner {
    fn wait(&mut self, since: Instant, mark: &Mark) {
        let wait = since.elapsed();
        let micros = u32::try_from(wait.as_micros()).unwrap_or(u32::MAX);
        self.waits.push(micros);
        if mark.is_set() {
            self.waits_after.push(micros);
            if wait > SLOW {
                self.last_slow = Some(Instant::now());
            }
        }
    }
}

/// Named quantiles in microseconds; none of nothing.
fn quantiles(waits: &mut [u32]) -> Vec<(&'static str, u32)> {
    waits.sort_unstable();
    let Some(last) = waits.len().checked_sub(1) else { return Vec::new() };
    let at = |share: f64| waits[(last as f64 * share).round() as usize];
    vec![("p50_us", at(0.5)), ("p90_us", at(0.9)), ("p99_us", at(0.99)), ("p999_us", at(0.999)), ("max_us", at(1.0))]
}
