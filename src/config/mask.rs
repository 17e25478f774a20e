//! The text of a config with its secrets masked, byte for byte as long as the original, for use in snippets.

use std::collections::HashSet;
use std::ops::Range;

use super::text::SyntaxError;

/// Keys whose values are never secrets and stand alone on their line: shown even when the text cannot be parsed.
const PLAIN: &[&str] = &[
    "state_dir",
    "user",
    "group",
    "workers",
    "shutdown_grace",
    "target",
    "servers",
    "min_ttl",
    "max_ttl",
    "timeout",
    "bind",
    "tls",
    "proxy_protocol",
    "trusted",
    "max_connections",
    "handshake_timeout",
    "header_timeout",
    "body_timeout",
    "idle_timeout",
    "max_header_size",
    "max_connections_per_address",
    "min_body_rate",
    "min_read_rate",
    "rate_grace",
    "held_bodies",
    "path",
    "pool",
    "max_body",
    "name",
    "kind",
    "deadline",
    "attempt_timeout",
    "dial_timeout",
    "stream_timeout",
    "keep_alive",
    "replay",
    "replay_buffer",
    "all_down",
    "priority",
    "http2",
    "host",
    "server_name",
    "ca",
    "interval",
    "fall",
    "rise",
    "jitter",
    "mode",
    "hold",
    "failovers",
    "within",
    "max_age",
    "max_size",
    "windows",
    "when_both_bad",
    "yield_when_down",
    "follow",
    "when_unavailable",
    "schedule",
    "for",
    "max_error_rate",
    "max_slowdown",
];

/// Masks the values at `hidden`, and URLs with credentials. In a text with syntax errors nobody can say where a value
/// ends, so there every value is masked but those that stand alone on the line of a key that takes no secret.
pub(super) fn mask(text: &str, hidden: &[Range<usize>], errors: &[SyntaxError]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for span in hidden {
        let Some(value) = text.get(span.clone()) else { continue };
        for piece in outside_references(value) {
            blank(&mut bytes[span.start + piece.start..span.start + piece.end]);
        }
    }
    if !errors.is_empty() {
        let known = keys();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            if let Some(from) = first_doubtful(line, &known) {
                blank(&mut bytes[start + from..start + line.len()]);
            }
            start += line.len();
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// The comments of a text whose values stand at `leaves`, in order: an old secret is often kept in one.
pub(super) fn comments(text: &str, leaves: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut comments = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find('#').map(|at| from + at) {
        let before = leaves.partition_point(|leaf| leaf.start <= at);
        let within = before.checked_sub(1).and_then(|index| leaves.get(index)).filter(|leaf| at < leaf.end);
        if within.is_some() {
            from = at + 1;
            continue;
        }
        let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
        comments.push(at..end);
        from = end;
    }
    comments
}

/// Where a line of a text that cannot be parsed may begin to hold a secret: not before the end of a known key, and nowhere
/// on a line that is a header of known names, or gives a value to a key that takes no secret.
fn first_doubtful(line: &str, known: &HashSet<String>) -> Option<usize> {
    let trimmed = line.trim();
    let header = trimmed.strip_prefix('[').map(|rest| rest.trim_matches(['[', ']']));
    if header.is_some_and(|names| names.split('.').all(|name| known.contains(name.trim()))) {
        return None;
    }
    match line.split_once('=') {
        Some((key, value)) if PLAIN.contains(&key.trim()) && !value.contains(['{', '=', '$', '#']) => None,
        Some((key, _)) if known.contains(key.trim()) => Some(key.len() + 1),
        _ => Some(0),
    }
}

/// Every key that a config can have.
fn keys() -> HashSet<String> {
    let schema = super::json_schema();
    let tables = schema.get("$defs").and_then(|all| all.as_object()).into_iter().flat_map(|all| all.values());
    let keys = tables.chain([&schema]).filter_map(|table| table.get("properties")?.as_object());
    keys.flat_map(|keys| keys.keys().cloned()).collect()
}

/// Replaces all but white space and punctuation that shows the structure.
fn blank(bytes: &mut [u8]) {
    for byte in bytes {
        if !matches!(byte, b'\r' | b'\n' | b' ' | b'\t' | b'"' | b'\'' | b'{' | b'}' | b'[' | b']' | b',') {
            *byte = b'*';
        }
    }
}

/// What of a value lies outside `${NAME}`: a reference is no secret, and seeing it helps.
fn outside_references(value: &str) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut from = 0;
    while let Some(open) = value[from..].find("${").map(|at| from + at) {
        let Some(close) = value[open..].find('}').map(|at| open + at) else { break };
        let name = &value[open + 2..close];
        let proper =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        let end = if proper { open } else { close + 1 };
        pieces.push(from..end);
        from = close + 1;
    }
    pieces.push(from..value.len());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_and_a_reference_is_not() {
        let text = "token = \"Key ${NAME} s3cr3t ü\"";
        let masked = mask(text, std::slice::from_ref(&(8..text.len())), &[]);
        assert_eq!(masked, "token = \"*** ${NAME} ****** **\"");
        assert_eq!(masked.len(), text.len());
    }

    #[test]
    fn comments_are_told_from_values_that_look_like_them() {
        let text = "a = \"x#y\" # old\n# all\nb = 1\n";
        let (root, _) = super::super::text::read(text);
        let found: Vec<&str> = comments(text, &root.leaves()).into_iter().map(|span| &text[span]).collect();
        assert_eq!(found, ["# old", "# all"]);
    }

    #[test]
    fn the_keys_that_are_shown_are_keys_that_take_no_secret() {
        let schema = crate::config::json_schema();
        let tables = schema["$defs"].as_object().unwrap().values().chain([&schema]);
        let keys: Vec<_> = tables.filter_map(|table| table["properties"].as_object()).flatten().collect();
        for name in PLAIN {
            assert!(keys.iter().any(|(key, _)| key == name), "{name} is no key");
            for (key, property) in keys.iter().filter(|(key, _)| key == name) {
                let target = property["$ref"].as_str().unwrap_or_default();
                assert!(!target.ends_with("/Secret") && property["additionalProperties"].is_null(), "{key}");
            }
        }
    }

    #[test]
    fn a_text_that_cannot_be_parsed_shows_only_lines_that_hold_no_secret() {
        let text = "token = \"s3cr3t\nbind = 0.0.0.0\nheaders = { A = \"s3cr3t\" }\n  s3cr3t\n[[pool]]\n";
        let masked = mask(text, &[], &[SyntaxError { message: String::new(), span: 0..1 }]);
        assert!(!masked.contains("s3cr3t"));
        assert!(masked.contains("bind = 0.0.0.0\n") && masked.contains("[[pool]]"));
    }
}
