//! The part of a Bot Framework activity that decides how it is answered and what identifies it.

use std::borrow::Cow;

use super::members::{Member, Members};

/// An activity as it is posted to a messaging endpoint. Members that decide nothing here are not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity<'a> {
    /// `message`, `event`, `invoke`, `typing` …
    pub kind: Cow<'a, str>,
    /// The channel's id of the activity; may be absent (typing).
    pub id: Option<Cow<'a, str>>,
    /// `msteams`, `directline` …
    pub channel_id: Option<Cow<'a, str>>,
    /// The id of the conversation that it was said in, unique in its channel.
    pub conversation_id: Option<Cow<'a, str>>,
    /// Where replies go.
    pub service_url: Option<Cow<'a, str>>,
    /// What was said.
    pub text: Option<Cow<'a, str>>,
    /// The name of an event or an invoke.
    pub name: Option<Cow<'a, str>>,
    /// How the sender wants its replies.
    pub delivery_mode: DeliveryMode,
}

/// `deliveryMode`: how the sender wants its replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryMode {
    /// Replies go to `serviceUrl`: `normal`, or not given.
    #[default]
    Normal,
    /// Replies go into the response: `expectReplies`.
    ExpectReplies,
    /// Replies go into the response, one after the other as they come: `stream`.
    Stream,
    /// Anything else: `notification`, `ephemeral` …
    Other,
}

/// Why a body is no activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoActivity {
    /// Not a JSON object, or not JSON at all.
    NotAnObject,
    /// A member that is read here is there twice, or in another case than it is written in: readers of JSON differ about
    /// which of them counts, so what one of them checked another might not obey.
    Ambiguous,
    /// `type` is absent or no string.
    NoType,
    /// `channelId` is absent or no string.
    NoChannel,
    /// `conversation.id` is absent or no string.
    NoConversation,
}

impl NoActivity {
    /// What is wrong, for the one who sent it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAnObject => "the request body is not a JSON object",
            Self::Ambiguous => "a member of the activity is given twice, or not spelt as the protocol spells it",
            Self::NoType => "the activity has no string `type`",
            Self::NoChannel => "the activity has no string `channelId`",
            Self::NoConversation => "the activity has no string `conversation.id`",
        }
    }
}

impl<'a> Activity<'a> {
    /// Reads an activity from a request body; one whose text cannot be read has none.
    ///
    /// # Errors
    /// [`NoActivity`]: it is not a JSON object with a string `type`, or one that can be read in two ways.
    pub fn parse(body: &'a [u8]) -> Result<Self, NoActivity> {
        Self::of(Members::read(body, true).or_else(|_| Members::read(body, false)))
    }

    fn of(read: serde_json::Result<Members<'a>>) -> Result<Self, NoActivity> {
        let mut read = read.map_err(|_| NoActivity::NotAnObject)?;
        if read.ambiguous {
            return Err(NoActivity::Ambiguous);
        }
        Ok(Self {
            kind: read.take(Member::Type).ok_or(NoActivity::NoType)?,
            id: read.take(Member::Id),
            channel_id: read.take(Member::ChannelId),
            conversation_id: read.take(Member::Conversation),
            service_url: read.take(Member::ServiceUrl),
            text: read.take(Member::Text),
            name: read.take(Member::Name),
            delivery_mode: match read.take(Member::DeliveryMode).as_deref() {
                None | Some("normal") => DeliveryMode::Normal,
                Some("expectReplies") => DeliveryMode::ExpectReplies,
                Some("stream") => DeliveryMode::Stream,
                Some(_) => DeliveryMode::Other,
            },
        })
    }

    /// What identifies it across deliveries: channel, conversation and activity id; none when one of them is absent.
    pub fn key(&self) -> Option<String> {
        let (channel, conversation, id) =
            (self.channel_id.as_ref()?, self.conversation_id.as_ref()?, self.id.as_ref()?);
        Some(format!("{channel}/{conversation}/{id}"))
    }
}

/// What a gateway knows of an activity that it passes on, the body aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// `message`, `event`, `invoke`, `typing` …
    pub kind: Box<str>,
    /// `msteams`, `directline` …
    pub channel_id: Box<str>,
    /// The id of the conversation, unique in its channel.
    pub conversation_id: Box<str>,
    /// The channel's id of the activity; may be absent (typing).
    pub id: Option<Box<str>>,
    /// Where replies go.
    pub service_url: Option<Box<str>>,
    /// The name of an event or an invoke.
    pub name: Option<Box<str>>,
    /// How the sender wants its replies.
    pub delivery_mode: DeliveryMode,
}

