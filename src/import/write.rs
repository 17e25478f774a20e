//! A draft as TOML.

use std::fmt::Write;

use super::Imported;
use super::draft::{Backend, Draft, Pool, Probe, Route};

/// Writes a config.
pub(super) fn write(draft: Draft) -> Imported {
    let mut text = String::new();
    for line in &draft.title {
        comment(&mut text, line);
    }
    text.push_str(
        "#\n# Before it is used: put in the names of your certificates, and read what standard error said.\n\
         # Then: botgate check --config FILE\n\n\
         [[listener]]\nbind = \"0.0.0.0:443\"\n\
         certificates = [{ chain = \"certs/bot.pem\", key = \"certs/bot.key\" }]\n",
    );
    for it in &draft.routes {
        route(&mut text, it);
    }
    for it in &draft.pools {
        pool(&mut text, it);
    }
    Imported { config: text, notes: draft.notes }
}

// Writing to a String cannot fail: what `write!` returns says nothing.

fn route(text: &mut String, route: &Route) {
    text.push_str("\n[[route]]\n");
    if let Some(line) = &route.comment {
        comment(text, line);
    }
    if let Some(host) = &route.host {
        let _ = writeln!(text, "host = {}", quoted(host));
    }
    if route.path != "/" {
        let _ = writeln!(text, "path = {}", quoted(&route.path));
    }
    let _ = writeln!(text, "pool = {}", quoted(&route.pool));
}

fn pool(text: &mut String, pool: &Pool) {
    text.push_str("\n[[pool]]\n");
    comment(text, &pool.comment);
    let _ = writeln!(text, "name = {}", quoted(&pool.name));
    text.push_str(
        "# kind = \"bot\"                # or \"question-answering\": presets for what such a service needs\n",
    );
    if let Some(deadline) = pool.deadline {
        let _ = writeln!(text, "deadline = \"{}s\"", deadline.as_secs());
    }
    match &pool.probe {
        Some(it) => probe(text, it),
        None => {
            text.push_str("probe = false                 # hazard: only live traffic tells that a backend is down\n")
        }
    }
    for it in &pool.backends {
        backend(text, it);
    }
}

fn probe(text: &mut String, probe: &Probe) {
    let mut keys = Vec::new();
    if probe.tcp {
        keys.push("kind = \"tcp\"".to_owned());
    }
    if probe.head {
        keys.push("method = \"HEAD\"".to_owned());
    }
    let mut quote =
        |key: &str, value: Option<String>| keys.extend(value.map(|value| format!("{key} = {}", quoted(&value))));
    quote("path", probe.path.clone());
    quote("interval", probe.interval.map(|span| format!("{}s", span.as_secs())));
    quote("timeout", probe.timeout.map(|span| format!("{}s", span.as_secs())));
    quote("status", probe.status.clone());
    keys.extend(probe.fall.map(|fall| format!("fall = {fall}")));
    if !probe.headers.is_empty() {
        // A value is a secret to the config: `${` would be asked of the environment.
        let pairs = probe
            .headers
            .iter()
            .map(|(name, value)| format!("{} = {}", quoted(name), quoted(&value.replace("${", "$${"))));
        keys.push(format!("headers = {{ {} }}", pairs.collect::<Vec<_>>().join(", ")));
    }
    let _ = writeln!(text, "probe = {{ {} }}", keys.join(", "));
}

fn backend(text: &mut String, backend: &Backend) {
    text.push('\n');
    let off = if backend.serves() { "  " } else { "  # " };
    if let Some(line) = &backend.comment {
        text.push_str("  ");
        comment(text, line);
    }
    let _ = writeln!(text, "{off}[[pool.backend]]");
    let _ = writeln!(text, "{off}name = {}", quoted(&backend.name));
    let _ = writeln!(text, "{off}url = {}", quoted(backend.url.as_deref().unwrap_or("https://…")));
    if let Some(host) = &backend.host {
        let _ = writeln!(text, "{off}host = {}", quoted(host));
    }
}

/// A line of comment: TOML allows no control characters there, and no line may end early.
fn comment(text: &mut String, line: &str) {
    let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let _ = writeln!(text, "# {}", line.trim());
}

/// A basic string (TOML 1.0).
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_elsewhere_stays_within_its_string_and_its_comment() {
        let hostile = "a\"\\\n[x]\r\t\u{7f}\u{85}é";
        let document = format!("x = {}", quoted(hostile));
        let read: toml::Table = toml::from_str(&document).unwrap();
        assert_eq!(read["x"].as_str(), Some(hostile));
        let mut text = String::new();
        comment(&mut text, hostile);
        assert_eq!(text.lines().count(), 1);
        assert!(toml::from_str::<toml::Table>(&text).unwrap().is_empty());
    }
}
