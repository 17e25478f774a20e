//! Pools for a human reader, within 80 columns.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::print::{Style, Tone, plain};
use crate::model::{BackendView, FlapView, Health, Phase, PoolView, Utc};

/// Longest line that is not forced by a long name.
const WIDTH: usize = 80;

/// All pools, an empty line between two.
pub(super) fn pools(pools: &[PoolView], style: Style, now: Timestamp) -> String {
    if pools.is_empty() {
        return "no pools: the config has none\n".to_owned();
    }
    pools.iter().map(|view| pool(view, style, now)).collect::<Vec<_>>().join("\n")
}

/// One pool: what it does and why, then its backends.
pub(super) fn pool(pool: &PoolView, style: Style, now: Timestamp) -> String {
    let active = pool.active.as_ref().map_or("no active backend".to_owned(), |active| format!("active {active}"));
    let name = style.paint(Tone::Strong, &plain(pool.name.as_str()));
    let phase = style.paint(tone_of(pool.phase), pool.phase.as_str());
    // Writing to a String cannot fail.
    let mut text = format!("{name}  {phase}  {}  epoch {}\n", plain(&active), pool.epoch);
    // The reason is that of the last decision, which may be younger than the phase.
    let since = format!("{} since {}{}; last decision: {}", pool.phase, pool.since, age(pool.since, now), pool.reason);
    text.push_str(&wrapped(&since, 2));
    for (line, tone) in held(pool, now) {
        let line = wrapped(&line, 2);
        let _ = writeln!(text, "{}", style.paint(tone, line.trim_end()));
    }
    let width = pool.backends.iter().map(|backend| backend.name.as_str().chars().count()).max().unwrap_or(0).max(7);
    let head = format!("  {:width$}  {:<9}  {:<5}  {:>9}  LAST PROBE", "BACKEND", "HEALTH", "READY", "IN FLIGHT");
    let _ = writeln!(text, "{}", style.paint(Tone::Quiet, &head));
    for backend in &pool.backends {
        let mark = if pool.active.as_ref() == Some(&backend.name) { ">" } else { " " };
        text.push_str(&row(backend, mark, width, style, now));
    }
    text
}

/// What holds the pool where it is, and what is left of its flap budget.
fn held(pool: &PoolView, now: Timestamp) -> Vec<(String, Tone)> {
    let name = &pool.name;
    let mut lines = Vec::new();
    if let Some(pin) = &pool.pin {
        let until = pin.until.map_or_else(|| "until released".to_owned(), |at| format!("until {at}{}", left(at, now)));
        let yields = if pin.yield_when_down { ", yields when down" } else { "" };
        // Who and why are told once: right after a pin they are the reason of the pool.
        let note = if pin.note == pool.reason { String::new() } else { format!(": {}", pin.note) };
        lines.push((format!("pin to {} {until}{yields}{note}", pin.backend), Tone::Warning));
    }
    if let Some(run) = &pool.drill {
        let text = format!("drill {} until {}{}: {}", run.id, run.until, left(run.until, now), run.note);
        lines.push((text, Tone::Warning));
    }
    if pool.latched {
        let text = format!("latched: it failed over too often; `botgate unpin {name}` or `failback` releases it");
        lines.push((text, Tone::Bad));
    }
    if let Some(at) = pool.failback_at {
        lines.push((format!("moves back by itself at {at}{}", left(at, now)), Tone::Good));
    }
    if pool.phase == Phase::AwaitingApproval {
        lines.push((format!("moves back when an operator says `botgate failback {name}`"), Tone::Warning));
    }
    let FlapView { failovers, budget, within_seconds } = pool.flap;
    let tone = if failovers == 0 { Tone::Quiet } else { Tone::Warning };
    lines.push((format!("flap budget: {failovers} of {budget} failovers within {} spent", span(within_seconds)), tone));
    lines
}

/// How far a time is ahead.
fn left(at: Utc, now: Timestamp) -> String {
    format!(" (in {})", span(at.since(Utc::from(now)).as_secs()))
}

