//! Why a request has no response, or a response no end.

use std::error::Error;
use std::io;

use crate::wire::h1::Fault;

/// What went wrong between a request and the end of its response.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// The backend closed the connection before its response was whole.
    #[error("the connection was closed before the response had come to its end")]
    Closed,
    /// The response could be read in two ways.
    #[error("the response is malformed: {0}")]
    Malformed(Fault),
    /// The request's own body did not come to its end.
    #[error("the request body broke off: {0}")]
    RequestBody(Box<dyn Error + Send + Sync>),
    /// What the library for HTTP/2 says.
    #[error(transparent)]
    Http2(#[from] hyper::Error),
}

/// Why a request has no response head.
#[derive(Debug)]
pub struct SendFailure {
    /// What went wrong.
    pub error: ExchangeError,
    /// Whether the backend has not acted on the request: it was never written, or the backend said so.
    pub unsent: bool,
}
