//! Path prefixes that are replaced.

use crate::config::RewriteConfig;

/// The path with the first rewrite that fits; none when none does.
pub(super) fn rewritten(path: &str, rules: &[RewriteConfig]) -> Option<String> {
    rules.iter().find_map(|rule| {
        let rest = below(path, &rule.prefix)?;
        Some(format!("{}{rest}", rule.to.trim_end_matches('/')))
    })
}

/// What follows `prefix` in `path`, on a segment border; without regard to case, as the services behind a rewrite read
/// their paths.
fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let prefix = prefix.trim_end_matches('/');
    let head = path.get(..prefix.len())?;
    let rest = &path[prefix.len()..];
    (head.eq_ignore_ascii_case(prefix) && (rest.is_empty() || rest.starts_with('/'))).then_some(rest)
}