impl Facts {
    /// Reads what a messaging endpoint must be sent.
    ///
    /// # Errors
    /// [`NoActivity`].
    pub fn read(body: &[u8]) -> Result<Self, NoActivity> {
        let activity = Activity::of(Members::read(body, false))?;
        let boxed = |text: Option<Cow<'_, str>>| text.map(|text| Box::from(text.as_ref()));
        Ok(Self {
            kind: activity.kind.as_ref().into(),
            channel_id: boxed(activity.channel_id).ok_or(NoActivity::NoChannel)?,
            conversation_id: boxed(activity.conversation_id).ok_or(NoActivity::NoConversation)?,
            id: boxed(activity.id),
            service_url: boxed(activity.service_url),
            name: boxed(activity.name),
            delivery_mode: activity.delivery_mode,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"type":"message","id":"7","channelId":"msteams","conversation":{"id":"a:1","name":"x"},
        "serviceUrl":"https://s","deliveryMode":"expectReplies","text":"a\nb","extra":[1,{"type":2}]}"#;

    #[test]
    fn an_activity_is_known_by_channel_conversation_and_id() {
        let activity = Activity::parse(WHOLE.as_bytes()).unwrap();
        assert_eq!(activity.key().as_deref(), Some("msteams/a:1/7"));
        assert_eq!(activity.delivery_mode, DeliveryMode::ExpectReplies);
        assert_eq!(activity.text.as_deref(), Some("a\nb"));
        assert_eq!(Facts::read(WHOLE.as_bytes()).unwrap().service_url.as_deref(), Some("https://s"));
    }

    #[test]
    fn an_activity_without_an_id_has_no_key() {
        let activity = Activity::parse(br#"{"type":"typing","channelId":"c","conversation":{"id":"1"}}"#).unwrap();
        assert_eq!((activity.key(), activity.delivery_mode), (None, DeliveryMode::Normal));
    }

    #[test]
    fn what_is_not_an_activity_is_refused() {
        use NoActivity::{NoChannel, NoConversation, NoType, NotAnObject};
        for (body, why) in [
            ("", NotAnObject),
            ("[]", NotAnObject),
            ("null", NotAnObject),
            ("\"type\"", NotAnObject),
            ("{\"type\":\"message\"", NotAnObject),
            ("{\"type\":\"message\"} x", NotAnObject),
            ("{\"type\":\"\u{7f}\\ud800\",\"channelId\":\"c\",\"conversation\":{\"id\":\"1\"}}", NotAnObject),
            ("{}", NoType),
            (r#"{"type":1}"#, NoType),
            (r#"{"type":null,"channelId":"c"}"#, NoType),
            (r#"{"type":"message","conversation":{"id":"1"}}"#, NoChannel),
            (r#"{"type":"message","channelId":["c"],"conversation":{"id":"1"}}"#, NoChannel),
            (r#"{"type":"message","channelId":"c"}"#, NoConversation),
            (r#"{"type":"message","channelId":"c","conversation":"1"}"#, NoConversation),
            (r#"{"type":"message","channelId":"c","conversation":{"id":1}}"#, NoConversation),
            (r#"{"type":"message","channelId":"c","conversation":[{"id":"1"}]}"#, NoConversation),
        ] {
            assert_eq!(Facts::read(body.as_bytes()).unwrap_err(), why, "{body}");
        }
    }

    #[test]
    fn a_text_that_was_cut_within_a_character_is_the_bots_business() {
        let body = r#"{"type":"message","channelId":"c","conversation":{"id":"1"},"text":"cut \ud83d","name":"x"}"#;
        assert_eq!(Facts::read(body.as_bytes()).unwrap().name.as_deref(), Some("x"));
        assert_eq!(Activity::parse(body.as_bytes()).unwrap().text, None);
    }

    #[test]
    fn bytes_that_are_no_text_are_no_json_wherever_they_stand() {
        let body = b"{\"type\":\"message\",\"channelId\":\"c\",\"conversation\":{\"id\":\"1\"},\"z\":\"\xff\"}";
        assert_eq!(Facts::read(body).unwrap_err(), NoActivity::NotAnObject);
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!(r#"{{"type":"message","x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(Facts::read(deep.as_bytes()).unwrap_err(), NoActivity::NoChannel);
        let deep = format!(r#"{{"type":{}1{}}}"#, "{\"id\":".repeat(100_000), "}".repeat(100_000));
        assert_eq!(Facts::read(deep.as_bytes()).unwrap_err(), NoActivity::NotAnObject);
    }

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_refused() {
        for body in [
            r#"{"type":"message","type":"event","channelId":"c","conversation":{"id":"1"}}"#,
            r#"{"type":"message","channelId":"c","ChannelId":"d","conversation":{"id":"1"}}"#,
            r#"{"type":"message","CHANNELID":"d","conversation":{"id":"1"}}"#,
            r#"{"type":"message","channel\u0049d":"c","channelId":"d","conversation":{"id":"1"}}"#,
            r#"{"type":"message","channelId":"c","conversation":{"id":"1","id":"2"}}"#,
            r#"{"type":"message","channelId":"c","conversation":{"ID":"1"}}"#,
            r#"{"type":"message","channelId":"c","conversation":{"id":"1"},"conversation":{"id":"2"}}"#,
            r#"{"type":"message","channelId":"c","conversation":{"id":"1"},"serviceUrl":"a","ſerviceUrl":"b"}"#,
        ] {
            assert_eq!(Facts::read(body.as_bytes()).unwrap_err(), NoActivity::Ambiguous, "{body}");
        }
    }

    #[test]
    fn members_of_the_wrong_type_that_are_not_required_count_as_absent() {
        let body = r#"{"type":"message","id":7,"channelId":"c","conversation":{"id":"1"},"serviceUrl":{},"text":null}"#;
        let facts = Facts::read(body.as_bytes()).unwrap();
        assert_eq!((facts.id, facts.service_url), (None, None));
    }
}
