//! The value that is taken of an answer.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use super::xml;
use crate::config::Take;
use crate::steering::Sample;

/// Longest value, in bytes of text: values are kept until the next round.
const LONGEST: usize = 256 * 1024;

/// The value of a header.
pub(super) fn of_head(headers: &HeaderMap, name: &http::HeaderName) -> Result<Sample, String> {
    let value = headers.get(name).ok_or_else(|| format!("the answer has no header {name}"))?;
    let text = value.to_str().map_err(|_| format!("the header {name} of the answer is no ASCII text"))?;
    Ok(Sample::text(text.trim()))
}

/// The value in a body. A byte order mark before it, as AI Search and Blob Storage send it, is no part of it.
pub(super) fn of_body(take: &Take, body: &Bytes) -> Result<Sample, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the answer is no UTF-8 text".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
    let value = match take {
        Take::Body | Take::Header(_) => Value::String(text.to_owned()),
        Take::Xml(path) => xml::text_at(text, path)?,
        Take::Json(pointer) => {
            let json = serde_json::from_str(text).map_err(|error| format!("the answer is no JSON: {error}"))?;
            pointed(&json, pointer).ok_or_else(|| format!("the answer has nothing at {pointer:?}"))?
        }
    };
    let length = value.as_str().map_or_else(|| value.to_string().len(), str::len);
    if length > LONGEST {
        return Err(format!("the value is longer than {} KiB: take a part of it", LONGEST / 1024));
    }
    Ok(Sample(value))
}

/// The value at a JSON pointer (RFC 6901). In an array a `*` collects what every element has there; an array without
/// elements gives an empty one, but elements that all lack it give nothing.
pub(in crate::control) fn pointed(value: &Value, pointer: &str) -> Option<Value> {
    let Some((token, rest)) = pointer.strip_prefix('/').map(|pointer| match pointer.find('/') {
        Some(at) => pointer.split_at(at),
        None => (pointer, ""),
    }) else {
        return Some(value.clone());
    };
    match value {
        Value::Array(all) if token == "*" => {
            let found: Vec<Value> = all.iter().filter_map(|one| pointed(one, rest)).collect();
            (all.is_empty() || !found.is_empty()).then_some(Value::Array(found))
        }
        _ => pointed(value.pointer(&format!("/{token}"))?, rest),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_star_collects_what_the_elements_of_an_array_have() {
        let value = json!({"value": [{"at": 1}, {"at": 2}, {}], "none": [], "*": 5, "a/b": [7, 8]});
        for (pointer, expected) in [
            ("/value/*/at", Some(json!([1, 2]))),
            ("/value/1/at", Some(json!(2))),
            ("/none/*/at", Some(json!([]))),
            ("/value/*/gone", None),
            ("/value/9", None),
            ("/*", Some(json!(5))),
            ("/a~1b/*", Some(json!([7, 8]))),
            ("/value/*/at/*", None),
            ("", Some(value.clone())),
        ] {
            assert_eq!(pointed(&value, pointer), expected, "{pointer}");
        }
    }

    #[test]
    fn a_value_that_would_fill_the_memory_is_refused() {
        let body = Bytes::from("x".repeat(LONGEST + 1));
        assert!(of_body(&Take::Body, &body).unwrap_err().contains("longer than 256 KiB"));
        assert!(of_body(&Take::Body, &body.slice(..LONGEST)).is_ok());
        assert!(of_body(&Take::Body, &Bytes::from_static(b"\xff")).unwrap_err().contains("UTF-8"));
    }

    #[test]
    fn deep_json_is_an_error_and_no_crash() {
        let deep = Bytes::from(format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
        assert!(of_body(&Take::Json("/0".into()), &deep).unwrap_err().starts_with("the answer is no JSON: "));
    }
}
