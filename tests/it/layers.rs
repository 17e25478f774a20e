//! The house rules of the tree: imports go down only, each outside crate has one door, steering is pure, files stay small.

use std::path::Path;

use crate::source::{bare, files, read};

/// Ranks of the top-level modules: design, section 3.
const RANKS: [(&str, u8); 18] = [
    ("main", 7),
    ("cli", 7),
    ("app", 6),
    ("server", 5),
    ("admin", 5),
    ("sim", 5),
    ("proxy", 4),
    ("control", 4),
    ("snapshot", 3),
    ("upstream", 2),
    ("steering", 2),
    ("bot", 2),
    ("ledger", 2),
    ("tls", 2),
    ("import", 2),
    ("config", 1),
    ("telemetry", 1),
    ("wire", 1),
];

/// Outside crates and the only places that may name them.
const DOORS: [(&str, &[&str]); 13] = [
    ("nix", &["src/app"]),
    ("hickory_resolver", &["src/upstream/resolve"]),
    ("hickory_proto", &["src/upstream/resolve"]),
    ("h2", &["src/upstream/sender", "src/server/http/h2", "src/proxy/http2_body"]),
    // In tls/ and server/ for what a reload swaps in a listener: its certificates, its realm and its limits.
    ("arc_swap", &["src/snapshot/", "src/tls/set", "src/tls/certificate", "src/server/listener"]),
    ("metrics", &["src/telemetry/"]),
    ("metrics_exporter_prometheus", &["src/telemetry/"]),
    ("axum", &["src/admin/"]),
    ("utoipa_axum", &["src/admin/"]),
    ("notify", &["src/config/watch"]),
    ("rusqlite", &["src/control/journal"]),
    ("roxmltree", &["src/control/parity/xml"]),
    // In proxy/ for the certificate that backends are told; a test of control makes up a key.
    ("base64", &["src/bot/token/", "src/proxy/client", "src/control/tests/keys"]),
];

/// What a pure folder does not name: clocks, I/O, threads, runtimes, logs, and random numbers that nobody can draw again.
const IMPURE: [&str; 15] = [
    "tokio",
    "tracing",
    "Instant",
    "SystemTime",
    "Clock",
    "Utc::now",
    "Timestamp::now",
    "std::fs",
    "std::net",
    "std::io",
    "std::env",
    "std::thread",
    "std::process",
    "fastrand::f64",
    "Rng::new",
];

/// No file is longer.
const LINES: usize = 500;

fn rank(module: &str) -> Option<u8> {
    if module == "model" || module == "pki" {
        return Some(0);
    }
    RANKS.iter().find(|(name, _)| *name == module).map(|(_, rank)| *rank)
}

/// The top-level module that a file under `src` belongs to; none for `lib.rs`, which declares them all.
fn owner(path: &Path) -> Option<String> {
    let below = path.strip_prefix("src").ok()?;
    let first = below.iter().next()?.to_str()?;
    let name = first.trim_end_matches(".rs");
    (name != "lib").then(|| name.to_owned())
}

/// How many modules deep a file is: 1 for `src/a.rs` and `src/a/mod.rs`, 2 for `src/a/b.rs`.
fn depth(path: &Path) -> usize {
    let parts = path.components().count() - 1;
    let own = path.file_name().is_some_and(|name| name == "mod.rs");
    parts - usize::from(own)
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Every place where `word` stands on its own and begins a path.
fn starts<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = text[..*at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(|c| is_word(c) || c == ':' || c == '.') && !after.is_some_and(is_word)
    })
}

