//! What is wrong with a config: every problem, with its place, in the manner of a compiler.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

use super::text;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The config cannot be used.
    Error,
    /// The config can be used; somebody should look.
    Warning,
}

/// Where something stands in a config file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Position {
    /// The file, as it was named.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The path of the key: `pool[0].backend[1].url`; empty when it is about the whole file.
    pub key: String,
    /// What is wrong. Never holds a secret.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where; none when the file itself could not be read.
    pub position: Option<Position>,
    #[serde(skip)]
    pub(super) span: Option<Range<usize>>,
}

/// Every problem of a config, in order of the text.
#[derive(Clone, Default, Serialize)]
pub struct Report {
    /// In order of the text.
    pub problems: Vec<Problem>,
    /// The config file and every file it names, read or not: one of them must change for the report to change.
    #[serde(skip)]
    pub files: Vec<PathBuf>,
    /// The text with its secrets masked, byte for byte as long as the original.
    #[serde(skip)]
    source: Option<Arc<Source>>,
}

/// The text that problems point into.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) masked: String,
    /// Where each key's value stands, by its path.
    pub(super) places: BTreeMap<String, Range<usize>>,
}

impl Report {
    /// A report about a text that names these files.
    pub(super) fn new(mut problems: Vec<Problem>, files: Vec<PathBuf>, source: Arc<Source>) -> Self {
        problems.sort_by_key(|problem| problem.span.as_ref().map(|span| (span.start, span.end)));
        Self { problems, files, source: Some(source) }
    }

    /// A report of one error about a file as a whole.
    pub(super) fn of_file(message: String, hint: Option<String>) -> Self {
        let severity = Severity::Error;
        let problem = Problem { severity, key: String::new(), message, hint, position: None, span: None };
        Self { problems: vec![problem], files: Vec::new(), source: None }
    }

    /// Adds a warning about a key: at its value, or, where it was left out, at the table that lacks it.
    pub fn warn(&mut self, key: &str, message: String, hint: String) {
        let place = self.source.as_ref().and_then(|source| {
            let tables = std::iter::successors(Some(key), |key| Some(&key[..key.rfind(['.', '['])?]));
            let span = tables.filter_map(|key| source.places.get(key)).next()?.clone();
            let (line, column) = text::position(&source.masked, span.start);
            Some((Position { file: source.name.clone(), line, column }, span))
        });
        let (position, span) = place.unzip();
        let (severity, key) = (Severity::Warning, key.to_owned());
        self.problems.push(Problem { severity, key, message, hint: Some(hint), position, span });
        self.problems.sort_by_key(|problem| problem.span.as_ref().map(|span| (span.start, span.end)));
    }

    /// Whether there is nothing to report.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// How many problems are errors.
    pub fn errors(&self) -> usize {
        self.problems.iter().filter(|problem| problem.severity == Severity::Error).count()
    }

    /// How many problems are warnings.
    pub fn warnings(&self) -> usize {
        self.problems.len() - self.errors()
    }

    /// Each problem as one line: `file:line:column: key: message (hint)`. For logs and reload outcomes.
    pub fn lines(&self) -> Vec<String> {
        self.problems.iter().map(Problem::to_string).collect()
    }

    /// Each problem with the line it is about; with terminal colours if `colour`.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for problem in &self.problems {
            let level = match problem.severity {
                Severity::Error => Level::ERROR,
                Severity::Warning => Level::WARNING,
            };
            let title = match problem.key.as_str() {
                "" => problem.message.clone(),
                key => format!("{key}: {}", problem.message),
            };
            let snippet = self.source.as_ref().zip(problem.span.as_ref()).map(|(source, span)| {
                let span = clamp(&source.masked, span);
                let mark = AnnotationKind::Primary.span(span);
                Snippet::source(source.masked.as_str()).path(source.name.as_str()).annotation(mark)
            });
            let mut group = level.primary_title(title).elements(snippet);
            if let Some(hint) = &problem.hint {
                group = group.element(Level::HELP.message(hint.as_str()));
            }
            text.push_str(&renderer.render(&[group]));
            text.push_str("\n\n");
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// The first line of a span, on character borders: a snippet of a whole table would hide the point.
fn clamp(text: &str, span: &Range<usize>) -> Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let (start, end) = (floor(span.start), floor(span.end.max(span.start)));
    let line_end = text[start..].find(['\r', '\n']).map_or(text.len(), |at| start + at);
    start..end.min(line_end).max(start)
}

impl Problem {
    pub(super) fn locate(mut self, name: &str, source: &str) -> Self {
        self.position = self.span.as_ref().map(|span| {
            let (line, column) = text::position(source, span.start);
            Position { file: name.to_owned(), line, column }
        });
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Position { file, line, column }) = &self.position {
            write!(f, "{file}:{line}:{column}: ")?;
        }
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.problems.iter().map(Problem::to_string)).finish()
    }
}

impl std::error::Error for Report {}
