//! Numbers, spans and rules as people read them.

use std::time::Duration;

use crate::config::{Against, Difference, ParityRule};
use crate::steering::words;

/// What a rule asks for: "at most 15 min behind the active's".
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

/// A span without what does not matter beside its greatest unit: "1 d 2 h", "15 min", "90 s", "0.25 s".
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let grain = match seconds {
        0 => return words::span(span),
        1..3600 => 1,
        3600..86_400 => 60,
        _ => 3600,
    };
    words::span(Duration::from_secs(seconds - seconds % grain))
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
        for (seconds, text) in
            [(0, "0 s"), (59, "59 s"), (90, "90 s"), (900, "15 min"), (3600, "1 h"), (93_784, "1 d 2 h")]
        {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
        assert_eq!(span(Duration::from_millis(250)), "0.25 s");
        assert_eq!((percent(0.05), percent(0.040_159)), ("5%".into(), "4.02%".into()));
    }

    #[test]
    fn a_rule_reads_as_a_sentence_s_end() {
        let lag = Duration::from_secs(900);
        for (value, text) in [
            (ParityRule::Equal, "equal to the active's"),
            (ParityRule::MaxLag { lag, against: Against::Active }, "at most 15 min behind the active's"),
            (ParityRule::MaxLag { lag, against: Against::Now }, "at most 15 min old"),
            (ParityRule::MaxDifference(Difference::Absolute(100.0)), "at most 100 from the active's"),
            (ParityRule::MaxDifference(Difference::Share(0.05)), "at most 5% from the active's"),
            (ParityRule::Contains("9 to 5".into()), "contains \"9 to 5\""),
        ] {
            assert_eq!(rule(&value), text);
        }
    }
}