fn row(backend: &BackendView, mark: &str, width: usize, style: Style, now: Timestamp) -> String {
    let name = plain(backend.name.as_str());
    // Padded before it is painted: escapes have no width.
    let (health, tone) = match (backend.drained, backend.health) {
        (true, _) => ("drained", Tone::Warning),
        (false, Health::Healthy) => ("healthy", Tone::Good),
        (false, Health::Unknown) => ("unknown", Tone::Warning),
        (false, Health::Unhealthy) => ("unhealthy", Tone::Bad),
    };
    let health = style.paint(tone, &format!("{health:<9}"));
    let ready = if backend.ready { "yes" } else { "no" };
    let mut text =
        format!("{mark} {name:width$}  {health}  {ready:<5}  {:>9}  {}\n", backend.in_flight, last_probe(backend, now));
    match backend.tunnels {
        0 => {}
        1 => text.push_str("      1 tunnel is open\n"),
        open => text.push_str(&format!("      {open} tunnels are open\n")),
    }
    let error = backend.probe.as_ref().and_then(|probe| probe.error.clone());
    let lacks = (!backend.lacks.is_empty()).then(|| format!("not ready: {}", backend.lacks.join("; ")));
    // What it lacks holds the error of its probes, once they are a verdict.
    let error = error.filter(|error| !lacks.as_ref().is_some_and(|lacks| lacks.contains(error)));
    for line in lacks.into_iter().chain(error) {
        text.push_str(&style.paint(Tone::Bad, wrapped(&line, 6).trim_end()));
        text.push('\n');
    }
    text
}

fn last_probe(backend: &BackendView, now: Timestamp) -> String {
    let Some(probe) = &backend.probe else { return "off".to_owned() };
    let Some(last) = probe.last else { return "none yet".to_owned() };
    let verdict = if probe.error.is_some() { "bad" } else { "good" };
    let ago = format!("{} ago", span(since(last, now)));
    format!("{verdict} ×{}, {ago}", probe.consecutive)
}

const fn tone_of(phase: Phase) -> Tone {
    match phase {
        Phase::Steady => Tone::Good,
        Phase::AllDown => Tone::Bad,
        _ => Tone::Warning,
    }
}

fn age(at: Utc, now: Timestamp) -> String {
    format!(" ({})", span(since(at, now)))
}

/// Whole seconds from a time to `now`; a clock that is behind the server's gives zero.
fn since(at: Utc, now: Timestamp) -> u64 {
    Utc::from(now).since(at).as_secs()
}

/// A span with its two largest units: `5s`, `3m 20s`, `2h 5m`, `4d 1h`.
fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {}s", seconds % 60),
        3600..86_400 => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// Words on lines of at most [`WIDTH`], indented.
