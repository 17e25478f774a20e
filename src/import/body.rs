//! What a resource says. Azure's own exports differ in the case of names and words, and people write numbers as text.

use serde_json::Value;

use super::expression::is_expression;

/// A member of an object, in whatever case it is written.
pub(super) fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    object
        .get(name)
        .or_else(|| object.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// The object that a path of members leads to.
pub(super) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| member(value, name)).filter(|value| !value.is_null())
}

/// A text that is known: not empty, and no expression that could not be worked out.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    member(value, name)?.as_str().map(str::trim).filter(|text| !text.is_empty() && !is_expression(text))
}

/// A whole number, written as one or as text.
pub(super) fn number(value: &Value, name: &str) -> Option<u64> {
    match member(value, name)? {
        Value::String(text) => text.trim().parse().ok(),
        number => number
            .as_u64()
            .or_else(|| number.as_f64().filter(|it| it.fract() == 0.0 && (0.0..1e9).contains(it)).map(|it| it as u64)),
    }
}

/// Whether a member is this word, in whatever case.
pub(super) fn is(value: &Value, name: &str, word: &str) -> bool {
    text(value, name).is_some_and(|text| text.eq_ignore_ascii_case(word))
}

/// The elements of a list; none where there is no list.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    member(value, name).and_then(Value::as_array).into_iter().flatten()
}

/// The last name of a resource id, or of a name that is a path.
pub(super) fn last(id: &str) -> &str {
    id.trim_end_matches('/').rsplit('/').next().unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_and_words_are_read_in_any_case_and_numbers_as_text() {
        let value = json!({ "Path": " /x ", "INTERVAL": "30", "f": 10.0, "n": -1, "state": "enabled", "e": "[a()]" });
        assert_eq!((text(&value, "path"), text(&value, "e"), text(&value, "none")), (Some("/x"), None, None));
        assert_eq!([number(&value, "interval"), number(&value, "f"), number(&value, "n")], [Some(30), Some(10), None]);
        assert!(is(&value, "State", "Enabled"));
        assert_eq!((last("/providers/a/b/c"), last("c"), last("a/b/")), ("c", "c", "b"));
    }
}
