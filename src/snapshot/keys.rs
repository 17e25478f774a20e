//! The keys of token issuers, as requests see them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::sync::Notify;

use crate::bot::token::{IssuerKind, KeySet, Keys};

/// The keys that a guard checks tokens with.
#[derive(Clone, Debug)]
pub struct GuardKeys {
    /// The channel connector's.
    pub channel: PublishedKeys,
    /// Entra's; none where its tokens are not accepted.
    pub entra: Option<PublishedKeys>,
}

/// The keys of one issuer.
#[derive(Clone, Debug)]
pub struct PublishedKeys {
    /// As they were fetched last; none when they never were.
    pub set: Option<Arc<KeySet>>,
    /// Where a key is asked for that is not among them.
    pub missed: Arc<Missed>,
}

/// A worker's word to control that a token named a key that is not known. It is one bit: however many tokens do so, control
/// hears of it once, and a worker that finds it said writes nothing.
#[derive(Debug)]
pub struct Missed {
    said: AtomicBool,
    bell: Arc<Notify>,
}

impl Missed {
    /// Nothing is missed yet; `bell` is rung when something is.
    pub fn new(bell: Arc<Notify>) -> Self {
        Self { said: AtomicBool::new(false), bell }
    }

    /// A token named a key that is not known.
    pub fn say(&self) {
        if !self.said.load(Relaxed) {
            self.said.store(true, Relaxed);
            self.bell.notify_one();
        }
    }

    /// Whether one did since the last [`Missed::clear`].
    pub fn is_said(&self) -> bool {
        self.said.load(Relaxed)
    }

    /// The keys are being fetched anew.
    pub fn clear(&self) {
        self.said.store(false, Relaxed);
    }
}

impl GuardKeys {
    /// The keys that are known.
    pub fn known(&self) -> Keys<'_> {
        let entra = self.entra.as_ref().and_then(|keys| keys.set.as_deref());
        Keys { channel: self.channel.set.as_deref(), entra }
    }

    /// A token of this issuer named a key that is not known.
    pub fn miss(&self, issuer: IssuerKind) {
        match issuer {
            IssuerKind::Channel => self.channel.missed.say(),
            IssuerKind::Entra => self.entra.iter().for_each(|keys| keys.missed.say()),
        }
    }
}
