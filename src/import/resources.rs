//! The resources in a document, whatever shape it has.

use serde_json::{Map, Value};

use super::body::{is, member, text};
use super::draft::Note;
use super::expression::{Scope, Work};
use super::{ImportError, MOST_BYTES};

/// Most resources that are read of a document.
const MOST: usize = 10_000;

/// One resource, its expressions worked out.
#[derive(Debug)]
pub(super) struct Resource {
    /// `microsoft.cdn/profiles/origingroups`: lower case.
    pub(super) kind: String,
    /// Its names, one for each level of its type: `["profile", "group"]`.
    pub(super) names: Vec<String>,
    /// The resource itself.
    body: Value,
}

impl Resource {
    /// What it says: its `properties`, or itself where a tool has written them flat.
    pub(super) fn properties(&self) -> &Value {
        member(&self.body, "properties").filter(|value| value.is_object()).unwrap_or(&self.body)
    }

    /// Its own name.
    pub(super) fn name(&self) -> &str {
        self.names.last().map_or("", String::as_str)
    }

    /// Whether this is the resource that an id, or a name in a template, leads to.
    pub(super) fn is_at(&self, id: &str) -> bool {
        let given = id.split('/').rev().filter(|part| !part.is_empty());
        // `…/profiles/p/originGroups/g`: a name, its type, a name, its type.
        let names = given.step_by(2).map(str::to_ascii_lowercase);
        self.names.iter().rev().map(|name| name.to_ascii_lowercase()).eq(names.take(self.names.len()))
    }

    /// Whether it belongs to that one.
    pub(super) fn is_below(&self, parent: &Self) -> bool {
        let above = self.names.len().saturating_sub(1);
        above == parent.names.len()
            && self.kind.starts_with(&parent.kind)
            && self.names.iter().zip(&parent.names).all(|(own, its)| own.eq_ignore_ascii_case(its))
    }
}

/// Every resource of a document, in order of writing.
///
/// Taken is a template (`az group export`, the portal's), what its REST call answers, a list of resources, or one (as
/// `az … show` prints it, its properties in place or flat).
///
/// # Errors
/// [`ImportError::TooLong`], [`ImportError::NoJson`].
pub(super) fn read(json: &str, notes: &mut Vec<Note>) -> Result<Vec<Resource>, ImportError> {
    if json.len() > MOST_BYTES {
        return Err(ImportError::TooLong);
    }
    // Some tools of Windows begin a file with a mark.
    let json = json.strip_prefix('\u{feff}').unwrap_or(json);
    let document: Value = serde_json::from_str(json)
        .map_err(|error| ImportError::NoJson { line: error.line(), column: error.column() })?;
    let mut found = Found { resources: Vec::new(), work: Work::default(), notes };
    found.walk(&document, &Scope::default(), None);
    if found.resources.len() == MOST {
        found.notes.push(Note::new("document", format!("only its first {MOST} resources were read")));
    }
    Ok(found.resources)
}

/// The types that a document has, for who looked for another.
pub(super) fn kinds(resources: &[Resource]) -> String {
    let mut kinds: Vec<&str> = resources.iter().map(|resource| resource.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    match kinds.len() {
        0 => "no resource".to_owned(),
        1..=5 => kinds.join(", "),
        more => format!("{} and {} other types", kinds[..5].join(", "), more - 5),
    }
}

struct Found<'n> {
    resources: Vec<Resource>,
    work: Work,
    notes: &'n mut Vec<Note>,
}

/// The type and the names of the resource around another.
type Around<'a> = Option<(&'a str, &'a [String])>;

impl Found<'_> {
    fn walk(&mut self, value: &Value, scope: &Scope, around: Around<'_>) {
        match value {
            Value::Array(all) => all.iter().for_each(|one| self.walk(one, scope, around)),
            Value::Object(_) if member(value, "type").is_some_and(Value::is_string) => {
                self.resource(value, scope, around)
            }
            Value::Object(_) => {
                if let Some(template) = member(value, "template").filter(|template| template.is_object()) {
                    self.walk(template, scope, around);
                } else if let Some(resources) = member(value, "resources") {
                    self.template(value, resources, &Map::new());
                } else if let Some(list) = member(value, "value").filter(|list| list.is_array()) {
                    self.walk(list, scope, around);
                }
            }
            _ => {}
        }
    }

    /// A list of resources, or an object of them by symbolic names.
    fn template(&mut self, template: &Value, resources: &Value, given: &Map<String, Value>) {
        let scope = Scope::of(template, given);
        match resources {
            Value::Object(all) => all.values().for_each(|one| self.walk(one, &scope, None)),
            all => self.walk(all, &scope, None),
        }
    }

    fn resource(&mut self, value: &Value, scope: &Scope, around: Around<'_>) {
        if self.resources.len() >= MOST {
            return;
        }
        if is(value, "type", "Microsoft.Resources/deployments") {
            self.deployment(value, scope);
            return;
        }
        // Without what stands in it: that is read on its own, and may be most of the document.
        let own = value.as_object().into_iter().flatten().filter(|(name, _)| !name.eq_ignore_ascii_case("resources"));
        let own = own.map(|(name, value)| (name.clone(), value.clone())).collect();
        let body = scope.resolved(&Value::Object(own), &mut self.work);
        let (kind, names) = identity(&body, around);
        if member(&body, "condition").is_some_and(|condition| *condition == Value::Bool(false)) {
            self.notes.push(Note::new(names.join("/"), "its condition is false: left out"));
            return;
        }
        if member(&body, "copy").is_some() {
            self.notes.push(Note::new(names.join("/"), "a copy loop is read as one resource"));
        }
        let (of, by) = (kind.clone(), names.clone());
        self.resources.push(Resource { kind, names, body });
        if let Some(inner) = member(value, "resources") {
            self.walk(inner, scope, Some((&of, &by)));
        }
    }

    /// A template within a template.
    fn deployment(&mut self, value: &Value, scope: &Scope) {
        let Some(properties) = member(value, "properties") else { return };
        let Some(template) = member(properties, "template") else { return };
        let mut given = Map::new();
        for (name, value) in member(properties, "parameters").and_then(Value::as_object).into_iter().flatten() {
            if let Some(value) = member(value, "value") {
                given.insert(name.clone(), scope.resolved(value, &mut self.work));
            }
        }
        if let Some(resources) = member(template, "resources") {
            self.template(template, resources, &given);
        }
    }
}

