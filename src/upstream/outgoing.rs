//! A request as one backend is to have it.

use bytes::Bytes;
use http::header::{HOST, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};
use http_body::Body;

use super::origin::Origin;

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
    pub headers: &'a HeaderMap,
    /// The backend's own fields: each takes the place of all others of its name, also of those before it.
    pub own: &'a [(HeaderName, HeaderValue)],
    /// This attempt's, which take the place of those too.
    pub also: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: B,
}

impl<B: Body<Data = Bytes>> Outgoing<'_, B> {
    /// The fields in the order in which they are sent, `Host` not among them unless the backend's own fields name it.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        let set = || self.own.iter().chain(&self.also);
        let kept = move |name: &HeaderName| {
            *name != HOST && !self.origin.withholds(name) && !set().any(|(other, _)| other == name)
        };
        let mut last = None;
        let headers = self.headers.iter().filter(move |(name, _)| {
            // Values of one name follow each other: it is judged once.
            let known = last.filter(|(known, _)| *known == *name);
            let (_, kept) = *last.insert(known.unwrap_or_else(|| (*name, kept(name))));
            kept
        });
        let is_last = move |at: usize, name: &HeaderName| set().skip(at + 1).all(|(later, _)| later != name);
        let set = set().enumerate().filter(move |(at, (name, _))| is_last(*at, name));
        headers.chain(set.map(|(_, (name, value))| (name, value)))
    }

    /// The same request for the library that speaks HTTP/2.
    pub(super) fn into_http2(self) -> Request<B> {
        let mut headers = self.headers.clone();
        headers.remove(HOST);
        self.origin.strip_credentials(&mut headers);
        for (name, value) in self.own {
            headers.insert(name, value.clone());
        }
        for (name, value) in self.also {
            headers.insert(name, value);
        }
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target;
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = headers;
        request
    }
}
