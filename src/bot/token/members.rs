//! A JSON object, read so that no two parsers could read it in two ways.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::model::TokenFault;

/// Most members of an object. Tokens have about a dozen.
const MOST: usize = 64;

/// The members of an object in order of writing, each name once.
#[derive(Debug)]
pub(super) struct Members<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

/// A value, as far as anything here asks.
#[derive(Debug, PartialEq)]
enum Value<'a> {
    Text(Cow<'a, str>),
    Integer(i64),
    /// An array of nothing but text.
    Texts(Vec<Cow<'a, str>>),
    /// `null`, a fraction, a number beyond 63 bits, any other array, an object …
    Other,
}

impl<'a> Members<'a> {
    /// Reads an object, and nothing after it.
    ///
    /// # Errors
    /// [`TokenFault::Malformed`]: no JSON object, too many members, or two of one name, of which one parser would take the
    /// first and another the last.
    pub(super) fn read(json: &'a [u8]) -> Result<Self, TokenFault> {
        serde_json::from_slice(json).map_err(|_| TokenFault::Malformed)
    }

    /// The text of a member; none when there is no such member.
    ///
    /// # Errors
    /// [`TokenFault::Malformed`] when it is anything but text, `null` among it.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, TokenFault> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(TokenFault::Malformed),
        }
    }

    /// The integer of a member; none when there is no such member.
    ///
    /// # Errors
    /// [`TokenFault::Malformed`] when it is anything but an integer.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, TokenFault> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Integer(number)) => Ok(Some(*number)),
            Some(_) => Err(TokenFault::Malformed),
        }
    }

    /// The texts of a member that is one text, or an array of texts; none when there is no such member.
    ///
    /// # Errors
    /// [`TokenFault::Malformed`] when it is anything else.
    pub(super) fn texts(&self, name: &str) -> Result<&[Cow<'a, str>], TokenFault> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Text(text)) => Ok(std::slice::from_ref(text)),
            Some(Value::Texts(texts)) => Ok(texts),
            Some(_) => Err(TokenFault::Malformed),
        }
    }

    /// Whether there is a member of this name, whatever it holds.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members: Vec<(Cow<'de, str>, Value<'de>)> = Vec::with_capacity(16);
                while let Some(Name(name)) = map.next_key()? {
                    if members.len() == MOST || members.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom("a member twice, or too many"));
                    }
                    members.push((name, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// The name of a member: borrowed where it is written without escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(Anything)? {
            Value::Text(text) => Ok(Self(text)),
            _ => Err(D::Error::custom("a name is text")),
        }
    }
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value<'de>, E> {
        Ok(Value::Integer(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value<'de>, E> {
        Ok(i64::try_from(number).map_or(Value::Other, Value::Integer))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value<'de>, A::Error> {
        // Read rather than passed over: serde_json bounds the depth of what is read, and so do most of its kind.
        let (mut texts, mut other) = (Vec::new(), false);
        while let Some(element) = seq.next_element::<Value<'de>>()? {
            match element {
                Value::Text(text) if !other => texts.push(text),
                _ => other = true,
            }
        }
        Ok(if other { Value::Other } else { Value::Texts(texts) })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, Value<'de>>()?.is_some() {}
        Ok(Value::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_read_in_two_ways_is_not_read() {
        for json in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"a":1}{"#,
            r#"{"a":1} x"#,
            "[]",
            "null",
            "\"a\"",
            "",
            "{",
            r#"{"a":1,}"#,
            r#"{"a":NaN}"#,
            "{'a':1}",
            "\u{feff}{}",
        ] {
            assert!(Members::read(json.as_bytes()).is_err(), "{json}");
        }
        let many: Vec<String> = (0..=MOST).map(|at| format!("\"m{at}\":0")).collect();
        assert!(Members::read(format!("{{{}}}", many.join(",")).as_bytes()).is_err());
        assert!(Members::read(b"{\"a\":\"\xff\"}").is_err(), "not UTF-8");
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Members::read(deep.as_bytes()).is_err());
    }

    #[test]
    fn a_member_has_the_type_that_it_is_asked_for_or_is_refused() {
        let json = br#"{"t":"x","e":"\u0078","i":7,"f":7.0,"n":null,"b":true,"l":[1],"o":{"a":1,"a":2},"h":99999999999999999999}"#;
        let members = Members::read(json).unwrap();
        assert_eq!(
            (members.text("t"), members.text("e"), members.text("none")),
            (Ok(Some("x")), Ok(Some("x")), Ok(None))
        );
        assert_eq!((members.integer("i"), members.integer("none")), (Ok(Some(7)), Ok(None)));
        for name in ["f", "n", "b", "l", "o", "h"] {
            assert!(members.text(name).is_err() && members.integer(name).is_err() && members.has(name), "{name}");
        }
        assert!(members.integer("t").is_err() && members.text("i").is_err());
    }

    #[test]
    fn texts_are_one_text_or_an_array_of_nothing_else() {
        let json = br#"{"one":"a","all":["a","\u0062"],"none":[],"mixed":["a",1],"nested":[["a"]],"null":null}"#;
        let members = Members::read(json).unwrap();
        let texts = |name: &str| members.texts(name).map(|texts| texts.join(","));
        assert_eq!((texts("one").unwrap(), texts("all").unwrap()), ("a".into(), "a,b".into()));
        assert!(texts("none").unwrap().is_empty() && texts("gone").unwrap().is_empty());
        for wrong in ["mixed", "nested", "null"] {
            assert!(texts(wrong).is_err(), "{wrong}");
        }
        assert!(members.text("all").is_err(), "a list is no text");
    }
}
