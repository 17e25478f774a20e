//! What a pool means: presets, spans, budgets.

use std::collections::HashSet;
use std::time::Duration;

use super::defaulted::{deadline, number, span};
use super::findings::Place;
use super::presets::{Preset, preset};
use super::raw_pool::{RawEvidence, RawLedger, RawPool, RawRetry};
use super::resolve::Outside;
use super::types_pool::{EvidenceConfig, LedgerConfig, PoolConfig, RetryConfig, StatusSet};
use super::{backend, follow, limits, parity, policy, probe, question, tunnel, unavailable, values};
use crate::model::{Replay, Sign};

/// Whether a name may stand in URLs, labels and logs.
pub(super) fn is_plain_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(plain) && !name.bytes().all(|b| b == b'.')
}

/// Checks a name and its uniqueness; reports what is wrong.
pub(super) fn unique_name<'n>(place: &Place<'_>, name: Option<&'n String>, taken: &mut HashSet<&'n str>, what: &str) {
    let Some(name) = name else { return };
    let place = place.key("name");
    if !is_plain_name(name) {
        place.error(format!("{name:?} is no name of a {what}"), "1 to 64 of: letters, digits, \".\", \"_\", \"-\"");
    } else if !taken.insert(name) {
        place.error(format!("there is another {what} named {name:?}"), "names are unique");
    }
}

/// A pool, or none when it has no usable name, or no usable backend.
pub(super) fn validate(place: &Place<'_>, raw: &RawPool, outside: &Outside<'_>) -> Option<PoolConfig> {
    let kind = raw.kind.unwrap_or_default();
    let Preset { deadline: total, attempt_timeout, replay, retry_status, rounds, evidence_status, .. } = preset(kind);
    let seconds = Duration::from_secs;
    let total = deadline(&place.key("deadline"), raw.deadline.as_ref(), total);
    let attempt = match &raw.attempt_timeout {
        Some(written) => Some(deadline(&place.key("attempt_timeout"), Some(written), total)),
        None => attempt_timeout.filter(|attempt| *attempt < total),
    };
    let dial_timeout = deadline(&place.key("dial_timeout"), raw.dial_timeout.as_ref(), seconds(2));
    if total < dial_timeout {
        let hint = "a backend that does not answer its dial takes the whole deadline: nothing is tried elsewhere";
        place.key("deadline").warning(format!("{total:?} is shorter than dial_timeout ({dial_timeout:?})"), hint);
    }
    if let Some(attempt) = attempt.filter(|attempt| *attempt > total) {
        let message = format!("{attempt:?} is longer than deadline ({total:?}) and has no effect");
        place.key("attempt_timeout").warning(message, "make it a fraction of deadline, or leave it out");
    }
    let evidence = evidence(&place.key("evidence"), raw.evidence.as_ref(), evidence_status);
    if raw.evidence.as_ref().is_some_and(|raw| raw.suspect_after.is_some()) && evidence.suspect_after >= total {
        let message = format!("{:?} is not shorter than deadline ({total:?})", evidence.suspect_after);
        place.key("evidence").key("suspect_after").warning(message, "no attempt ever waits that long");
    }
    let mut backends = Vec::new();
    let mut taken = HashSet::new();
    for (index, raw) in raw.backend.iter().flatten().enumerate() {
        let place = place.key("backend").index(index);
        unique_name(&place, raw.name.as_ref(), &mut taken, "backend of this pool");
        backends.extend(backend::validate(&place, raw, index, outside));
    }
    question::doubts(place, kind, raw.backend.as_deref().unwrap_or_default());
    backends.sort_by_key(|backend| backend.priority);
    let replay_buffer = raw.replay_buffer.as_ref().and_then(|raw| place.key("replay_buffer").take(values::size(raw)));
    let probe = probe::validate(&place.key("probe"), raw.probe.as_ref(), outside);
    probe::check_backends(place, probe.as_ref(), &backends);
    Some(PoolConfig {
        name: raw.name.as_deref()?.into(),
        kind,
        deadline: total,
        attempt_timeout: attempt,
        dial_timeout,
        stream_timeout: deadline(&place.key("stream_timeout"), raw.stream_timeout.as_ref(), seconds(60)),
        keep_alive: span(&place.key("keep_alive"), raw.keep_alive.as_ref(), seconds(60)),
        replay: raw.replay.unwrap_or(replay),
        replay_buffer: usize::try_from(replay_buffer.unwrap_or(256 << 10)).unwrap_or(usize::MAX),
        ledger: ledger(&place.key("ledger"), raw, replay),
        retry: retry(&place.key("retry"), raw.retry.as_ref(), retry_status, rounds),
        probe,
        evidence,
        failback: policy::failback(&place.key("failback"), raw.failback.as_ref()),
        flap: policy::flap(&place.key("flap"), raw.flap.as_ref()),
        all_down: raw.all_down.unwrap_or_default(),
        unavailable: unavailable::validate(&place.key("unavailable"), raw.unavailable.as_ref(), kind, outside),
        when_both_bad: raw.when_both_bad.unwrap_or_default(),
        pin: policy::pin(raw.pin.as_ref()),
        follow: raw.follow.as_ref().and_then(follow::config),
        warm: number(raw.warm, 1),
        tunnel: tunnel::validate(&place.key("tunnel"), raw.tunnel.as_ref()),
        drill: policy::drill(&place.key("drill"), raw.drill.as_ref(), raw.backend.as_ref().map_or(0, Vec::len)),
        limits: limits::pool(&place.key("limits"), raw.limits.as_ref()),
        parity: parity::validate(place, raw, &backends, outside),
        backends,
    })
}

