//! Where checks put what they find.

use std::cell::RefCell;
use std::ops::Range;

use super::report::{Problem, Severity};
use super::text::Node;

/// Collects problems during one pass.
pub(super) struct Findings {
    problems: RefCell<Vec<Problem>>,
    /// Whether the text has syntax errors: then what is missing may only be unreadable, and is not reported.
    broken: bool,
}

impl Findings {
    pub(super) fn new(broken: bool) -> Self {
        Self { problems: RefCell::default(), broken }
    }

    pub(super) fn error(&self, key: &str, span: Range<usize>, message: String, hint: Option<String>) {
        self.push(Severity::Error, key, span, message, hint);
    }

    /// An error about something that is not there.
    pub(super) fn absent(&self, key: &str, span: Range<usize>, message: String, hint: Option<String>) {
        if !self.broken {
            self.error(key, span, message, hint);
        }
    }

    pub(super) fn warning(&self, key: &str, span: Range<usize>, message: String, hint: Option<String>) {
        self.push(Severity::Warning, key, span, message, hint);
    }

    fn push(&self, severity: Severity, key: &str, span: Range<usize>, message: String, hint: Option<String>) {
        let key = key.to_owned();
        let problem = Problem { severity, key, message, hint, position: None, span: Some(span) };
        self.problems.borrow_mut().push(problem);
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }
}

/// Why a value is wrong, and what would be right.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// A fault with a hint.
pub(super) fn fault(message: impl Into<String>, hint: impl Into<String>) -> Fault {
    Fault { message: message.into(), hint: Some(hint.into()) }
}

/// A key of the config during validation: what is said about it lands where it was written, or, when it was left out, at
/// the table that lacks it.
#[derive(Clone)]
pub(super) struct Place<'a> {
    findings: &'a Findings,
    node: Option<&'a Node>,
    path: String,
    span: Range<usize>,
}

impl<'a> Place<'a> {
    pub(super) fn root(findings: &'a Findings, root: &'a Node) -> Self {
        Self { findings, node: Some(root), path: String::new(), span: root.span.clone() }
    }

    pub(super) fn key(&self, name: &str) -> Self {
        self.child(self.node.and_then(|node| node.get(name)), || super::text::join(&self.path, name))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.child(self.node.and_then(|node| node.at(index)), || format!("{}[{index}]", self.path))
    }

    fn child(&self, node: Option<&'a Node>, path: impl FnOnce() -> String) -> Self {
        let (path, span) = match node {
            Some(node) => (node.path.clone(), node.span.clone()),
            None => (path(), self.span.clone()),
        };
        Self { findings: self.findings, node, path, span }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Whether something was said about this key already: what is wrong is cut out, and looks as if it were left out.
    pub(super) fn is_reported(&self) -> bool {
        self.findings.problems.borrow().iter().any(|problem| problem.key == self.path)
    }

    /// Whether an error was found here or below: then what seems to be missing may have been cut out.
    pub(super) fn is_broken(&self) -> bool {
        let below = |key: &str| {
            key.strip_prefix(&self.path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let problems = self.findings.problems.borrow();
        problems.iter().any(|problem| problem.severity == Severity::Error && below(&problem.key))
    }

    pub(super) fn error(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.findings.error(&self.path, self.span.clone(), message.into(), Some(hint.into()));
    }

    pub(super) fn absent(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.findings.absent(&self.path, self.span.clone(), message.into(), Some(hint.into()));
    }

    pub(super) fn warning(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.findings.warning(&self.path, self.span.clone(), message.into(), Some(hint.into()));
    }

    /// The value, or none after its fault was reported here.
    pub(super) fn take<T>(&self, result: Result<T, Fault>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(Fault { message, hint }) => {
                self.findings.error(&self.path, self.span.clone(), message, hint);
                None
            }
        }
    }
}