pub(super) fn wrapped(text: &str, indent: usize) -> String {
    let text = plain(text);
    let (mut lines, mut line) = (String::new(), String::new());
    for word in text.split_whitespace() {
        if !line.is_empty() && indent + line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(lines, "{:indent$}{line}", "");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(lines, "{:indent$}{line}", "");
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PinView, ProbeView, RunView};

    fn now() -> Timestamp {
        "2026-11-01T12:03:20Z".parse().unwrap()
    }

    fn failed_over() -> PoolView {
        let backend = |name: &str, priority, health, probe| BackendView {
            name: name.into(),
            url: "https://x".into(),
            priority,
            health,
            ready: health == Health::Healthy,
            lacks: vec![],
            drained: false,
            in_flight: 12,
            tunnels: 0,
            addresses: vec![],
            probe,
        };
        let at = Some(Utc::from("2026-11-01T12:03:18Z".parse::<Timestamp>().unwrap()));
        let bad = ProbeView { last: at, consecutive: 5, error: Some("connection refused ".repeat(8)) };
        let good = ProbeView { last: at, consecutive: 100, error: None };
        PoolView {
            name: "bot-api".into(),
            phase: Phase::FailedOver,
            active: Some("northeurope".into()),
            epoch: 2,
            since: "2026-11-01T12:00:00Z".parse::<Timestamp>().unwrap().into(),
            pin: None,
            drill: None,
            latched: false,
            flap: FlapView { failovers: 1, budget: 3, within_seconds: 3600 },
            failback_at: None,
            reason: "westeurope failed 2 probes: no answer within 250 ms, and northeurope is healthy".into(),
            backends: vec![
                backend("westeurope", 1, Health::Unhealthy, Some(bad)),
                backend("northeurope", 2, Health::Healthy, Some(good)),
            ],
            parity: vec![],
        }
    }

    #[test]
    fn a_pool_is_told_within_80_columns() {
        let text = pool(&failed_over(), Style::PLAIN, now());
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.starts_with("bot-api  failed-over  active northeurope  epoch 2\n"), "{text}");
        assert!(
            text.contains("  failed-over since 2026-11-01T12:00:00Z (3m 20s); last decision: westeurope"),
            "{text}"
        );
        assert!(text.contains("> northeurope  healthy    yes           12  good ×100, 2s ago\n"), "{text}");
        assert!(
            text.contains("  westeurope   unhealthy  no            12  bad ×5, 2s ago\n      connection"),
            "{text}"
        );
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn a_drained_backend_says_so_before_its_health() {
        let mut view = failed_over();
        view.backends[1].drained = true;
        let text = pool(&view, Style::PLAIN, now());
        assert!(text.contains("> northeurope  drained"), "{text}");
    }

    #[test]
    fn what_is_missing_is_said() {
        let mut view = failed_over();
        view.active = None;
        view.backends[0].probe = None;
        view.backends[1].probe = Some(ProbeView::default());
        let text = pool(&view, Style::PLAIN, now());
        assert!(
            text.contains("no active backend") && text.contains("  off\n") && text.contains("  none yet\n"),
            "{text}"
        );
        assert_eq!(pools(&[], Style::PLAIN, now()), "no pools: the config has none\n");
    }

    #[test]
    fn what_holds_a_pool_is_told_with_its_end() {
        let at = |text: &str| Utc::from(text.parse::<Timestamp>().unwrap());
        let mut view = failed_over();
        let (until, note) = (Some(at("2026-11-01T14:03:20Z")), "pinned to westeurope by local (ann): audit".to_owned());
        view.pin = Some(PinView { backend: "westeurope".into(), until, yield_when_down: true, note });
        view.drill = Some(RunView {
            id: "bot-api-1".into(),
            target: "northeurope".into(),
            origin: "westeurope".into(),
            until: at("2026-11-01T12:13:20Z"),
            note: "rehearsal".into(),
        });
        (view.latched, view.failback_at) = (true, Some(at("2026-11-01T12:04:20Z")));
        view.phase = Phase::AwaitingApproval;
        let text = pool(&view, Style::PLAIN, now());
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for line in [
            "pin to westeurope until 2026-11-01T14:03:20Z (in 2h 0m), yields when down: pinned to westeurope by local (ann): audit",
            "drill bot-api-1 until 2026-11-01T12:13:20Z (in 10m 0s): rehearsal",
            "latched: it failed over too often; `botgate unpin bot-api` or `failback` releases it",
            "moves back by itself at 2026-11-01T12:04:20Z (in 1m 0s)",
            "moves back when an operator says `botgate failback bot-api`",
            "flap budget: 1 of 3 failovers within 1h 0m spent",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn what_a_backend_lacks_is_told_once() {
        let mut view = failed_over();
        view.backends[0].lacks = vec!["it is unhealthy: refused".into(), "it is out of step: 2 h behind".into()];
        view.backends[0].probe.as_mut().unwrap().error = Some("refused".into());
        let text = pool(&view, Style::PLAIN, now());
        assert!(
            text.contains("      not ready: it is unhealthy: refused; it is out of step: 2 h behind\n> north"),
            "{text}"
        );
    }

    #[test]
    fn spans_have_two_units() {
        let told = [0, 59, 60, 3_599, 3_660, 90_000].map(span);
        assert_eq!(told, ["0s", "59s", "1m 0s", "59m 59s", "1h 1m", "1d 1h"]);
    }
}
