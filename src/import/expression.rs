//! The expressions of templates: `"[concat(parameters('name'), '/default')]"`.
//!
//! <https://learn.microsoft.com/azure/azure-resource-manager/templates/template-expressions>. Worked out is what exports
//! are made of: parameters by their default values, variables, and the functions that put names together. All else asks
//! Azure, and stays as it is written.

use serde_json::{Map, Value};

use super::body::member;

/// How deep expressions and what they refer to may stand in each other.
const DEEPEST: usize = 24;
/// Longest text that an expression may come to, in bytes.
const LONGEST: usize = 4096;
/// How much work one document may be: function calls, and values that are copied. A few lines of variables can ask for a
/// value that fills the memory.
const WORK: usize = 200_000;

/// What the expressions of one template refer to.
#[derive(Debug, Default)]
pub(super) struct Scope {
    parameters: Map<String, Value>,
    variables: Map<String, Value>,
}

/// The work that is left to a document.
#[derive(Debug)]
pub(super) struct Work(usize);

impl Default for Work {
    fn default() -> Self {
        Self(WORK)
    }
}

impl Work {
    fn take(&mut self, amount: usize) -> Option<()> {
        self.0 = self.0.checked_sub(amount)?;
        Some(())
    }
}

impl Scope {
    /// The scope of a template; `given` are values for its parameters, already worked out.
    pub(super) fn of(template: &Value, given: &Map<String, Value>) -> Self {
        let mut parameters = Map::new();
        for (name, declared) in member(template, "parameters").and_then(Value::as_object).into_iter().flatten() {
            let value = given.get(name).or_else(|| member(declared, "defaultValue"));
            if let Some(value) = value {
                parameters.insert(name.to_ascii_lowercase(), value.clone());
            }
        }
        let variables = member(template, "variables").and_then(Value::as_object).into_iter().flatten();
        Self {
            parameters,
            variables: variables.map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect(),
        }
    }

    /// A value with every expression in it worked out; one that cannot be stays as it is written.
    pub(super) fn resolved(&self, value: &Value, work: &mut Work) -> Value {
        self.value(value, work, 0).unwrap_or_else(|| value.clone())
    }

    /// None when there is too much work, or it stands too deep.
    fn value(&self, value: &Value, work: &mut Work, depth: usize) -> Option<Value> {
        work.take(1)?;
        match value {
            Value::String(text) => {
                let worth = inner(text).and_then(|inner| self.evaluated(inner, work, depth));
                // Two brackets stand for one, in a text that is no expression.
                let plain = || text.strip_prefix('[').filter(|rest| rest.starts_with('[')).unwrap_or(text);
                Some(worth.unwrap_or_else(|| Value::from(plain())))
            }
            Value::Array(all) => {
                all.iter().map(|one| self.value(one, work, depth)).collect::<Option<_>>().map(Value::Array)
            }
            Value::Object(all) => {
                let all = all.iter().map(|(name, one)| Some((name.clone(), self.value(one, work, depth)?)));
                all.collect::<Option<_>>().map(Value::Object)
            }
            _ => Some(value.clone()),
        }
    }

    fn evaluated(&self, text: &str, work: &mut Work, depth: usize) -> Option<Value> {
        let mut reader = Reader { scope: self, rest: text, work };
        let value = reader.expression(depth)?;
        reader.rest.trim().is_empty().then_some(value)
    }
}

/// What stands between the brackets of an expression; none where the text is no expression.
fn inner(text: &str) -> Option<&str> {
    text.strip_prefix('[').filter(|rest| !rest.starts_with('[')).and_then(|rest| rest.strip_suffix(']'))
}

/// Whether a text is an expression, which could not be worked out if it is met in something resolved.
pub(super) fn is_expression(text: &str) -> bool {
    inner(text).is_some()
}

struct Reader<'a, 'w> {
    scope: &'a Scope,
    rest: &'a str,
    work: &'w mut Work,
}

