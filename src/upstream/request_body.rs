//! The body of a request, as a worker sends it.

use bytes::Bytes;
use http_body::Body;

/// What a backend can be sent: any body of one worker's whose failure can be told.
pub trait RequestBody:
    Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin + 'static
{
}

impl<B> RequestBody for B where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin + 'static
{
}
