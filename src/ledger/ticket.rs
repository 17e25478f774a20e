//! Who delivers an activity, and who waits for it.

use std::sync::Arc;

use tokio::sync::watch;

use super::answer::{Answer, Need};
use super::key::Key;
use super::table::Ledger;
use crate::config::LedgerConfig;
use crate::model::Moment;

/// The right and the duty to deliver an activity. Dropped without an outcome, it is forgotten: the next resend is a first.
#[derive(Debug)]
#[must_use = "dropped, it forgets the delivery"]
pub struct Ticket {
    /// None once the outcome was noted.
    ledger: Option<Arc<Ledger>>,
    key: Key,
    limits: LedgerConfig,
}

impl Ticket {
    pub(super) fn new(ledger: Arc<Ledger>, key: Key, limits: LedgerConfig) -> Self {
        Self { ledger: Some(ledger), key, limits }
    }

    /// Most bytes of a body that are kept.
    pub fn most_body(&self) -> usize {
        self.limits.answer
    }

    /// The activity was delivered and this is its answer; `need` is what a resend of it needs. An answer that would be of no
    /// use to a resend is forgotten.
    pub fn done(mut self, answer: Answer, need: Need, now: Moment) {
        if let Some(ledger) = self.ledger.take() {
            ledger.done(&self.key, answer, need, now, &self.limits);
        }
    }

    /// The activity was not delivered, or not so that a resend could be answered.
    pub fn forget(self) {}
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(ledger) = self.ledger.take() {
            ledger.forget(&self.key);
        }
    }
}

/// A resend of an activity that is being delivered, here or by another worker.
#[derive(Debug)]
pub struct Waiting(watch::Receiver<Option<Arc<Answer>>>);

impl Waiting {
    pub(super) fn new(told: watch::Receiver<Option<Arc<Answer>>>) -> Self {
        Self(told)
    }

    /// Waits for the outcome; none when there is nothing to be told of it. Cancel-safe.
    pub async fn outcome(mut self) -> Option<Arc<Answer>> {
        let told = self.0.wait_for(Option::is_some).await.ok()?;
        told.clone()
    }
}
