//! The shape of a config: unknown keys, missing keys, wrong types, choices and ranges, held against the schema.
//!
//! What is wrong is reported and cut out of the tree, so that the rest can be decoded and checked for its meaning in the
//! same pass, and no key is reported twice.

use std::ops::Range;

use serde_json::{Map, Value as Json};

use super::findings::Findings;
use super::text::{Node, Value};

/// Checks a tree against a schema and prunes what does not fit.
///
/// Returns the spans of values that must not be shown: those of secrets, and those of unknown keys, which may be secrets
/// under a misspelt name.
pub(super) fn check(root: &mut Node, schema: &Json, findings: &Findings) -> Vec<Range<usize>> {
    let mut walk = Walk { root: schema, findings, hidden: Vec::new() };
    walk.fits(root, schema);
    walk.hidden
}

struct Walk<'a> {
    root: &'a Json,
    findings: &'a Findings,
    hidden: Vec<Range<usize>>,
}

impl<'a> Walk<'a> {
    /// Whether the node may stay. Its members are pruned as needed.
    fn fits(&mut self, node: &mut Node, schema: &'a Json) -> bool {
        let schema = self.resolve(schema);
        let secret = schema.get("x-secret").is_some() && !matches!(node.value, Value::Table(_));
        if secret
            || matches!(&node.value, Value::String(text) if text.contains("://") && text.contains(['@', '?', '#']))
        {
            self.hide(node);
        }
        if schema.get("x-secret").is_none() && self.runs_away(node) {
            return false;
        }
        if let Some(choices) = constants(schema) {
            return self.is_one_of(node, &choices);
        }
        let alternatives = match schema.get("anyOf").and_then(Json::as_array) {
            Some(any) => any.iter().map(|one| self.resolve(one)).collect(),
            None => vec![schema],
        };
        let Some(fitting) = alternatives.iter().find(|one| type_fits(&node.value, one)) else {
            self.wrong_type(node, schema, &alternatives);
            return false;
        };
        match &mut node.value {
            Value::Table(_) => {
                self.members(node, fitting);
                true
            }
            Value::Array(_) => self.elements(node, fitting),
            Value::Integer(number) => {
                let number = *number as f64;
                self.in_range(node, number, fitting)
            }
            Value::Float(number) => {
                let number = *number;
                self.in_range(node, number, fitting)
            }
            _ => true,
        }
    }

    /// A string with line breaks where none belongs is one whose quotes are not closed where they were meant to be: it
    /// may have swallowed a secret, so no message may repeat it. Only the text that a probe looks for may have them.
    fn runs_away(&mut self, node: &Node) -> bool {
        let Value::String(text) = &node.value else { return false };
        if !text.contains('\n') || node.path.ends_with(".contains") || node.path.contains(".equals") {
            return false;
        }
        self.hide(node);
        let hint = Some("close its quotes on the line where they begin".to_owned());
        self.findings.error(&node.path, node.span.clone(), "a string with line breaks".to_owned(), hint);
        true
    }

    /// Hides a value and all it holds: the members of a table may stand far from its header or dotted key.
    fn hide(&mut self, node: &Node) {
        self.hidden.push(node.span.clone());
        match &node.value {
            Value::Table(members) => members.iter().for_each(|(_, member)| self.hide(member)),
            Value::Array(elements) => elements.iter().for_each(|element| self.hide(element)),
            _ => {}
        }
    }