/// The first names of what follows `crate::`: one, or those of a group.
fn firsts(rest: &str) -> Vec<String> {
    let name = |text: &str| text.trim_start().chars().take_while(|c| is_word(*c)).collect::<String>();
    let Some(group) = rest.trim_start().strip_prefix('{') else { return vec![name(rest)] };
    let (mut depth, mut from, mut found) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                found.push(name(&group[from..at]));
                from = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

/// Line and top-level module of every path in a file that begins at the root of the crate.
fn imports(path: &Path, source: &str) -> Vec<(usize, String)> {
    let text = bare(source);
    let mut found = Vec::new();
    for root in ["crate", "botgate"] {
        for at in starts(&text, root) {
            if let Some(rest) = text[at + root.len()..].strip_prefix("::") {
                found.extend(firsts(rest).into_iter().map(|name| (line_of(&text, at), name)));
            }
        }
    }
    for at in starts(&text, "super") {
        let mut rest = &text[at..];
        let mut up = 0;
        while let Some(more) = rest.strip_prefix("super::") {
            (rest, up) = (more, up + 1);
        }
        // An inline module (`mod tests {`) is one deeper.
        let inline = text[..at].contains("mod tests {");
        if up == depth(path) + usize::from(inline) {
            found.extend(firsts(rest).into_iter().map(|name| (line_of(&text, at), name)));
        }
    }
    found
}

/// What a file imports against the rule.
fn breaches(path: &Path, source: &str) -> Vec<String> {
    let Some(own) = owner(path) else { return Vec::new() };
    let at = |line: usize| format!("{}:{line}", path.display());
    let Some(own_rank) = rank(&own) else { return vec![format!("{}: `{own}` has no rank", at(1))] };
    let mut found = Vec::new();
    for (line, module) in imports(path, source) {
        if module == own {
            continue;
        }
        match rank(&module) {
            // The binary only enters: it names the commands, which stand beside it.
            Some(7) if own == "main" => {}
            Some(rank) if rank < own_rank => {}
            Some(rank) => {
                found.push(format!("{}: `{own}` (rank {own_rank}) imports `{module}` (rank {rank})", at(line)))
            }
            None => {}
        }
    }
    found
}

#[test]
fn a_file_imports_only_from_lower_ranks_or_its_own_folder() {
    let found: Vec<String> = files("src").iter().flat_map(|path| breaches(path, &read(path))).collect();
    assert!(found.is_empty(), "imports that go up or sideways:\n{}", found.join("\n"));
}

#[test]
fn the_import_rule_sees_every_way_of_writing_a_path() {
    let breached = |path: &str, source: &str| breaches(Path::new(path), source).len();
    assert_eq!(breached("src/proxy/a.rs", "use crate::server::X;"), 1);
    assert_eq!(breached("src/proxy/a.rs", "use crate::{model::A, control::{B, C}, admin};"), 2);
    assert_eq!(breached("src/proxy/a.rs", "fn f() { crate::control::g() }"), 1);
    assert_eq!(breached("src/proxy/a.rs", "use super::super::control::X;"), 1);
    assert_eq!(breached("src/proxy/mod.rs", "use super::control::X;"), 1);
    assert_eq!(breached("src/unknown/a.rs", "use crate::model::X;"), 1);
    assert_eq!(breached("src/proxy/a.rs", "use super::control::X; // crate::server\nuse crate::proxy::Y;"), 0);
    assert_eq!(breached("src/proxy/a.rs", "use crate::{model::A, snapshot::{B, C}}; // crate::admin"), 0);
    assert_eq!(breached("src/proxy/a.rs", "mod tests { use super::super::client::X; }"), 0);
}

#[test]
fn each_outside_crate_has_one_door() {
    let mut found = Vec::new();
    for path in files("src") {
        let text = bare(&read(&path));
        for (name, places) in DOORS {
            let place = path.to_str().unwrap();
            // A module of the folder's own may bear the name of a crate.
            if places.iter().any(|door| place.starts_with(door)) || text.contains(&format!("mod {name};")) {
                continue;
            }
            for at in starts(&text, name) {
                let used = text[..at].trim_end().ends_with("use") || text[at + name.len()..].starts_with("::");
                if used {
                    found.push(format!("{place}:{}: `{name}` belongs to {}", line_of(&text, at), places.join(" or ")));
                }
            }
        }
    }
    assert!(found.is_empty(), "crates named outside their folder:\n{}", found.join("\n"));
}

/// What Rust source names of [`IMPURE`], tests aside.
fn impurities(source: &str) -> Vec<&'static str> {
    let text = bare(source);
    let text = text.split("mod tests {").next().unwrap_or_default();
    IMPURE.into_iter().filter(|word| starts(text, word).next().is_some()).collect()
}

#[test]
fn steering_and_the_readers_of_the_wire_are_pure() {
    let tests = ["tests.rs", "properties", "transitions"];
    let is_test = |path: &Path| path.iter().any(|part| tests.iter().any(|test| part == *test));
    let pure = ["src/steering", "src/wire"].into_iter().flat_map(files);
    for path in pure.filter(|path| !is_test(path)) {
        let found = impurities(&read(&path));
        assert!(
            found.is_empty(),
            "{}: time is a value here, and nothing is asked of the world: {found:?}",
            path.display()
        );
    }
    assert_eq!(impurities("use tokio::time; fn f() { let at = Utc::now(); } // SystemTime"), ["tokio", "Utc::now"]);
    assert!(impurities("fn f(now: Now) {}\n#[cfg(test)]\nmod tests { use std::fs; }").is_empty());
}

#[test]
fn no_file_is_longer_than_one_sitting() {
    let all = ["src", "tests", "benches"].into_iter().filter(|folder| crate::source::root().join(folder).is_dir());
    let lengths = all.flat_map(files).map(|path| (read(&path).lines().count(), path));
    let long: Vec<String> = lengths
        .filter(|(lines, _)| *lines > LINES)
        .map(|(lines, path)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "files of more than {LINES} lines:\n{}", long.join("\n"));
}

#[test]
fn every_folder_says_what_it_is_for() {
    for path in files("src").into_iter().filter(|path| !path.iter().any(|part| part == "tests" || part == "tests.rs")) {
        let text = read(&path);
        assert!(text.starts_with("//! "), "{} does not begin with what it is for", path.display());
    }
}
