//! What a case came to.

use super::backend::Seen;
use super::case::{Case, Demand};
use super::strict::Message;
use super::wire::Heard;

/// How well a proxy did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As the strictest reading asks.
    Strict,
    /// More than it asks: something valid was refused.
    TooStrict,
    /// Less than it asks, but what came out is sound: the ambiguity ended at the proxy.
    Tolerated,
    /// The ambiguity got through: the proxy and the backend, or the proxy and the client, can be brought to read different
    /// messages, or something got in that must not.
    Harmful,
}

/// What both sides saw, and what it means.
#[derive(Clone, Debug)]
pub struct Found {
    pub verdict: Verdict,
    pub why: String,
    pub client: Heard,
    pub backend: Vec<Seen>,
}

/// Both sides of one case.
pub(super) struct Witness {
    pub client: Heard,
    pub backend: Vec<Seen>,
    /// What the next clients met, if it was not their own answer.
    pub after: Option<String>,
}

impl Witness {
    /// Whole requests in the order in which they came.
    fn requests(&self) -> Vec<&Message> {
        let mut all: Vec<_> = self.backend.iter().flat_map(|seen| seen.order.iter().zip(&seen.requests)).collect();
        all.sort_by_key(|(order, _)| **order);
        all.into_iter().map(|(_, message)| message).collect()
    }

    fn whole(&self) -> Vec<String> {
        self.requests().into_iter().map(Message::target).collect()
    }

    fn begun(&self) -> bool {
        self.backend.iter().any(|seen| !seen.pending.1.is_empty())
    }

    fn text(&self) -> String {
        let bytes: Vec<u8> = self.backend.iter().flat_map(|seen| [&seen.bytes[..], &seen.pending.1].concat()).collect();
        String::from_utf8_lossy(&bytes).to_ascii_lowercase()
    }

    /// The client's requests ended in a refusal after so many good answers.
    fn refused(&self, after: usize) -> bool {
        let statuses = self.client.statuses();
        let ended = self.client.closed || self.client.reset;
        match statuses.len().checked_sub(after) {
            // Ended without a word: as good as a word, for who sent this.
            Some(0) => ended,
            Some(1) => statuses[after] >= 400,
            _ => false,
        }
    }
}

/// What a case came to; `exact`: the statuses that the case names count, and that a connection ends where it must.
pub(super) fn judge(case: &Case, witness: Witness, exact: bool) -> Found {
    let (verdict, why) = match harm(case, &witness) {
        Some(why) => (Verdict::Harmful, why),
        None if case.is_of_the_backend() => response(case, &witness),
        None => request(case, &witness, exact),
    };
    Found { verdict, why, client: witness.client, backend: witness.backend }
}

/// What must not happen whatever a case demands.
fn harm(case: &Case, witness: &Witness) -> Option<String> {
    if let Some(why) = witness.backend.iter().find_map(|seen| seen.malformed.as_ref()) {
        return Some(format!("the backend was sent what is itself malformed: {why}"));
    }
    if let Some(why) = &witness.after {
        return Some(format!("the next client was harmed: {why}"));
    }
    let text = witness.text();
    if !case.mild
        && let Some(never) = case.never.iter().find(|never| text.contains(never.as_str()))
    {
        return Some(format!("{never:?} reached the backend"));
    }
    let got = String::from_utf8_lossy(&witness.client.bytes);
    if let Some(never) = case.client_never.iter().find(|never| got.contains(never.as_str())) {
        return Some(format!("{never:?} reached the client"));
    }
    if !case.client_any
        && let Some(why) = &witness.client.malformed
    {
        return Some(format!("the client was sent what is itself malformed: {why}"));
    }
    let (seen, answers) = (witness.whole().len(), witness.client.responses.len());
    if !case.is_of_the_backend() && seen > answers.max(case.requests()) {
        return Some(format!(
            "the backend read {seen} requests, the client got {answers} answers: {:?}",
            witness.whole()
        ));
    }
    None
}