/// Type and names: by its id where it has one, which says both in full, else by what it is in.
fn identity(body: &Value, around: Around<'_>) -> (String, Vec<String>) {
    let kind = text(body, "type").unwrap_or_default().to_ascii_lowercase();
    if let Some((types, names)) = text(body, "id").and_then(by_id) {
        return (types, names);
    }
    let own = text(body, "name").unwrap_or_default().split('/').map(str::to_owned);
    match around {
        Some((outer, names)) if !kind.starts_with(outer) => {
            (format!("{outer}/{kind}"), names.iter().cloned().chain(own).collect())
        }
        _ => (kind, own.collect()),
    }
}

/// `…/providers/Microsoft.Cdn/profiles/p/originGroups/g` → `microsoft.cdn/profiles/origingroups`, `[p, g]`.
fn by_id(id: &str) -> Option<(String, Vec<String>)> {
    let id_in_lower_case = id.to_ascii_lowercase();
    let start = id_in_lower_case.rfind("/providers/")? + "/providers/".len();
    let mut parts = id.get(start..)?.split('/').filter(|part| !part.is_empty());
    let (mut kind, mut names) = (parts.next()?.to_ascii_lowercase(), Vec::new());
    while let Some(level) = parts.next() {
        kind.push('/');
        kind.push_str(&level.to_ascii_lowercase());
        names.push(parts.next()?.to_owned());
    }
    (!names.is_empty()).then_some((kind, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: &str) -> Vec<(String, String)> {
        let resources = read(json, &mut Vec::new()).unwrap();
        resources.into_iter().map(|it| (it.kind, it.names.join("/"))).collect()
    }

    #[test]
    fn every_shape_that_azure_hands_out_is_read() {
        let wanted = [("microsoft.cdn/profiles/origingroups".to_owned(), "p/g".to_owned())];
        for json in [
            r#"{"type":"Microsoft.Cdn/profiles/originGroups","name":"p/g"}"#,
            r#"[{"type":"microsoft.cdn/profiles/origingroups","name":"g","id":"/subscriptions/1/resourcegroups/r/providers/Microsoft.Cdn/profiles/p/originGroups/g"}]"#,
            r#"{"value":[{"type":"Microsoft.Cdn/Profiles/OriginGroups","name":"p/g"}]}"#,
            r#"{"template":{"resources":[{"type":"Microsoft.Cdn/profiles/originGroups","name":"p/g"}]}}"#,
            r#"{"parameters":{"n":{"defaultValue":"p"}},"resources":{"a":{"type":"Microsoft.Cdn/profiles/originGroups","name":"[concat(parameters('n'), '/g')]"}}}"#,
            r#"{"resources":[{"type":"Microsoft.Resources/deployments","name":"d","properties":{"parameters":{"n":{"value":"p"}},
                "template":{"parameters":{"n":{}},"resources":[{"type":"Microsoft.Cdn/profiles/originGroups","name":"[format('{0}/g', parameters('n'))]"}]}}}]}"#,
        ] {
            assert_eq!(found(json), wanted, "{json}");
        }
    }

    #[test]
    fn a_resource_within_another_is_named_by_both() {
        let json = r#"{"resources":[{"type":"Microsoft.Cdn/profiles","name":"p","resources":[
            {"type":"originGroups","name":"g","resources":[{"type":"origins","name":"o"}]}]}]}"#;
        let resources = read(json, &mut Vec::new()).unwrap();
        assert_eq!(resources[2].kind, "microsoft.cdn/profiles/origingroups/origins");
        assert_eq!(resources[2].names, ["p", "g", "o"]);
        assert!(resources[2].is_below(&resources[1]) && !resources[2].is_below(&resources[0]));
        assert!(resources[1].is_at("/subscriptions/1/providers/Microsoft.Cdn/profiles/P/originGroups/G"));
        assert!(!resources[1].is_at("/subscriptions/1/providers/Microsoft.Cdn/profiles/q/originGroups/g"));
    }

    #[test]
    fn what_is_no_json_is_told_by_its_place() {
        assert_eq!(read("{\n x", &mut Vec::new()).unwrap_err(), ImportError::NoJson { line: 2, column: 2 });
        assert!(read("\u{feff}{}", &mut Vec::new()).unwrap().is_empty());
        assert_eq!(kinds(&[]), "no resource");
    }
}
