//! What a pool's clients are told when no backend serves them, validated.

use std::time::Duration;

use http::HeaderValue;

/// What a client is told when botgate has no response of a backend for it: all are down, none could be reached, the last
/// one broke off, or none answered in time.
#[derive(Clone, Debug, PartialEq)]
pub struct UnavailableConfig {
    /// The status; none: 503 to bots, otherwise what happened (502, 503, 504).
    pub status: Option<u16>,
    /// `Retry-After`, in whole seconds; zero sends none; none: 5 s with every 503.
    pub retry_after: Option<Duration>,
    /// What people read, where a client shows it to them.
    pub message: String,
    /// The body; none: the one that the kind of the pool has.
    pub body: Option<UnavailableBody>,
}

/// A body of one's own.
#[derive(Clone, Debug, PartialEq)]
pub struct UnavailableBody {
    /// Its media type.
    pub content_type: HeaderValue,
    /// Its text; `{request_id}` and `{pool}` stand for the request's.
    pub text: String,
}

impl UnavailableBody {
    /// The text of one response: what takes the place of a placeholder is escaped as the media type wants it.
    pub fn filled(&self, request_id: &str, pool: &str) -> String {
        let media_type = self.content_type.to_str().unwrap_or_default().to_ascii_lowercase();
        let escape = |text: &str| -> String {
            if is_json(&media_type) {
                let quoted = serde_json::Value::from(text).to_string();
                // One quote at each end: the text may end with quotes of its own.
                quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
            } else if media_type.contains("html") || media_type.contains("xml") {
                text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
            } else {
                text.to_owned()
            }
        };
        self.text.replace("{pool}", &escape(pool)).replace("{request_id}", &escape(request_id))
    }
}

/// Whether a media type (in lower case) is JSON: `application/json`, or one of the kind of `application/problem+json`.
pub(super) fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.ends_with("/json") || essence.ends_with("+json")
}
