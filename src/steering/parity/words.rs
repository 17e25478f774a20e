//! Numbers, spans and rules as people read them.

use std::time::Duration;

use crate::config::{Against, Difference, ParityRule};

/// What a rule asks for: "at most 15m behind the active".
pub fn rule(rule: &ParityRule) -> String {
    match rule {
        ParityRule::Equal => "equal to the active's".to_owned(),
        ParityRule::MaxLag { lag, against: Against::Active } => format!("at most {} behind the active's", span(*lag)),
        ParityRule::MaxLag { lag, against: Against::Now } => format!("at most {} old", span(*lag)),
        ParityRule::MaxDifference(difference) => format!("at most {} from the active's", limit(*difference)),
        ParityRule::Contains(text) => format!("contains {text:?}"),
    }
}

/// How far two numbers may be apart: "100", "5%".
pub(super) fn limit(difference: Difference) -> String {
    match difference {
        Difference::Absolute(number) => self::number(number),
        Difference::Share(share) => percent(share),
    }
}

/// "4.02%": two digits behind the point at most.
pub(super) fn percent(share: f64) -> String {
    format!("{}%", (share * 10_000.0).round() / 100.0)
}

/// "13,002", "0.5".
pub(super) fn number(number: f64) -> String {
    if number.fract() != 0.0 || number.abs() >= 1e15 {
        return number.to_string();
    }
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0.0 { format!("-{text}") } else { text }
}

/// The two greatest units of a span: "1d 2h", "15m", "1m 30s", "250ms".
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    if seconds == 0 && !span.is_zero() {
        return format!("{}ms", span.as_millis());
    }
    let units = [("d", seconds / 86_400), ("h", seconds / 3600 % 24), ("m", seconds / 60 % 60), ("s", seconds % 60)];
    let first = units.iter().position(|(_, count)| *count > 0).unwrap_or(3);
    let shown = units[first..].iter().take(2).enumerate();
    let shown: Vec<String> = shown
        .filter(|(at, (_, count))| *at == 0 || *count > 0)
        .map(|(_, (unit, count))| format!("{count}{unit}"))
        .collect();
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_spans_are_short_and_exact_enough() {
        for (value, text) in
            [(0.0, "0"), (522.0, "522"), (13_002.0, "13,002"), (-1_234_567.0, "-1,234,567"), (0.5, "0.5")]
        {
            assert_eq!(number(value), text);
        }
        for (seconds, text) in [(0, "0s"), (59, "59s"), (90, "1m 30s"), (900, "15m"), (3600, "1h"), (93_784, "1d 2h")] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
        assert_eq!(span(Duration::from_millis(250)), "250ms");
        assert_eq!((percent(0.05), percent(0.040_159)), ("5%".into(), "4.02%".into()));
    }

    #[test]
    fn a_rule_reads_as_a_sentence_s_end() {
        let lag = Duration::from_secs(900);
        for (value, text) in [
            (ParityRule::Equal, "equal to the active's"),
            (ParityRule::MaxLag { lag, against: Against::Active }, "at most 15m behind the active's"),
            (ParityRule::MaxLag { lag, against: Against::Now }, "at most 15m old"),
            (ParityRule::MaxDifference(Difference::Absolute(100.0)), "at most 100 from the active's"),
            (ParityRule::MaxDifference(Difference::Share(0.05)), "at most 5% from the active's"),
            (ParityRule::Contains("9 to 5".into()), "contains \"9 to 5\""),
        ] {
            assert_eq!(rule(&value), text);
        }
    }
}
