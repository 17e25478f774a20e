//! The part of a Bot Framework activity that decides how it is answered and what identifies it.

use std::borrow::Cow;

use serde::Deserialize;

/// An activity as it is posted to a messaging endpoint. Fields that decide nothing here are not read.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Activity<'a> {
    /// `message`, `event`, `invoke`, `typing` …
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    /// The channel's id of the activity; may be absent (typing).
    #[serde(borrow)]
    pub id: Option<Cow<'a, str>>,
    /// `msteams`, `directline` …
    #[serde(borrow)]
    pub channel_id: Option<Cow<'a, str>>,
    /// Where it was said.
    #[serde(borrow)]
    pub conversation: Option<Conversation<'a>>,
    /// What was said.
    #[serde(borrow)]
    pub text: Option<Cow<'a, str>>,
    /// The name of an event or an invoke.
    #[serde(borrow)]
    pub name: Option<Cow<'a, str>>,
    /// How the sender wants its replies.
    #[serde(default, borrow)]
    pub delivery_mode: DeliveryMode<'a>,
}

/// The conversation of an activity.
#[derive(Clone, Debug, Deserialize)]
pub struct Conversation<'a> {
    /// Unique in its channel.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
}

/// `deliveryMode`: how the sender wants its replies.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(from = "Option<Cow<'a, str>>")]
pub enum DeliveryMode<'a> {
    /// Replies go to `serviceUrl`: `normal`, or not given.
    #[default]
    Normal,
    /// Replies go into the response: `expectReplies`.
    ExpectReplies,
    /// Anything else: `notification`, `ephemeral` …
    Other(Cow<'a, str>),
}

impl<'a> From<Option<Cow<'a, str>>> for DeliveryMode<'a> {
    fn from(text: Option<Cow<'a, str>>) -> Self {
        match text.as_deref() {
            None | Some("normal") => Self::Normal,
            Some("expectReplies") => Self::ExpectReplies,
            Some(_) => text.map_or(Self::Normal, Self::Other),
        }
    }
}

impl<'a> Activity<'a> {
    /// Reads an activity from a request body.
    ///
    /// # Errors
    /// When it is not a JSON object with a string `type`, or a field read here has another type than it should.
    pub fn parse(body: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }

    /// What identifies it across deliveries: channel, conversation and activity id; none when one of them is absent.
    pub fn key(&self) -> Option<String> {
        let (channel, conversation, id) = (self.channel_id.as_ref()?, self.conversation.as_ref()?, self.id.as_ref()?);
        Some(format!("{channel}/{}/{id}", conversation.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_activity_is_known_by_channel_conversation_and_id() {
        let body = br#"{"type":"message","id":"7","channelId":"msteams","conversation":{"id":"a:1"},"deliveryMode":"expectReplies","extra":[1]}"#;
        let activity = Activity::parse(body).unwrap();
        assert_eq!(activity.key().as_deref(), Some("msteams/a:1/7"));
        assert_eq!(activity.delivery_mode, DeliveryMode::ExpectReplies);
    }

    #[test]
    fn an_activity_without_an_id_has_no_key() {
        let activity = Activity::parse(br#"{"type":"typing","channelId":"c","conversation":{"id":"1"}}"#).unwrap();
        assert_eq!((activity.key(), activity.delivery_mode), (None, DeliveryMode::Normal));
    }

    #[test]
    fn what_is_not_an_activity_is_refused() {
        for body in ["", "[]", "{}", r#"{"type":1}"#, r#"{"type":"message","conversation":"x"}"#] {
            assert!(Activity::parse(body.as_bytes()).is_err(), "{body}");
        }
    }
}