    fn resolve(&self, schema: &'a Json) -> &'a Json {
        let target = schema.get("$ref").and_then(Json::as_str).and_then(|to| to.strip_prefix('#'));
        target.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(schema)
    }

    fn members(&mut self, node: &mut Node, schema: &'a Json) {
        let Node { path, span, value: Value::Table(members), .. } = node else { return };
        let Some(schema) = schema.as_object() else { return };
        let known = schema.get("properties").and_then(Json::as_object);
        let other = schema.get("additionalProperties");
        let open = known.is_none() && other.is_none();
        let names = || known.into_iter().flat_map(Map::keys).map(String::as_str);
        // A misspelt key is one mistake, not a missing one as well.
        let meant: Vec<&str> = members
            .iter()
            .filter(|(key, _)| known.is_some_and(|known| !known.contains_key(key)))
            .filter_map(|(key, _)| closest(key, names()))
            .collect();
        for name in required(schema) {
            if !meant.contains(&name) && !members.iter().any(|(key, _)| key == name) {
                let example = known.and_then(|known| known.get(name)).and_then(|one| one.get("description"));
                let hint = example.and_then(Json::as_str).map(|text| format!("`{name}`: {}", first_sentence(text)));
                let message = format!("the key `{name}` is missing");
                self.findings.absent(&super::text::join(path, name), span.clone(), message, hint);
            }
        }
        members.retain_mut(|(name, member)| {
            let schema = known.and_then(|known| known.get(name)).or(other.filter(|other| other.is_object()));
            match schema {
                Some(schema) => self.fits(member, schema),
                None if open => true,
                None => {
                    self.unknown_key(name, member, known);
                    false
                }
            }
        });
    }

    fn elements(&mut self, node: &mut Node, schema: &'a Json) -> bool {
        let Node { path, key, value: Value::Array(elements), .. } = node else { return true };
        let least = schema.get("minItems").and_then(Json::as_u64).unwrap_or(0);
        if (elements.len() as u64) < least {
            let hint = Some("give at least one".to_owned());
            self.findings.error(path, key.clone(), "the list is empty".to_owned(), hint);
            return false;
        }
        if let Some(items) = schema.get("items") {
            elements.retain_mut(|element| self.fits(element, items));
        }
        true
    }

    fn unknown_key(&mut self, name: &str, node: &Node, known: Option<&Map<String, Json>>) {
        self.hide(node);
        let names = || known.into_iter().flat_map(Map::keys).map(String::as_str);
        let hint = match closest(name, names()) {
            Some(close) => format!("did you mean `{close}`?"),
            None => format!("the keys here are: {}", names().collect::<Vec<_>>().join(", ")),
        };
        self.findings.error(&node.path, node.key.clone(), format!("unknown key `{name}`"), Some(hint));
    }

    fn is_one_of(&self, node: &Node, choices: &[&str]) -> bool {
        let all = choices.iter().map(|choice| format!("\"{choice}\"")).collect::<Vec<_>>().join(", ");
        let Value::String(text) = &node.value else {
            let message = format!("expected a string, found {}", node.found());
            self.findings.error(&node.path, node.span.clone(), message, Some(format!("one of {all}")));
            return false;
        };
        if choices.contains(&text.as_str()) {
            return true;
        }
        let hint = match closest(text, choices.iter().copied()) {
            Some(close) => format!("did you mean \"{close}\"? It is one of {all}"),
            None => format!("one of {all}"),
        };
        self.findings.error(&node.path, node.span.clone(), format!("{text:?} is no choice here"), Some(hint));
        false
    }

    fn in_range(&self, node: &Node, number: f64, schema: &Json) -> bool {
        let bound = |name| schema.get(name).and_then(Json::as_f64);
        let (least, most) = (bound("minimum"), bound("maximum"));
        if least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most) {
            return true;
        }
        let hint = match (least, most) {
            (Some(least), Some(most)) => format!("from {least} to {most}"),
            (Some(least), None) => format!("at least {least}"),
            (_, most) => format!("at most {}", most.unwrap_or(f64::MAX)),
        };
        self.findings.error(&node.path, node.span.clone(), format!("{number} is out of range"), Some(hint));
        false
    }

