//! A request and a response, as the gateway passes them on: their fields are not a map, but as they came.

use http::{HeaderMap, Method, StatusCode, Uri, Version};

use super::fields::Fields;

/// The head of a request.
#[derive(Clone, Debug)]
pub struct Head {
    /// What is asked.
    pub method: Method,
    /// Of what.
    pub uri: Uri,
    /// In which version of HTTP.
    pub version: Version,
    /// Its fields.
    pub fields: Fields,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request<B> {
    /// Its head.
    pub head: Head,
    /// Its body.
    pub body: B,
}

/// A response.
#[derive(Clone, Debug, Default)]
pub struct Response<B> {
    /// How it went.
    pub status: StatusCode,
    /// The version of HTTP that it came in.
    pub version: Version,
    /// Its fields.
    pub fields: Fields,
    /// Its body.
    pub body: B,
}

impl<B> Response<B> {
    /// 200, without fields.
    pub fn new(body: B) -> Self {
        Self { status: StatusCode::OK, version: Version::HTTP_11, fields: Fields::default(), body }
    }

    /// The same with another body.
    pub fn map<C>(self, change: impl FnOnce(B) -> C) -> Response<C> {
        let Self { status, version, fields, body } = self;
        Response { status, version, fields, body: change(body) }
    }
}

impl From<http::request::Parts> for Head {
    fn from(parts: http::request::Parts) -> Self {
        let http::request::Parts { method, uri, version, headers, .. } = parts;
        Self { method, uri, version, fields: headers.into() }
    }
}

impl<B> From<http::Request<B>> for Request<B> {
    fn from(request: http::Request<B>) -> Self {
        let (parts, body) = request.into_parts();
        Self { head: parts.into(), body }
    }
}

impl<B> From<http::Response<B>> for Response<B> {
    fn from(response: http::Response<B>) -> Self {
        let (parts, body) = response.into_parts();
        let http::response::Parts { status, version, headers, .. } = parts;
        Self { status, version, fields: headers.into(), body }
    }
}

impl<B> Response<B> {
    /// The same for a library that wants a map.
    pub fn into_http(self) -> http::Response<B> {
        let mut response = http::Response::new(self.body);
        *response.status_mut() = self.status;
        *response.version_mut() = self.version;
        *response.headers_mut() = HeaderMap::from(self.fields);
        response
    }
}