fn request(case: &Case, witness: &Witness, exact: bool) -> (Verdict, String) {
    let (seen, statuses) = (witness.whole(), witness.client.statuses());
    let told = format!("backend {seen:?}, client {statuses:?}, closed {}", witness.client.closed);
    let body_is =
        |body: &String| witness.requests().last().is_some_and(|message| message.body == super::case::bytes(body));
    let served = seen == case.seen && statuses.len() == seen.len() && case.seen_body.as_ref().is_none_or(body_is);
    let good = if case.status.is_empty() || case.demand == Demand::Sound {
        statuses.iter().all(|status| *status < 400)
    } else {
        statuses == case.status
    };
    let text = witness.text();
    if let Some(never) = case.never.iter().find(|never| text.contains(never.as_str())) {
        return (Verdict::Tolerated, format!("{never:?} reached the backend"));
    }
    match case.demand {
        Demand::Serve if served && good => (Verdict::Strict, told),
        Demand::Serve if witness.refused(0) && seen.is_empty() => (Verdict::TooStrict, told),
        Demand::Serve => (Verdict::Harmful, format!("read in another way: {told}")),
        Demand::Sound if (served && good) || (witness.refused(0) && seen.is_empty()) => (Verdict::Strict, told),
        Demand::Sound if in_part(case, &seen, &statuses) => (Verdict::Strict, told),
        Demand::Sound => (Verdict::Tolerated, told),
        Demand::Refuse if seen == case.seen && !witness.begun() && witness.refused(seen.len()) => {
            exactly(case, witness, exact)
        }
        Demand::Cut if seen == case.seen && (witness.refused(seen.len()) || statuses.len() == seen.len()) => {
            exactly(case, witness, exact)
        }
        _ => (Verdict::Tolerated, told),
    }
}

/// Each request was served or refused, and what was served is what was seen.
fn in_part(case: &Case, seen: &[String], statuses: &[u16]) -> bool {
    let served = case.seen.iter().zip(statuses).filter(|(_, status)| **status < 400).map(|(target, _)| target);
    statuses.len() == case.seen.len() && served.eq(seen)
}

/// The refusal is told as the case asks.
fn exactly(case: &Case, witness: &Witness, exact: bool) -> (Verdict, String) {
    let statuses = witness.client.statuses();
    let told = format!("client {statuses:?}, closed {}", witness.client.closed);
    let refusal = statuses.get(case.seen.len());
    let named = case.status.is_empty() || refusal.is_none_or(|status| case.status.contains(status));
    // A stream that is answered has ended.
    let ended = case.keep || case.is_stream() || witness.client.closed;
    if exact && !named {
        return (Verdict::Tolerated, format!("another status than {:?}: {told}", case.status));
    }
    if !ended && case.demand == Demand::Refuse {
        return (Verdict::Tolerated, format!("the connection goes on: {told}"));
    }
    (Verdict::Strict, told)
}

fn response(case: &Case, witness: &Witness) -> (Verdict, String) {
    let statuses = witness.client.statuses();
    let told = format!("client {statuses:?}, whole {}, closed {}", witness.client.is_whole(), witness.client.closed);
    let failed = statuses.len() <= 1 && statuses.iter().all(|status| *status >= 500);
    let body_is =
        |body: &String| witness.client.responses.last().is_some_and(|message| message.body == super::case::bytes(body));
    match case.demand {
        Demand::BadGateway if failed && (!statuses.is_empty() || witness.client.closed) => (Verdict::Strict, told),
        Demand::Incomplete if failed || !witness.client.is_whole() => (Verdict::Strict, told),
        Demand::Incomplete if case.closes => (Verdict::Harmful, format!("passed off as whole: {told}")),
        Demand::Serve | Demand::Sound => {
            let right = statuses == case.status && case.seen_body.as_ref().is_none_or(body_is);
            match (right && witness.client.is_whole(), failed) {
                (true, _) => (Verdict::Strict, told),
                (false, true) if case.demand == Demand::Sound => (Verdict::Strict, told),
                (false, true) => (Verdict::TooStrict, told),
                (false, false) => (Verdict::Harmful, format!("read in another way: {told}")),
            }
        }
        _ => (Verdict::Tolerated, told),
    }
}
