//! A validated probe: what is asked of a backend, and what is a good answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::types_backend::BackendConfig;
use super::types_pool::StatusSet;

/// An active health check.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeConfig {
    /// What is asked.
    pub kind: ProbeKind,
    /// From the start of one probe to the start of the next.
    pub interval: Duration,
    /// Bounds one probe.
    pub timeout: Duration,
    /// Bad probes in a row that make a backend unhealthy; at least 1.
    pub fall: u32,
    /// Good probes in a row that make it healthy again; at least 1.
    pub rise: u32,
    /// Share of the interval by which each probe is moved at random, 0 to 1, so that probes do not beat in step.
    pub jitter: f64,
}

/// What a probe asks.
#[derive(Clone, Debug, PartialEq)]
pub enum ProbeKind {
    /// A connection is enough.
    Tcp,
    /// An HTTP request to the backend, over TLS when its URL says `https`.
    Http(HttpProbe),
    /// A synthetic message to a bot.
    Activity(Box<ActivityProbe>),
    /// A question to a question-answering service.
    Question(QuestionProbe),
}

impl ProbeKind {
    /// Whether a response of this status may be good; never for what asks for none.
    pub fn takes(&self, status: u16) -> bool {
        match self {
            Self::Tcp => false,
            Self::Http(probe) => probe.status.contains(status),
            Self::Activity(probe) => probe.status.contains(status),
            Self::Question(_) => (200..300).contains(&status),
        }
    }
}

/// What an HTTP probe sends and expects.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpProbe {
    /// GET or HEAD.
    pub method: http::Method,
    /// Path and query, below the backend's base path.
    pub path: String,
    /// Sent as well as the backend's own headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Statuses that are good.
    pub status: StatusSet,
    /// What the body must hold; only with GET.
    pub body: Option<BodyCheck>,
    /// Whether a backend that is well is asked over the connection of the probe before, but for every fifth time.
    pub keep: bool,
}

/// What a probe's response body must hold. Read up to 64 KiB.
#[derive(Clone, Debug, PartialEq)]
pub enum BodyCheck {
    /// This text, somewhere.
    Contains(String),
    /// This value at this JSON pointer (RFC 6901).
    Json {
        /// Where.
        pointer: String,
        /// What.
        equals: serde_json::Value,
    },
}

/// A synthetic message to a bot, which is to reply in its response (`deliveryMode: "expectReplies"`).
#[derive(Clone, Debug, PartialEq)]
pub struct ActivityProbe {
    /// Path and query, below the backend's base path.
    pub path: String,
    /// Sent as well as the backend's own headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Statuses that are good.
    pub status: StatusSet,
    /// What the response must hold; none looks at its status alone.
    pub reply: Option<ReplyCheck>,
    /// What is said.
    pub text: String,
    /// `channelId`.
    pub channel_id: String,
    /// `conversation.id`.
    pub conversation: String,
    /// `from.id`.
    pub from: String,
    /// `recipient.id`.
    pub recipient: String,
    /// `serviceUrl`.
    pub service_url: String,
    /// Whose token signs it; none is sent unsigned.
    pub sign: Option<SignConfig>,
}

/// What a bot's response must hold. Read up to 64 KiB.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplyCheck {
    /// Where (RFC 6901). A `*` stands for every element of an array: one of them must do.
    pub pointer: String,
    /// What.
    pub expects: Expected,
}

/// What a value must be.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// A text that holds this one.
    Contains(String),
    /// This value.
    Equals(serde_json::Value),
}

/// Where the token comes from that signs an activity: OAuth 2.0 client credentials (RFC 6749, section 4.4).
#[derive(Clone, PartialEq)]
pub struct SignConfig {
    /// Who issues it.
    pub service: Arc<BackendConfig>,
    /// The path and query to ask.
    pub path: String,
    /// The application's id.
    pub client_id: String,
    /// Its secret. Never printed.
    pub client_secret: String,
    /// What the token is for.
    pub scope: String,
}

impl fmt::Debug for SignConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignConfig").field("service", &self.service).field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// A question to a question-answering service, by the identity of each backend: QnA Maker where it has a `kb`, custom
/// question answering where it has a `project`.
#[derive(Clone, Debug, PartialEq)]
pub struct QuestionProbe {
    /// What is asked.
    pub question: String,
    /// What the first answer must hold.
    pub contains: String,
    /// Its least score, 0 to 100; custom question answering's confidence of 0 to 1 is counted by 100.
    pub min_score: Option<f64>,
    /// Path and query, below the backend's base path; none: where its service is asked.
    pub path: Option<String>,
    /// Sent as well as the backend's own headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}
