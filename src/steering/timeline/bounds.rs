//! What any request that meets a fault is in for: bounds, each with the rule that sets it.

use std::time::Duration;

use super::super::words::span;
use super::FaultReport;
use crate::config::{Condition, PoolConfig};
use crate::model::Replay;

/// The bounds of one fault, as sentences.
pub(super) fn of(pool: &PoolConfig, fault: &FaultReport) -> Vec<String> {
    let retry = &pool.retry;
    let budget =
        format!("within the retry budget ({}% of requests and {} a second)", retry.budget * 100.0, retry.floor);
    let (covered, others) = (covered(pool.replay), others(pool.replay));
    let mut bounds = match fault.condition {
        Condition::Well => Vec::new(),
        Condition::Down => vec![
            format!("refused dials: tried elsewhere at once, whatever the method, {budget}"),
            under_way(covered, "sent again elsewhere"),
            under_way(others, "fail with 502"),
        ],
        Condition::Reset => {
            vec![said(covered, &format!("tried elsewhere at once, {budget}")), said(others, "fail with 502")]
        }
        Condition::Status(status) => answered(pool, status, covered, others, &budget),
        Condition::Flaky(_) => answered(pool, 503, covered, others, &budget),
        Condition::Slow(by) if by < longest(pool) => vec![format!("every request: answered {} later", span(by))],
        Condition::Slow(_) | Condition::Hang => waiting(pool, fault, covered, others, &budget),
    };
    bounds.retain(|bound| !bound.is_empty());
    if pool.backends.len() == 1 {
        bounds = vec!["the pool has no other backend: every request that meets it fails, or waits".to_owned()];
    }
    if let Some(probe) = &pool.probe {
        bounds.push(format!(
            "times depend on where between two probes the fault begins: other beginnings differ by up to {}",
            span(probe.interval)
        ));
    }
    bounds
}

/// The longest that one attempt may take.
fn longest(pool: &PoolConfig) -> Duration {
    pool.attempt_timeout.unwrap_or(pool.deadline).min(pool.deadline)
}

fn waiting(pool: &PoolConfig, fault: &FaultReport, covered: &str, others: &str, budget: &str) -> Vec<String> {
    let limit = longest(pool);
    let rule =
        if pool.attempt_timeout.is_some_and(|limit| limit < pool.deadline) { "attempt_timeout" } else { "deadline" };
    let spared = match fault.moved {
        Some(moved) if moved < limit => {
            format!("wait until the pool moves ({}), then are sent elsewhere", shown(moved))
        }
        _ if rule == "attempt_timeout" => {
            format!("wait for {} (attempt_timeout), then go elsewhere {budget}", span(limit))
        }
        _ => format!("wait for {} (deadline), and fail with 504", span(limit)),
    };
    vec![said(covered, &spared), said(others, &format!("wait for {} ({rule}), and fail with 504", span(limit)))]
}

fn answered(pool: &PoolConfig, status: u16, covered: &str, others: &str, budget: &str) -> Vec<String> {
    if !pool.retry.status.contains(status) {
        return vec![format!("every request so answered: the client gets the {status}, which is not in retry.status")];
    }
    vec![
        said(covered, &format!("tried elsewhere at once, {budget}")),
        said(others, &format!("the client gets the {status}")),
    ]
}

fn said(who: &str, what: &str) -> String {
    if who.is_empty() { String::new() } else { format!("{who}: {what}") }
}

fn under_way(who: &str, what: &str) -> String {
    if who.is_empty() { String::new() } else { format!("under way on it, {who}: {what}") }
}

/// Which requests the replay rule covers once they were written; nothing when none.
fn covered(replay: Replay) -> &'static str {
    match replay {
        Replay::Unsent => "",
        Replay::Safe => "idempotent methods (replay = \"safe\")",
        Replay::Keyed => "idempotent methods and requests with a key (replay = \"keyed\")",
        Replay::All => "every request (replay = \"all\")",
    }
}

fn others(replay: Replay) -> &'static str {
    match replay {
        Replay::Unsent => "every request (replay = \"unsent\")",
        Replay::Safe => "other methods",
        Replay::Keyed => "other methods without a key",
        Replay::All => "",
    }
}

/// A simulated span, to a hundredth of a second.
pub(super) fn shown(simulated: Duration) -> String {
    format!("{} s", (simulated.as_secs_f64() * 100.0).round() / 100.0)
}
