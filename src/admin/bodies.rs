//! What comes with an operator's orders.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::{Kind, Problem};

/// Longest reason, in characters.
const LONGEST_REASON: usize = 500;

/// What comes with `drain`, `resume` and `unpin`; may be left out.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderBody {
    /// Why, in the operator's words; at most 500 characters.
    #[schema(max_length = 500, example = "kernel update in West Europe")]
    pub reason: Option<String>,
    /// Whether it is to be done although something speaks against it.
    #[serde(default)]
    pub force: bool,
}

/// What comes with `failover`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FailoverBody {
    /// The backend to move to; left out: the best that is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "northeurope")]
    pub to: Option<String>,
    /// Why, in the operator's words; at most 500 characters.
    #[serde(default)]
    #[schema(required = true, min_length = 1, max_length = 500, example = "West Europe answers slowly")]
    pub reason: String,
    /// Whether to move although the backend is not ready, or a pin or a drill holds the pool. Never to a drained one.
    #[serde(default)]
    pub force: bool,
}

/// What comes with `failback`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FailbackBody {
    /// Why, in the operator's words; at most 500 characters.
    #[serde(default)]
    #[schema(required = true, min_length = 1, max_length = 500, example = "West Europe is repaired")]
    pub reason: String,
    /// Whether to move although the first priority is not ready, or a pin holds the pool. Never to a drained one.
    #[serde(default)]
    pub force: bool,
}

/// What comes with `pin`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PinBody {
    /// The backend to hold active.
    #[serde(default)]
    #[schema(required = true, min_length = 1, example = "westeurope")]
    pub backend: String,
    /// For how long, as the config writes durations: `2h`, `30m`; left out: until it is released.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    #[schema(example = "2h")]
    pub lasts: Option<String>,
    /// Whether the pin gives way when its backend becomes unavailable and another is not; left out: as the config says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yield_when_down: Option<bool>,
    /// Why, in the operator's words; at most 500 characters.
    #[serde(default)]
    #[schema(required = true, min_length = 1, max_length = 500, example = "the vendor measures in West Europe")]
    pub reason: String,
    /// Whether to pin although the backend is not ready, or a drill is under way. Never to a drained one.
    #[serde(default)]
    pub force: bool,
}

/// The body of an order; one that is left out is the default. What is sent is understood or refused: an order is not carried
/// out by a part of what it says.
pub(super) struct Told<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for Told<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        if request.headers().contains_key(CONTENT_TYPE) {
            let Json(body) = Json::from_request(request, state).await.map_err(IntoResponse::into_response)?;
            return Ok(Self(body));
        }
        let sent = Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        if !sent.is_empty() {
            let detail = "what comes with an order is JSON, and says so: send `Content-Type: application/json`";
            return Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).into_response());
        }
        Ok(Self(T::default()))
    }
}

/// The reason on one line, none when it says nothing.
pub(super) fn clean(reason: Option<String>) -> Result<Option<String>, Problem> {
    let Some(reason) = reason else { return Ok(None) };
    let reason: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let reason = reason.trim();
    match reason.chars().count() {
        0 => Ok(None),
        length if length > LONGEST_REASON => {
            let detail = format!("the reason has {length} characters; at most {LONGEST_REASON} are kept");
            Err(Problem::new(Kind::ReasonTooLong, detail))
        }
        _ => Ok(Some(reason.to_owned())),
    }
}

/// The same for an order that the journal must be able to explain.
pub(super) fn wanted(reason: String, order: &str) -> Result<Option<String>, Problem> {
    let reason = clean(Some(reason))?;
    if reason.is_none() {
        let detail = format!("a {order} wants a reason, for those who read the journal later: send \"reason\"");
        return Err(Problem::new(Kind::ReasonWanted, detail));
    }
    Ok(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_and_not_endless() {
        assert_eq!(clean(Some(" a\nb ".into())).unwrap().as_deref(), Some("a b"));
        assert_eq!(clean(Some(" \n ".into())).unwrap(), None);
        assert_eq!(clean(Some("ä".repeat(500))).unwrap().map(|reason| reason.len()), Some(1000));
        assert_eq!(clean(Some("x".repeat(501))).unwrap_err().status, 422);
    }

    #[test]
    fn an_order_without_a_wanted_reason_says_what_is_missing() {
        let problem = wanted(" ".into(), "failover").unwrap_err();
        assert_eq!((problem.status, problem.kind.as_str()), (422, "urn:botgate:reason-wanted"));
        assert!(problem.detail.contains("a failover wants a reason"), "{}", problem.detail);
    }
}
