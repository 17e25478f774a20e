//! What a request must be before a backend sees it, where its route is guarded: an activity.
//!
//! Bots answer what they cannot read with 500, or end; a forged request with 500 too. Nothing that fails here reaches a
//! backend, so it says nothing about one.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use http::{HeaderValue, Method};

use super::exchange::Exchange;
use super::log::Seen;
use super::recording::{ClientFault, Recording};
use super::refuse::Refusal;
use super::token;
use super::waits::{Terms, Verdict};
use super::worker::Worker;
use crate::bot::{Activity, Facts};
use crate::model::AttemptPhase;
use crate::snapshot::{Guard, Pool};
use crate::wire::{Fields, Known, ascii};

/// Most characters of a text that are shown.
const TEXT_SHOWN: usize = 200;
const MEDIA_TYPE: &str = "the Content-Type of an activity is application/json, in UTF-8";
const ENCODED: &str = "an activity is sent without Content-Encoding";

/// Checks a request of a guarded route, and notes in it what was learnt.
///
/// # Errors
/// What the client is told; no backend hears of it.
pub(super) async fn check(worker: &Worker, exchange: &mut Exchange, pool: &Pool, guard: &Guard) -> Result<(), Refusal> {
    if guard.is_open(exchange.target.path()) {
        // Where tokens tell who sends what, nobody knows who sent this.
        exchange.authentic = guard.config.tokens.is_none();
        return Ok(());
    }
    if exchange.method == Method::POST {
        let read = read(worker, exchange, pool).await;
        if matches!(read, Err(Refusal::Busy)) {
            pool.stats.cells.of(worker.id).unheld.increment();
        }
        if matches!(read, Err(Refusal::NotAnActivity(_) | Refusal::Unsupported(_))) {
            pool.stats.cells.of(worker.id).malformed.increment();
        }
        exchange.activity = Some(read?);
    }
    token::check(worker, exchange, pool, guard)
}

/// Reads the activity that a request carries.
async fn read(worker: &Worker, exchange: &mut Exchange, pool: &Pool) -> Result<Facts, Refusal> {
    is_plain_json(&exchange.fields)?;
    let body = match &exchange.body {
        Some(body) => whole(worker, exchange, body).await?,
        None => Bytes::new(),
    };
    let facts = Facts::read(&body).map_err(|why| Refusal::NotAnActivity(why.as_str()))?;
    if let Some(log) = exchange.log.as_mut().filter(|_| worker.tap.is_watched()) {
        let text = worker.tap.tells_text().then(|| beginning_of_text(&body)).flatten();
        log.carries(Seen { pool: pool.config.name.clone(), facts: facts.clone(), text });
    }
    // Its length is known now: bots want it told.
    if !exchange.fields.has(Known::ContentLength) {
        exchange.fields.add(Known::ContentLength, HeaderValue::from(body.len()));
    }
    Ok(facts)
}

/// What was said, as far as it is shown to who watches. Read once more: who does not watch does not pay for it.
fn beginning_of_text(body: &[u8]) -> Option<String> {
    let text = Activity::parse(body).ok()?.text?;
    Some(text.chars().take(TEXT_SHOWN).collect())
}

/// A bot reads a body only as its headers tell it to: what they hide from the bot's parser must not pass for an activity.
fn is_plain_json(fields: &Fields) -> Result<(), Refusal> {
    let mut types = fields.all(Known::ContentType);
    let plain = match (types.next(), types.next()) {
        (Some(only), None) => ascii(only).is_some_and(is_json),
        _ => false,
    };
    if !plain {
        return Err(Refusal::Unsupported(MEDIA_TYPE));
    }
    if fields.has(Known::ContentEncoding)
        && fields.all(Known::ContentEncoding).any(|encoding| !encoding.eq_ignore_ascii_case(b"identity"))
    {
        return Err(Refusal::Unsupported(ENCODED));
    }
    Ok(())
}

/// Whether a media type (RFC 9110, section 8.3.1) is JSON in UTF-8, which is the only encoding that JSON has (RFC 8259).
fn is_json(media_type: &str) -> bool {
    // As nearly everybody writes it.
    if matches!(media_type, "application/json" | "application/json; charset=utf-8") {
        return true;
    }
    let mut parts = media_type.split(';').map(str::trim);
    let json = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    let mut charsets = parts.filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    json && charsets.all(|charset| charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii"))
}

/// Waits for the whole body of a request.
async fn whole(worker: &Worker, exchange: &Exchange, body: &Rc<Recording>) -> Result<Bytes, Refusal> {
    let mut wait = None;
    let read = poll_fn(|cx| {
        if let Poll::Ready(read) = body.poll_whole(cx) {
            return Poll::Ready(Ok(read));
        }
        // Most bodies are there with their head: only one that is not costs a place among the waiting.
        let wait = wait.get_or_insert_with(|| {
            let now = worker.clock.now();
            let terms = Terms::of_the_client(exchange.deadline, exchange.body_timeout, exchange.body_rate);
            let wait = worker.waits.watch(terms, Some(body.clone()), now);
            wait.reached(AttemptPhase::Send, now);
            wait
        });
        wait.poll(cx).map(Err)
    });
    match read.await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(ClientFault::TooLarge)) => Err(Refusal::BodyTooLarge),
        Ok(Err(ClientFault::NoRoom)) => Err(Refusal::Busy),
        Ok(Err(ClientFault::Aborted)) => Err(Refusal::BodyAborted),
        Err(Verdict::Deadline | Verdict::BodyStalled | Verdict::AttemptTimeout | Verdict::Rescue) => {
            Err(Refusal::BodyStalled)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Set;

    #[test]
    fn only_what_a_bot_reads_as_json_passes_for_it() {
        for good in [
            "application/json",
            "application/json; charset=utf-8",
            "Application/JSON; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json; x=y",
        ] {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/jsonp",
            "application/json; charset=utf-16",
            "application/json; charset=utf-8; charset=utf-16",
            "text/plain; application/json",
            "application/x-www-form-urlencoded",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
    }

    #[test]
    fn two_content_types_or_an_encoding_are_refused() {
        let mut fields = Fields::default();
        assert!(is_plain_json(&fields).is_err());
        fields.add(Known::ContentType, HeaderValue::from_static("application/json"));
        assert!(is_plain_json(&fields).is_ok());
        fields.add(Known::ContentEncoding, HeaderValue::from_static("identity"));
        assert!(is_plain_json(&fields).is_ok());
        fields.add(Known::ContentEncoding, HeaderValue::from_static("gzip"));
        assert!(is_plain_json(&fields).is_err());
        fields.remove(Set::of(&[Known::ContentEncoding]));
        fields.add(Known::ContentType, HeaderValue::from_static("text/plain"));
        assert!(is_plain_json(&fields).is_err());
    }
}