/// The shortest age that catches what channels resend, 15 s after the first.
const RESEND: Duration = Duration::from_secs(15);

fn ledger(place: &Place<'_>, raw: &RawPool, preset: Replay) -> LedgerConfig {
    let replay = raw.replay.unwrap_or(preset);
    if raw.ledger.is_some() && replay != Replay::Keyed {
        let message = format!("it has no effect with replay = \"{}\"", replay.as_str());
        place.warning(message, "replay = \"keyed\", or leave it out");
    }
    let none = RawLedger::default();
    let raw = raw.ledger.as_ref().unwrap_or(&none);
    let default = LedgerConfig::default();
    let age = deadline(&place.key("age"), raw.age.as_ref(), default.age);
    if raw.age.is_some() && age < RESEND {
        let hint = "channels resend after 15 s: what is forgotten by then is delivered twice";
        place.key("age").warning(format!("{} is short", values::brief(age)), hint);
    }
    let bytes = |key: &str, raw: Option<&super::raw_values::RawSize>, default: usize| {
        let size = raw.and_then(|raw| place.key(key).take(values::size(raw)));
        size.map_or(default, |size| usize::try_from(size).unwrap_or(usize::MAX))
    };
    let (all, answer) =
        (bytes("bytes", raw.bytes.as_ref(), default.bytes), bytes("answer", raw.answer.as_ref(), default.answer));
    if answer > all {
        let key = if raw.answer.is_some() { "answer" } else { "bytes" };
        let hint = "answers past `bytes` are not kept: a resend gets their status alone";
        place.key(key).warning("one `answer` may be longer than `bytes`, which all share", hint);
    }
    LedgerConfig {
        entries: raw.entries.map_or(default.entries, |entries| usize::try_from(entries).unwrap_or(usize::MAX)),
        age,
        bytes: all,
        answer,
    }
}

fn retry(place: &Place<'_>, raw: Option<&RawRetry>, preset: StatusSet, rounds: u32) -> RetryConfig {
    let none = RawRetry::default();
    let raw = raw.unwrap_or(&none);
    let status = raw.status.as_ref().and_then(|raw| place.key("status").take(values::statuses(raw)));
    if let Some(low) = status.iter().flat_map(|set| &set.0).map(|range| *range.start()).find(|low| *low < 400) {
        let hint = "a status below 400 says that the request was served: it would be served twice";
        place.key("status").warning(format!("{low} would be tried elsewhere"), hint);
    }
    RetryConfig {
        status: status.unwrap_or(preset),
        rounds: number(raw.rounds, rounds),
        budget: raw.budget.as_ref().and_then(|raw| place.key("budget").take(values::share(raw))).unwrap_or(0.2),
        floor: number(raw.floor, 10),
    }
}

fn evidence(place: &Place<'_>, raw: Option<&RawEvidence>, preset: StatusSet) -> EvidenceConfig {
    let none = RawEvidence::default();
    let raw = raw.unwrap_or(&none);
    let status = raw.status.as_ref().and_then(|raw| place.key("status").take(values::statuses(raw)));
    if let Some(range) = status.iter().flat_map(|set| &set.0).find(|range| *range.start() < 500) {
        let hint = "what a client did wrong would then speak against the backend: leave it to retry.status";
        place.key("status").warning(format!("{} is no status of a failing backend", range.start()), hint);
    }
    EvidenceConfig {
        suspect_after: deadline(&place.key("suspect_after"), raw.suspect_after.as_ref(), Duration::from_millis(100)),
        failures: Some(number(raw.failures, 10)).filter(|failures| *failures > 0),
        within: deadline(&place.key("within"), raw.within.as_ref(), Duration::from_secs(2)),
        share: raw.share.as_ref().and_then(|raw| place.key("share").take(values::share(raw))).unwrap_or(0.5),
        recover: span(&place.key("recover"), raw.recover.as_ref(), Duration::from_secs(10)),
        signs: raw.signs.clone().unwrap_or_else(|| Sign::ALL.to_vec()),
        status: status.unwrap_or(preset),
    }
}
