//! One activity as a line.

use super::super::print::{self, Style, Tone};
use crate::model::{ActivityView, Utc};

/// When, how it was answered and by whom, and what it was.
pub(super) fn line(activity: &ActivityView, style: Style) -> String {
    let plain = |text: &str| print::plain(text).replace('\n', " ");
    let tone = match activity.status {
        ..400 => Tone::Good,
        400..500 => Tone::Warning,
        _ => Tone::Bad,
    };
    let status = style.paint(tone, &activity.status.to_string());
    let backend = activity.backend.as_ref().map_or("--", |backend| backend.as_str());
    let mut text = format!(
        "{}  {status}  {:>8.1} ms  {backend}  {}  {}",
        time(activity.at),
        activity.duration_ms,
        plain(&activity.channel),
        plain(&activity.kind)
    );
    if let Some(name) = &activity.name {
        text.push_str(&format!("  {}", plain(name)));
    }
    if let Some(said) = &activity.text {
        text.push_str(&format!("  \"{}\"", plain(said)));
    }
    if activity.attempts > 1 {
        text.push_str(&format!("  (attempt {})", activity.attempts));
    }
    if activity.backend.is_none() || activity.outcome != "answered" {
        text.push_str(&format!("  [{}]", plain(&activity.outcome)));
    }
    text.push('\n');
    text
}

/// To the millisecond always, so that the columns stay under each other.
fn time(at: Utc) -> String {
    let text = at.to_string();
    let (second, millis) = text.trim_end_matches('Z').split_once('.').unwrap_or((text.trim_end_matches('Z'), ""));
    format!("{second}.{millis:0<3}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activity() -> ActivityView {
        ActivityView {
            at: Utc::from_millis(1_793_534_400_000),
            pool: "bot-api".into(),
            backend: Some("westeurope".into()),
            kind: "message".into(),
            channel: "msteams".into(),
            conversation: "a".into(),
            id: None,
            name: None,
            text: Some("hi\u{1b}[2J\nthere".into()),
            status: 200,
            duration_ms: 12.34,
            attempts: 1,
            outcome: "answered".into(),
            request_id: "r".into(),
        }
    }

    #[test]
    fn a_line_says_when_how_long_by_whom_and_what_without_commanding_the_terminal() {
        let expected = "2026-11-01T12:00:00.000Z  200      12.3 ms  westeurope  msteams  message  \"hi [2J there\"\n";
        assert_eq!(line(&activity(), Style::PLAIN), expected);
        let refused = ActivityView { backend: None, status: 401, outcome: "no-token".into(), text: None, ..activity() };
        assert!(line(&refused, Style::PLAIN).ends_with("--  msteams  message  [no-token]\n"));
    }
}
