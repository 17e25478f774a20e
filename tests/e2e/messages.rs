//! What a channel sends to a bot, and what the bot says.

use serde_json::{Value, json};

/// A message that asks for the replies in the response (`deliveryMode: "expectReplies"`).
pub fn message(id: &str, text: &str) -> String {
    activity("message", id, json!({ "text": text, "deliveryMode": "expectReplies" }))
}

/// An event: answered with an empty 2xx.
pub fn event(id: &str) -> String {
    activity("event", id, json!({ "name": "test/event" }))
}

/// An invoke that the test bots answer in the response.
pub fn invoke(id: &str, value: &str) -> String {
    activity("invoke", id, json!({ "name": "test/echo", "value": value }))
}

fn activity(kind: &str, id: &str, more: Value) -> String {
    let mut activity = json!({
        "type": kind,
        "id": id,
        "channelId": "test",
        "serviceUrl": "https://channel.invalid/",
        "from": { "id": "user" },
        "recipient": { "id": "bot" },
        "conversation": { "id": "conversation" },
    });
    if let (Some(activity), Value::Object(more)) = (activity.as_object_mut(), more) {
        activity.extend(more);
    }
    activity.to_string()
}

/// The text of the first reply in a response to [`message`].
pub fn reply(body: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).ok()?;
    Some(body["activities"][0]["text"].as_str()?.to_owned())
}

/// The region that a reply names first.
pub fn region(reply: &str) -> Option<&str> {
    Some(reply.split_once(": you said '")?.0)
}
