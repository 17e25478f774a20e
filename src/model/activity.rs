//! One activity on its way through, as `botgate watch --activities` shows it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BackendName, PoolName, Utc};

/// An activity that was answered, or refused. Never holds a token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ActivityView {
    /// When its head had come.
    pub at: Utc,
    /// The pool that its route leads to.
    pub pool: PoolName,
    /// The backend that answered; none when no backend saw it.
    pub backend: Option<BackendName>,
    /// `message`, `invoke`, `typing` …
    #[serde(rename = "type")]
    pub kind: String,
    /// `msteams`, `directline` …
    pub channel: String,
    /// The id of the conversation.
    pub conversation: String,
    /// The channel's id of the activity.
    pub id: Option<String>,
    /// The name of an event or an invoke.
    pub name: Option<String>,
    /// What was said, its first 200 characters; none where `admin.activity_text` keeps it back.
    pub text: Option<String>,
    /// The status that it was answered with.
    pub status: u16,
    /// From its head to the end of the response, in milliseconds.
    pub duration_ms: f64,
    /// How many attempts were made.
    pub attempts: u32,
    /// How it ended, as the access log says it.
    pub outcome: String,
    /// The id of the request.
    pub request_id: String,
}
