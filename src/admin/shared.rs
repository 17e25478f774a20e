//! What the descriptions of many endpoints share: each thing that repeats is defined once, here.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, IntoResponses, ToSchema};

use super::problem::Problem;

/// A pool in a path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct PoolPath {
    /// The name of the pool
    pub(super) pool: String,
}

/// A backend in a path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct BackendPath {
    /// The name of the pool
    pub(super) pool: String,
    /// The name of the backend
    pub(super) backend: String,
}

/// An order that is refused as things stand: a problem document that says what speaks against it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refusal {
    /// The problem.
    #[serde(flatten)]
    pub problem: Problem,
    /// What speaks against it, one sentence each.
    pub reasons: Vec<String>,
    /// Whether the same order with `"force": true` would be carried out all the same.
    pub forcible: bool,
}

/// How an order is not carried out.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it describes answers, and is none")]
pub(super) enum OrderProblems {
    /// No such pool or backend
    #[response(status = 404, content_type = "application/problem+json")]
    Unknown(Problem),
    /// It cannot be done as things stand; nothing changed
    #[response(status = 409, content_type = "application/problem+json")]
    Refused(Refusal),
    /// The body is not understood, or lacks something
    #[response(status = 422, content_type = "application/problem+json")]
    NotUnderstood(Problem),
    /// Control does not answer
    #[response(status = 503, content_type = "application/problem+json")]
    NoAnswer(Problem),
}

/// How a question about a pool is not answered.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it describes answers, and is none")]
pub(super) enum PoolProblems {
    /// No such pool
    #[response(status = 404, content_type = "application/problem+json")]
    Unknown(Problem),
    /// Control does not answer
    #[response(status = 503, content_type = "application/problem+json")]
    NoAnswer(Problem),
}
