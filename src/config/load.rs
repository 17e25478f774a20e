//! The one way into a config: from a file, or from a text.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::findings::{Findings, Place};
use super::raw::RawConfig;
use super::report::{Problem, Report, Severity, Source};
use super::resolve::Outside;
use super::types::Config;
use super::{json_schema, mask, shape, text, validate};

/// A config that can be used.
#[derive(Debug)]
pub struct Loaded {
    /// The config.
    pub config: Config,
    /// What somebody should look at. No errors. Its files are those that a watcher watches: the config file and every
    /// certificate, key, CA and secret file it names.
    pub warnings: Report,
}

/// Reads, checks and resolves a config file; secrets come from the environment of the process.
///
/// # Errors
/// Every problem of the file at once, warnings among them; at least one is an error.
pub fn load(path: &Path) -> Result<Loaded, Report> {
    load_with(path, &|name| std::env::var(name).ok())
}

/// The same for what never shows a secret to anybody, such as a simulation: an environment variable that is not set is no
/// mistake.
///
/// # Errors
/// As [`load`].
pub fn load_without_secrets(path: &Path) -> Result<Loaded, Report> {
    // No two are the same, and none is so short that it could be guessed.
    load_with(path, &|name| Some(std::env::var(name).unwrap_or_else(|_| format!("unset-variable-{name}"))))
}

fn load_with(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Report> {
    let mut result = read(path, env);
    let report = result.as_mut().map_or_else(|report| report, |loaded| &mut loaded.warnings);
    report.files.insert(0, path.to_owned());
    result
}

fn read(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Report> {
    let hint = "give the path of a config file by --config; `botgate schema` describes what it holds";
    let text = read_text(path, hint)?;
    let base = path.parent().unwrap_or(Path::new(""));
    parse(&path.display().to_string(), &text, base, env)
}

/// The text of a file; `hint` says what to do when it cannot be read.
pub(super) fn read_text(path: &Path, hint: &str) -> Result<String, Report> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path)
        .map_err(|error| Report::of_file(format!("cannot read {name}: {error}"), Some(hint.to_owned())))?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count() + 1;
        Report::of_file(format!("{name} is not UTF-8, from line {line} on"), Some("save it as UTF-8".to_owned()))
    })
}

/// Checks and resolves the text of a config. `name` is what messages call it, relative paths begin at `base`, and `env`
/// answers for environment variables.
///
/// # Errors
/// Every problem of the text at once, warnings among them; at least one is an error.
pub fn parse(name: &str, text: &str, base: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Report> {
    let (mut root, syntax) = text::read(text);
    let findings = Findings::new(!syntax.is_empty());
    let comments = mask::comments(text, &root.leaves());
    let mut hidden = shape::check(&mut root, &json_schema(), &findings);
    let outside = Outside::new(base, env);
    let places = root.places();
    let config = match RawConfig::deserialize(root.to_json()) {
        Ok(raw) => Some(validate::validate(&Place::root(&findings, &root), &raw, &outside)),
        // The shape check lets nothing through that cannot be decoded; should it ever, say so without the values.
        Err(_) => {
            findings.error("", 0..0, "the config cannot be decoded".to_owned(), Some("report this".to_owned()));
            None
        }
    };
    let problems = merge(text, &syntax, findings.into_problems());
    let problems = problems.into_iter().map(|problem| problem.locate(name, text)).collect();
    hidden.extend(comments);
    let source = Source { name: name.to_owned(), masked: mask::mask(text, &hidden, &syntax), places };
    let files = outside.into_files().into_iter().collect();
    let report = Report::new(problems, files, Arc::new(source));
    match config {
        Some(config) if report.errors() == 0 => Ok(Loaded { config, warnings: report }),
        _ => Err(report),
    }
}

/// Syntax errors and the other problems, without those others that stand on a line that could not be read, or after a
/// broken header, where nobody can say which table a key is in.
pub(super) fn merge(text: &str, syntax: &[text::SyntaxError], found: Vec<Problem>) -> Vec<Problem> {
    let line = |at: usize| text::position(text, at).0;
    let broken: BTreeSet<usize> = syntax.iter().map(|error| line(error.span.start)).collect();
    let is_header = |at: &usize| {
        let before = text.get(..*at).unwrap_or(text);
        text[before.rfind('\n').map_or(0, |end| end + 1)..].trim_start().starts_with('[')
    };
    let lost = syntax.iter().map(|error| error.span.start).filter(is_header).min().unwrap_or(usize::MAX);
    let mut lines = BTreeSet::new();
    let errors = syntax.iter().filter(|error| lines.insert(line(error.span.start))).map(|error| Problem {
        severity: Severity::Error,
        key: String::new(),
        message: format!("not TOML: {}", error.message),
        hint: Some("strings stand in quotes, tables as [name], lists of tables as [[name]]".to_owned()),
        position: None,
        span: Some(error.span.clone()),
    });
    let readable = |problem: &Problem| {
        problem.span.as_ref().is_none_or(|span| span.start < lost && !broken.contains(&line(span.start)))
    };
    errors.chain(found.into_iter().filter(readable)).collect()
}
