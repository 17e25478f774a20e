//! A request as one backend is to have it.

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};
use http_body::Body;

use super::origin::Origin;
use crate::wire::{Fields, Known, Set};

/// A request to one backend: what any backend is sent, and what is this one's. HTTP/1 is written from it without a copy.
#[derive(Debug)]
pub struct Outgoing<'a, B> {
    /// Its method.
    pub method: &'a Method,
    /// Its target, in the form that the version of HTTP asks for.
    pub target: Uri,
    /// Whom it is for: that is its `Host`, and which credentials of the client's it leaves out.
    pub origin: &'a Origin,
    /// Fields for any backend. None of them is about a connection or about how the body is framed but `Content-Length`.
    pub fields: &'a Fields,
    /// The backend's own fields: each takes the place of all others of its name, also of those before it.
    pub own: &'a [(HeaderName, HeaderValue)],
    /// This attempt's, which take the place of those too.
    pub also: [Option<(Known, HeaderValue)>; 4],
    /// The body.
    pub body: B,
}

impl<B: Body<Data = Bytes>> Outgoing<'_, B> {
    /// Whether a client's field of this name (lower case), which is none of this attempt's, goes to this backend as it is.
    pub(super) fn keeps(&self, name: &[u8]) -> bool {
        !self.origin.withholds(name) && !self.own.iter().any(|(other, _)| other.as_str().as_bytes() == name)
    }

    /// Which fields this attempt sets.
    pub(super) fn set(&self) -> Set {
        self.also.iter().flatten().fold(Set::NONE, |set, (field, _)| set.with(*field))
    }

    /// The backend's own fields, and this attempt's: of each name the last.
    pub(super) fn last_set(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        let also = || self.also.iter().flatten().map(|(field, value)| (field.name(), value));
        let is_last = move |at: usize, name: &HeaderName| {
            self.own[at + 1..].iter().all(|(later, _)| later != name) && also().all(|(later, _)| later != name)
        };
        let own = self.own.iter().enumerate().filter(move |(at, (name, _))| is_last(*at, name));
        own.map(|(_, (name, value))| (name, value)).chain(also())
    }

    /// The same request for the library that speaks HTTP/2.
    pub(super) fn into_http2(self) -> Request<B> {
        let mut fields = self.fields.clone();
        fields.remove(Set::of(&[Known::Host]));
        if self.origin.withholds_any() {
            fields.remove_named(|name| self.origin.withholds(name));
        }
        let mut headers = HeaderMap::from(fields);
        for (name, value) in self.own {
            headers.insert(name, value.clone());
        }
        for (field, value) in self.also.into_iter().flatten() {
            headers.insert(field.name(), value);
        }
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target;
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = headers;
        request
    }
}
