//! The token of a request, where its route's guard wants one: who sends it.
//!
//! Everything is decided here and now, with what is known: no request waits for keys.

use std::time::Duration;

use super::exchange::Exchange;
use super::refuse::Refusal;
use super::worker::Worker;
use crate::bot::token::{self, Bound, Caller};
use crate::model::{Moment, TokenFault, TokenMode, Utc};
use crate::snapshot::{Guard, GuardKeys, Pool};
use crate::wire::{Known, ascii};

/// A worker says at most once in this long that it refuses tokens, or would: the metrics have the rest.
const REMIND: Duration = Duration::from_secs(10);

/// Checks the token of a request whose activity, if any, was read.
///
/// # Errors
/// [`Refusal::Token`], unless the guard only reports: then the request goes on, but says nothing about a backend.
pub(super) fn check(worker: &Worker, exchange: &mut Exchange, pool: &Pool, guard: &Guard) -> Result<(), Refusal> {
    let Some(tokens) = &guard.config.tokens else { return Ok(()) };
    // None where there is nothing to fetch them from: that is no reason to let anybody in.
    let keys = guard.keys.as_ref();
    let known = keys.map(GuardKeys::known).unwrap_or_default();
    let bound = match &exchange.activity {
        Some(activity) => {
            Bound::Activity { channel_id: &activity.channel_id, service_url: activity.service_url.as_deref() }
        }
        None if exchange.upgrade.is_some() => {
            // Of which channel the activities of a streaming connection will be.
            let mut said = exchange.fields.all(Known::ChannelId);
            // Two of them could be read in two ways.
            let channel_id = said.next().and_then(ascii).filter(|_| said.next().is_none());
            Bound::Stream { channel_id }
        }
        None => Bound::Nothing,
    };
    let cell = pool.stats.cells.of(worker.id);
    let mut cache = worker.tokens.borrow_mut();
    let refused = match token::check(&exchange.fields, bound, known, tokens, &mut cache, Utc::now()) {
        Ok(caller) => {
            cell.tokens_valid.increment();
            exchange.log.iter_mut().for_each(|log| log.token_is("valid"));
            // There is one connector, and it has been endorsed for the channel. Skills and emulators are many.
            exchange.sender = (caller == Caller::Channel).then_some("channel");
            return Ok(());
        }
        Err(refused) => refused,
    };
    drop(cache);
    let fault = refused.fault;
    cell.tokens_faulty[fault.index()].increment();
    if let (TokenFault::UnknownKey, Some(issuer), Some(keys)) = (fault, refused.issuer, keys) {
        keys.miss(issuer);
    }
    let enforced = tokens.mode != TokenMode::Report;
    if worker.may_remind(REMIND) {
        let does = if enforced { "refused" } else { "let through (tokens = \"report\")" };
        tracing::warn!(pool = %pool.config.name, fault = fault.as_str(), "a request was {does}: token: {}", fault.as_str());
    }
    exchange.log.iter_mut().for_each(|log| log.token_is(fault.as_str()));
    if enforced {
        return Err(Refusal::Token(fault));
    }
    exchange.authentic = false;
    Ok(())
}

/// When something was said last, so that it is not said for every request.
#[derive(Debug, Default)]
pub(super) struct Reminder(std::cell::Cell<Option<Moment>>);

impl Reminder {
    /// Whether it may be said again; then it counts as said.
    pub(super) fn may(&self, now: Moment, pause: Duration) -> bool {
        let may = self.0.get().is_none_or(|said| now.since(said) >= pause);
        if may {
            self.0.set(Some(now));
        }
        may
    }
}
