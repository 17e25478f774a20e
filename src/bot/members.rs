//! Reads the members of an activity that are needed, in one pass over its JSON, and notices what could be read otherwise.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A member that is read, by its place among the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    Type,
    Id,
    ChannelId,
    Conversation,
    ServiceUrl,
    Name,
    DeliveryMode,
    Text,
}

/// The members read of an activity.
const MEMBERS: [(&str, Member); 8] = [
    ("type", Member::Type),
    ("id", Member::Id),
    ("channelId", Member::ChannelId),
    ("conversation", Member::Conversation),
    ("serviceUrl", Member::ServiceUrl),
    ("name", Member::Name),
    ("deliveryMode", Member::DeliveryMode),
    ("text", Member::Text),
];

/// All of them but `text`, which comes last.
const FACTS: &[(&str, Member)] = MEMBERS.split_at(MEMBERS.len() - 1).0;

/// What is read of its `conversation`.
const IN_CONVERSATION: [(&str, Member); 1] = [("id", Member::Id)];

/// The members as they were found; one that is no string counts as absent.
#[derive(Default)]
pub(super) struct Members<'a> {
    values: [Option<Cow<'a, str>>; MEMBERS.len()],
    /// Whether one of them is there twice, or in another case.
    pub(super) ambiguous: bool,
}

impl<'a> Members<'a> {
    /// Reads an activity, all of it or without its `text`.
    ///
    /// A text that a client has cut within a character (`"\ud83d"`) is JSON (RFC 8259, section 8.2) and no text of Rust: where
    /// nobody asks for it, it is passed over.
    pub(super) fn read(body: &'a [u8], text: bool) -> Result<Self, serde_json::Error> {
        // Also where nothing is read: what a bot makes of bytes that are no text is its own affair.
        let text_of_body = std::str::from_utf8(body).map_err(serde::de::Error::custom)?;
        let mut deserializer = serde_json::Deserializer::from_str(text_of_body);
        let members = deserializer.deserialize_map(Reader(if text { &MEMBERS } else { FACTS }))?;
        deserializer.end()?;
        Ok(members)
    }

    /// The value of a member; of `conversation`, its `id`.
    pub(super) fn take(&mut self, member: Member) -> Option<Cow<'a, str>> {
        self.values[member as usize].take()
    }
}

/// Reads an object, as far as the table says.
struct Reader(&'static [(&'static str, Member)]);

impl<'de> Visitor<'de> for Reader {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an activity")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let (mut members, mut seen) = (Members::default(), [false; MEMBERS.len()]);
        while let Some(name) = map.next_key::<Value<'de>>()? {
            let name = name.text.unwrap_or_default();
            let Some((_, member)) = self.0.iter().find(|(known, _)| *known == name) else {
                members.ambiguous |= self.0.iter().any(|(known, _)| alike(known, &name));
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let place = *member as usize;
            members.ambiguous |= std::mem::replace(&mut seen[place], true);
            let value: Value<'de> = map.next_value()?;
            members.ambiguous |= value.ambiguous;
            members.values[place] = if *member == Member::Conversation { value.id } else { value.text };
        }
        Ok(members)
    }
}

/// Whether a reader who does not regard case would take `name` for the name `known`.
fn alike(known: &str, name: &str) -> bool {
    match name.is_ascii() {
        true => known.eq_ignore_ascii_case(name),
        // Some letters beyond ASCII have one of ASCII as their upper case: "ſ" is such an "s".
        false => known.chars().map(|c| c.to_ascii_uppercase()).eq(name.chars().flat_map(char::to_uppercase)),
    }
}

/// The value of a member: its text when it is a string, its `id` when it is an object.
#[derive(Default)]
struct Value<'a> {
    text: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    ambiguous: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value { text: Some(Cow::Borrowed(text)), ..Value::default() })
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value { text: Some(Cow::Owned(text.to_owned())), ..Value::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value<'de>, A::Error> {
        let mut inner = Reader(&IN_CONVERSATION).visit_map(map)?;
        Ok(Value { text: None, id: inner.take(Member::Id), ambiguous: inner.ambiguous })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::default())
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value<'de>, E> {
        Ok(Value::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value<'de>, E> {
        Ok(Value::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value<'de>, E> {
        Ok(Value::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value<'de>, E> {
        Ok(Value::default())
    }
}
