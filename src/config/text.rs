//! The text of a config as a tree in which every key and value knows where it was written.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value, and where it stands in the text.
pub(super) struct Node {
    /// Its path as written: `pool[0].backend[1].url`. Indexes stay those of the text when siblings are pruned.
    pub(super) path: String,
    /// The bytes of its key; those of the value where it has none (an element of an array).
    pub(super) key: Range<usize>,
    /// The bytes of the value; of a table with a header, those of the header.
    pub(super) span: Range<usize>,
    /// What it holds.
    pub(super) value: Value,
}

/// What a node holds.
pub(super) enum Value {
    /// A table, in order of writing.
    Table(Vec<(String, Node)>),
    /// An array.
    Array(Vec<Node>),
    /// A string.
    String(String),
    /// An integer.
    Integer(i64),
    /// A finite float.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// A date or time: no key of botgate takes one.
    Datetime,
    /// A number that no key can hold: infinite, not a number, or beyond 64 bits.
    Beyond,
}

impl Node {
    /// The member of a table by this name.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        match &self.value {
            Value::Table(members) => members.iter().find(|(key, _)| key == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The element of an array at this index.
    pub(super) fn at(&self, index: usize) -> Option<&Self> {
        match &self.value {
            Value::Array(elements) => elements.get(index),
            _ => None,
        }
    }

    /// The bytes of every value that is no table and no array, in order of writing.
    pub(super) fn leaves(&self) -> Vec<Range<usize>> {
        let mut leaves: Vec<Range<usize>> = match &self.value {
            Value::Table(members) => members.iter().flat_map(|(_, member)| member.leaves()).collect(),
            Value::Array(elements) => elements.iter().flat_map(Self::leaves).collect(),
            _ => vec![self.span.clone()],
        };
        leaves.sort_by_key(|span| span.start);
        leaves
    }

    /// Where every value below this one stands, by its path.
    pub(super) fn places(&self) -> BTreeMap<String, Range<usize>> {
        let below: Vec<&Self> = match &self.value {
            Value::Table(members) => members.iter().map(|(_, member)| member).collect(),
            Value::Array(elements) => elements.iter().collect(),
            _ => Vec::new(),
        };
        let mut places: BTreeMap<_, _> = below.into_iter().flat_map(Self::places).collect();
        places.insert(self.path.clone(), self.span.clone());
        places
    }

    /// The value as JSON, without positions.
    pub(super) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Table(members) => members.iter().map(|(key, node)| (key.clone(), node.to_json())).collect(),
            Value::Array(elements) => elements.iter().map(Self::to_json).collect(),
            Value::String(text) => Json::String(text.clone()),
            Value::Integer(number) => Json::from(*number),
            Value::Float(number) => Json::from(*number),
            Value::Bool(flag) => Json::Bool(*flag),
            Value::Datetime | Value::Beyond => Json::Null,
        }
    }

    /// What it is, with its article, for "found …".
    pub(super) fn found(&self) -> &'static str {
        match self.value {
            Value::Table(_) => "a table",
            Value::Array(_) => "an array",
            Value::String(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Bool(_) => "a boolean",
            Value::Datetime => "a date or time",
            Value::Beyond => "a number beyond what fits",
        }
    }
}

/// A mistake in the TOML itself.
pub(super) struct SyntaxError {
    pub(super) message: String,
    pub(super) span: Range<usize>,
}

/// Reads TOML. Goes on after a mistake, so that one of them does not hide the others.
pub(super) fn read(text: &str) -> (Node, Vec<SyntaxError>) {
    let (tree, errors) = DeTable::parse_recoverable(text);
    let errors = errors.into_iter().map(|error| SyntaxError {
        message: error.message().to_owned(),
        span: error.span().unwrap_or(text.len()..text.len()),
    });
    let span = tree.span();
    let root = table(tree.into_inner(), "");
    (Node { path: String::new(), key: span.clone(), span, value: root }, errors.collect())
}

fn table(tree: DeTable<'_>, path: &str) -> Value {
    let mut members: Vec<(String, Node)> = tree
        .into_iter()
        .map(|(key, value)| {
            let span = key.span();
            let name = key.into_inner().into_owned();
            let node = node(value, join(path, &name), Some(span));
            (name, node)
        })
        .collect();
    members.sort_by_key(|(_, node)| node.key.start);
    Value::Table(members)
}

fn node(value: Spanned<DeValue<'_>>, path: String, key: Option<Range<usize>>) -> Node {
    let span = value.span();
    let value = match value.into_inner() {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Beyond, Value::Integer)
        }
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => Value::Float(number),
            _ => Value::Beyond,
        },
        DeValue::Boolean(flag) => Value::Bool(flag),
        DeValue::Datetime(_) => Value::Datetime,
        DeValue::Array(elements) => {
            let elements = elements.into_iter().enumerate();
            Value::Array(elements.map(|(index, value)| node(value, format!("{path}[{index}]"), None)).collect())
        }
        DeValue::Table(members) => table(members, &path),
    };
    Node { path, key: key.unwrap_or_else(|| span.clone()), span, value }
}

/// The path of a member: quoted where TOML would have to quote the key.
pub(super) fn join(path: &str, name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let name = if bare { name.to_owned() } else { format!("{name:?}") };
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

/// Line and column of a byte, both from 1; columns count characters.
pub(super) fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_and_value_knows_where_it_was_written() {
        let text = "a = 1\n[[pool]]\nname = \"ö\"\n  [[pool.backend]]\n  url = \"x\"\n";
        let (root, errors) = read(text);
        assert!(errors.is_empty());
        let pool = root.get("pool").and_then(|pools| pools.at(0)).unwrap();
        assert_eq!(position(text, pool.span.start), (2, 1));
        let url = pool.get("backend").and_then(|all| all.at(0)).and_then(|one| one.get("url")).unwrap();
        assert_eq!(url.path, "pool[0].backend[0].url");
        assert_eq!(position(text, url.span.start), (5, 9));
        assert_eq!(position(text, url.key.start), (5, 3));
    }

    #[test]
    fn one_syntax_error_does_not_hide_the_next() {
        let (root, errors) = read("a = \nb = 2\nc = @\nd = 4\n");
        assert!(errors.len() >= 2, "{:?}", errors.iter().map(|e| &e.message).collect::<Vec<_>>());
        assert!(root.get("b").is_some() && root.get("d").is_some());
    }
}
