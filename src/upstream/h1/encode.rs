//! A request head, and the framing of its body, as bytes.

use std::io::Write;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName};
use http_body::Body;

use crate::upstream::outgoing::Outgoing;
use crate::wire::{Known, Set, write_line, write_number};

/// How a body is framed.
#[derive(Debug)]
pub(super) enum Framing {
    /// So many bytes are to come.
    Length(u64),
    /// In chunks; the trailers that the head announces may follow (RFC 9110, section 6.5.2).
    Chunks(Vec<HeaderName>),
}

/// Written here, and not as they came.
const WRITTEN: Set = Set::of(&[Known::Host, Known::ContentLength, Known::TransferEncoding]);

/// Writes a head, and says how its body is framed.
pub(super) fn head<B: Body<Data = Bytes>>(request: &Outgoing<'_, B>, out: &mut Vec<u8>) -> Framing {
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| out.extend_from_slice(part));
    let target = request.target.path_and_query().map_or("/", |target| target.as_str());
    put(&[request.method.as_str().as_bytes(), b" ", target.as_bytes(), b" HTTP/1.1\r\n"]);
    // A backend's own fields may name another; one Host comes first (RFC 9110, section 7.2).
    let own = request.own.iter().rfind(|(name, _)| *name == HOST).map(|(_, host)| host);
    put(&[b"host: ", own.unwrap_or(request.origin.host()).as_bytes(), b"\r\n"]);
    let fields = request.fields;
    let set = request.set();
    let kept = |field: Known| fields.has(field) && !set.has(field) && request.keeps(field.name().as_str().as_bytes());
    // Written below, once, as the number that the body is held to.
    let mut length = if kept(Known::ContentLength) { fields.all(Known::ContentLength).next_back() } else { None };
    let mut announced = Vec::new();
    if kept(Known::Trailer) {
        announced.extend(fields.all(Known::Trailer).flat_map(named));
    }
    fields.write(out, WRITTEN.and(set), |name| request.keeps(name));
    for (name, value) in request.last_set() {
        match *name {
            HOST | TRANSFER_ENCODING => continue,
            CONTENT_LENGTH => {
                length = Some(value.as_bytes());
                continue;
            }
            TRAILER => announced.extend(named(value.as_bytes())),
            _ => {}
        }
        write_line(out, name.as_str().as_bytes(), value.as_bytes());
    }
    let length = length.and_then(|length| std::str::from_utf8(length).ok()?.parse::<u64>().ok());
    let framing = match (length, request.body.size_hint().exact()) {
        _ if request.body.is_end_stream() => Framing::Length(0),
        (Some(length), _) | (None, Some(length)) => Framing::Length(length),
        (None, None) => Framing::Chunks(announced),
    };
    match &framing {
        // Of a request without a body it is told only where its client has told it.
        Framing::Length(0) if length.is_none() => {}
        Framing::Length(length) => {
            out.extend_from_slice(b"content-length: ");
            write_number(out, *length);
            out.extend_from_slice(b"\r\n");
        }
        Framing::Chunks(_) => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    out.extend_from_slice(b"\r\n");
    framing
}

fn named(list: &[u8]) -> impl Iterator<Item = HeaderName> {
    list.split(|byte| *byte == b',').filter_map(|item| HeaderName::from_bytes(item.trim_ascii()).ok())
}

/// The line before a chunk.
pub(super) fn chunk(size: usize, out: &mut Vec<u8>) {
    let _ = write!(out, "{size:x}\r\n");
}

/// What ends a body in chunks. Of the trailers those pass that were announced.
pub(super) fn last_chunk(announced: &[HeaderName], trailers: Option<&HeaderMap>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers.into_iter().flatten().filter(|(name, _)| announced.contains(name)) {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
}
