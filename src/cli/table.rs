//! Pools for a human reader, within 80 columns.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::print::{Style, Tone, plain};
use crate::model::{BackendView, Health, Phase, PoolView, Utc};

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
    let since = format!("since {}{}: {}", pool.since, age(pool.since, now), pool.reason);
    text.push_str(&wrapped(&since, 2));
    let width = pool.backends.iter().map(|backend| backend.name.as_str().chars().count()).max().unwrap_or(0).max(7);
    let head = format!("  {:width$}  {:<9}  {:<5}  {:>9}  LAST PROBE", "BACKEND", "HEALTH", "READY", "IN FLIGHT");
    let _ = writeln!(text, "{}", style.paint(Tone::Quiet, &head));
    for backend in &pool.backends {
        let mark = if pool.active.as_ref() == Some(&backend.name) { ">" } else { " " };
        text.push_str(&row(backend, mark, width, style, now));
    }
    text
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
    if let Some(error) = backend.probe.as_ref().and_then(|probe| probe.error.as_deref()) {
        text.push_str(&style.paint(Tone::Bad, wrapped(error, 6).trim_end()));
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
fn wrapped(text: &str, indent: usize) -> String {
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
    use crate::model::{FlapView, ProbeView};

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
        assert!(text.contains("  since 2026-11-01T12:00:00Z (3m 20s): westeurope failed 2 probes"), "{text}");
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
    fn spans_have_two_units() {
        let told = [0, 59, 60, 3_599, 3_660, 90_000].map(span);
        assert_eq!(told, ["0s", "59s", "1m 0s", "59m 59s", "1h 1m", "1d 1h"]);
    }
}