    fn wrong_type(&mut self, node: &Node, schema: &Json, alternatives: &[&Json]) {
        let mut expected: Vec<&str> = alternatives.iter().map(|one| type_name(one)).collect();
        expected.dedup();
        let holds = matches!(node.value, Value::Table(_) | Value::Array(_));
        if holds || expected.iter().any(|one| ["a table", "an array"].contains(one)) {
            // What should have been a table or a list may have been one of secrets, and so may what is one.
            self.hide(node);
        }
        let expected = expected.join(" or ");
        let title = schema.get("title").and_then(Json::as_str);
        let examples = schema.get("examples").and_then(Json::as_array).into_iter().flatten().map(toml_text);
        let hint = title.map(|title| format!("{title}, such as {}", examples.collect::<Vec<_>>().join(", ")));
        let hint = hint.or_else(|| slip(node, alternatives));
        let message = format!("expected {expected}, found {}", node.found());
        self.findings.error(&node.path, node.span.clone(), message, hint);
    }
}

/// The slips that a type tells: quotes too many or too few, and one pair of brackets for an array of tables.
fn slip(node: &Node, alternatives: &[&Json]) -> Option<String> {
    let wants = |name| alternatives.iter().any(|one| type_name(one) == name);
    let hint = match node.value {
        Value::Table(_) if wants("an array") => format!("write its header with two brackets: [[{}]]", node.path),
        Value::Array(_) if wants("a table") => format!("write its header with one pair of brackets: [{}]", node.path),
        _ if wants("an array") => "put it in brackets: [ … ]".to_owned(),
        _ if wants("a table") => "a table is { key = value, … }, or has a header".to_owned(),
        Value::String(_) if wants("a boolean") => "true or false, without quotes".to_owned(),
        Value::String(_) if wants("an integer") || wants("a number") => "a number stands without quotes".to_owned(),
        _ if wants("a boolean") => "true or false".to_owned(),
        _ if wants("an integer") => "a whole number".to_owned(),
        _ if wants("a number") => "a number".to_owned(),
        _ if wants("a string") => "put it in quotes".to_owned(),
        _ => return None,
    };
    Some(hint)
}

fn required(schema: &Map<String, Json>) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str)
}

fn constants(schema: &Json) -> Option<Vec<&str>> {
    if let Some(listed) = schema.get("enum").and_then(Json::as_array) {
        return listed.iter().map(Json::as_str).collect();
    }
    let choices = schema.get("oneOf").and_then(Json::as_array)?;
    let constants = choices.iter().flat_map(|choice| match choice.get("enum").and_then(Json::as_array) {
        Some(listed) => listed.iter().map(Json::as_str).collect::<Vec<_>>(),
        None => vec![choice.get("const").and_then(Json::as_str)],
    });
    constants.collect()
}

fn type_fits(value: &Value, schema: &Json) -> bool {
    match (value, schema.get("type").and_then(Json::as_str)) {
        (Value::Datetime | Value::Beyond, _) => false,
        (_, None)
        | (Value::Table(_), Some("object"))
        | (Value::Array(_), Some("array"))
        | (Value::String(_), Some("string"))
        | (Value::Integer(_), Some("integer" | "number"))
        | (Value::Float(_), Some("number"))
        | (Value::Bool(_), Some("boolean")) => true,
        _ => false,
    }
}

fn type_name(schema: &Json) -> &'static str {
    match schema.get("type").and_then(Json::as_str) {
        Some("object") => "a table",
        Some("array") => "an array",
        Some("string") => "a string",
        Some("integer") => "an integer",
        Some("number") => "a number",
        Some("boolean") => "a boolean",
        _ => "a value other than a date",
    }
}

fn first_sentence(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.split_once(". ").map_or(text.trim_end_matches('.'), |(first, _)| first).to_owned()
}

/// A JSON example as TOML would write it.
fn toml_text(value: &Json) -> String {
    match value {
        Json::Object(members) => {
            let members: Vec<String> = members.iter().map(|(key, one)| format!("{key} = {}", toml_text(one))).collect();
            format!("{{ {} }}", members.join(", "))
        }
        other => other.to_string(),
    }
}

/// The name that was probably meant, if one is close.
pub(super) fn closest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase().replace('-', "_");
    let scored = known.map(|one| (strsim::jaro_winkler(&lower, &one.to_lowercase().replace('-', "_")), one));
    scored.filter(|(score, _)| *score >= 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, one)| one)
}
