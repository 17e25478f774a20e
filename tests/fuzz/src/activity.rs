//! Request bodies at a guard: what is read of an activity, against what a general parser of JSON reads.

use botgate::bot::{Activity, Facts};
use serde_json::Value;

pub fn target(data: &[u8]) {
    let facts = Facts::read(data);
    if let Ok(activity) = Activity::parse(data)
        && let Ok(facts) = &facts
    {
        assert_eq!(activity.kind.as_ref(), &*facts.kind);
        assert_eq!(activity.channel_id.as_deref(), Some(&*facts.channel_id));
        assert_eq!(activity.conversation_id.as_deref(), Some(&*facts.conversation_id));
        assert_eq!(activity.id.as_deref(), facts.id.as_deref());
    }
    // It gives up at a depth of 128, and at text that was cut within a character.
    let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let conversation = value.get("conversation").and_then(|it| it.get("id")).and_then(Value::as_str);
    match &facts {
        Ok(facts) => {
            assert_eq!(Some(&*facts.kind), text("type"));
            assert_eq!(Some(&*facts.channel_id), text("channelId"));
            assert_eq!(Some(&*facts.conversation_id), conversation);
            assert_eq!(facts.id.as_deref(), text("id"));
            assert_eq!(facts.service_url.as_deref(), text("serviceUrl"));
            assert_eq!(facts.name.as_deref(), text("name"));
            for name in ["type", "id", "channelId", "conversation", "serviceUrl", "name", "deliveryMode"] {
                let members = value.as_object().map(|members| members.keys()).into_iter().flatten();
                let alike = members.filter(|known| known.to_uppercase() == name.to_uppercase()).count();
                assert!(alike <= 1, "{name} can be read in {alike} ways");
            }
        }
        Err(_) => {
            // Refused: something is missing, or could be read in two ways. What a parser that keeps one of two members
            // sees can still look whole.
        }
    }
}