impl Reader<'_, '_> {
    /// A literal, or a call and what is picked of its result.
    fn expression(&mut self, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        self.work.take(1)?;
        self.rest = self.rest.trim_start();
        if self.rest.starts_with('\'') {
            return self.literal().map(Value::String);
        }
        if self.rest.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            let end = self.rest[1..].find(|c: char| !c.is_ascii_digit()).map_or(self.rest.len(), |end| end + 1);
            let (number, rest) = self.rest.split_at(end);
            self.rest = rest;
            return number.parse::<i64>().ok().map(Value::from);
        }
        let name = self.word()?.to_ascii_lowercase();
        let arguments = self.arguments(depth)?;
        let mut value = self.call(&name, &arguments, depth)?;
        while let Some(rest) = self.rest.strip_prefix('.') {
            self.rest = rest;
            let name = self.word()?.to_owned();
            value = member(&value, &name)?.clone();
        }
        Some(value)
    }

    /// `'it''s'`.
    fn literal(&mut self) -> Option<String> {
        let mut text = String::new();
        self.rest = self.rest.strip_prefix('\'')?;
        loop {
            let end = self.rest.find('\'')?;
            text.push_str(&self.rest[..end]);
            self.rest = &self.rest[end + 1..];
            match self.rest.strip_prefix('\'') {
                Some(rest) => self.rest = rest,
                None => return Some(text),
            }
            text.push('\'');
        }
    }

    fn word(&mut self) -> Option<&str> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn arguments(&mut self, depth: usize) -> Option<Vec<Value>> {
        let mut all = Vec::new();
        self.rest = self.rest.trim_start().strip_prefix('(')?.trim_start();
        if let Some(rest) = self.rest.strip_prefix(')') {
            self.rest = rest;
            return Some(all);
        }
        loop {
            all.push(self.expression(depth + 1)?);
            self.rest = self.rest.trim_start();
            if let Some(rest) = self.rest.strip_prefix(',') {
                self.rest = rest;
            } else {
                self.rest = self.rest.strip_prefix(')')?;
                return Some(all);
            }
        }
    }

    fn call(&mut self, name: &str, arguments: &[Value], depth: usize) -> Option<Value> {
        let texts = || arguments.iter().map(text).collect::<Option<Vec<String>>>();
        let referred = |all: &Map<String, Value>| all.get(&arguments.first()?.as_str()?.to_ascii_lowercase()).cloned();
        match name {
            "parameters" => self.scope.value(&referred(&self.scope.parameters)?, self.work, depth + 1),
            "variables" => self.scope.value(&referred(&self.scope.variables)?, self.work, depth + 1),
            "concat" => self.sized(texts()?.concat()),
            "tolower" => self.sized(texts()?.first()?.to_lowercase()),
            "toupper" => self.sized(texts()?.first()?.to_uppercase()),
            "format" => {
                let texts = texts()?;
                let (pattern, arguments) = texts.split_first()?;
                let mut text = pattern.clone();
                for (at, argument) in arguments.iter().enumerate() {
                    text = text.replace(&format!("{{{at}}}"), argument);
                    self.work.take(text.len() / 64)?;
                    (text.len() <= LONGEST).then_some(())?;
                }
                self.sized(text)
            }
            "resourceid" => self.sized(resource_id(&texts()?)?),
            _ => None,
        }
    }

    fn sized(&mut self, text: String) -> Option<Value> {
        self.work.take(text.len() / 64)?;
        (text.len() <= LONGEST).then_some(Value::String(text))
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        // What could not be worked out would make nonsense of what it becomes part of.
        Value::String(text) if !is_expression(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        _ => None,
    }
}

/// `resourceId('Microsoft.Cdn/profiles/originGroups', 'p', 'g')` → `/providers/Microsoft.Cdn/profiles/p/originGroups/g`; a
/// subscription and a resource group before it are passed over.
fn resource_id(arguments: &[String]) -> Option<String> {
    let at = arguments.iter().position(|text| text.contains('/'))?;
    let mut types = arguments[at].split('/');
    let mut id = format!("/providers/{}", types.next()?);
    let mut names = arguments[at + 1..].iter();
    for kind in types {
        id.push_str(&format!("/{kind}/{}", names.next()?));
    }
    names.next().is_none().then_some(id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn worth(text: &str) -> Value {
        let template = json!({
            "parameters": { "Profile": { "defaultValue": "fd" }, "none": {}, "o": { "defaultValue": { "a": { "b": 7 } } } },
            "variables": { "full": "[concat(parameters('profile'), '-', variables('n'))]", "n": 3, "loop": "[variables('loop')]" },
        });
        let scope = Scope::of(&template, &Map::new());
        scope.resolved(&Value::from(text), &mut Work::default())
    }

    #[test]
    fn what_exports_are_made_of_is_worked_out() {
        for (text, value) in [
            ("plain", json!("plain")),
            ("[[not an expression]", json!("[not an expression]")),
            ("['it''s']", json!("it's")),
            ("[parameters('profile')]", json!("fd")),
            ("[concat(parameters('PROFILE'), '/default' , '/' , 7)]", json!("fd/default/7")),
            ("[variables('full')]", json!("fd-3")),
            ("[format('{0}/{1}/{0}', parameters('profile'), 'x')]", json!("fd/x/fd")),
            ("[parameters('o').a.b]", json!(7)),
            ("[toLower('ABC')]", json!("abc")),
            (
                "[resourceId('Microsoft.Cdn/profiles/originGroups', parameters('profile'), 'g')]",
                json!("/providers/Microsoft.Cdn/profiles/fd/originGroups/g"),
            ),
            ("[resourceId('group', 'Microsoft.Web/sites', 's')]", json!("/providers/Microsoft.Web/sites/s")),
        ] {
            assert_eq!(worth(text), value, "{text}");
        }
    }

    #[test]
    fn what_only_azure_knows_stays_as_it_is_written() {
        for text in [
            "[reference('x').hostName]",
            "[parameters('none')]",
            "[parameters('absent')]",
            "[concat('a', reference('x'))]",
            "[concat('a'",
            "[concat('a')] ",
            "[concat('a') 'b']",
            "[variables('loop')]",
            "[resourceId('Microsoft.Web/sites')]",
            "[-]",
            "[]",
        ] {
            assert_eq!(worth(text), json!(text));
        }
    }

    #[test]
    fn a_few_lines_cannot_ask_for_more_than_memory_holds() {
        let mut variables = Map::new();
        variables.insert("v0".to_owned(), json!("0123456789abcdef"));
        for at in 1..40 {
            let before = format!("variables('v{}')", at - 1);
            variables.insert(format!("v{at}"), json!(format!("[concat({before}, {before}, {before}, {before})]")));
        }
        let list: Vec<String> = (0..20).map(|_| "[variables('v39')]".to_owned()).collect();
        let scope = Scope::of(&json!({ "variables": variables }), &Map::new());
        assert_eq!(scope.resolved(&json!(list), &mut Work::default()), json!(list));
        let deep = format!("[{}'a'{}]", "concat(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(worth(&deep), json!(deep));
    }
}
