//! The head of a response, and how its body is told from what follows (RFC 9112, section 6).

use http::{HeaderMap, StatusCode};

use crate::server::http::date;
use crate::wire::{Fields, Known, Set, ascii, write_line, write_number};

/// What a response must know of its request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// Its method is HEAD: there is no body, whatever the head says.
    pub(super) head: bool,
    /// Its client speaks HTTP/1.0, which knows no chunks.
    pub(super) http10: bool,
}

/// How the body of a response goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// Not at all.
    None,
    /// So many bytes, no more and no less.
    Length(u64),
    /// In chunks.
    Chunked,
    /// As it is: the end of the connection ends it.
    ToTheEnd,
}

/// How the body of a response goes out. `length` is how many bytes it has, where it knows.
pub(super) fn coding(status: StatusCode, fields: &Fields, length: Option<u64>, asked: Asked) -> Coding {
    if asked.head || is_bodyless(status) {
        return Coding::None;
    }
    let told = || ascii(fields.get(Known::ContentLength)?)?.parse().ok();
    match length.or_else(told) {
        Some(length) => Coding::Length(length),
        None if asked.http10 => Coding::ToTheEnd,
        None => Coding::Chunked,
    }
}

/// Never has a body (RFC 9112, section 6.3).
fn is_bodyless(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Writes the head of a response whose body goes out by this coding. `closes` is whether the connection ends with it. To a
/// HEAD the `length` is told that a body has, where it has one (RFC 9110, section 9.3.2).
pub(super) fn head(
    out: &mut Vec<u8>,
    status: StatusCode,
    fields: &Fields,
    coding: Coding,
    length: Option<u64>,
    asked: Asked,
    closes: bool,
) {
    let version: &[u8] = if asked.http10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " };
    out.reserve(256 + fields.room());
    out.extend_from_slice(version);
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    // A reason that some clients expect, though it says nothing.
    out.extend_from_slice(status.canonical_reason().unwrap_or("<none>").as_bytes());
    out.extend_from_slice(b"\r\n");
    let switches = status == StatusCode::SWITCHING_PROTOCOLS;
    let mut skipped = Set::of(&[Known::TransferEncoding]);
    for (field, passes) in [
        (Known::ContentLength, asked.head && length.unwrap_or(0) == 0 && !is_bodyless(status)),
        (Known::Connection, switches),
        (Known::Trailer, coding == Coding::Chunked),
    ] {
        if !passes {
            skipped = skipped.with(field);
        }
    }
    fields.write(out, skipped, |_| true);
    match (coding, length) {
        (Coding::Length(length), _) => content_length(out, length),
        (Coding::None, Some(length @ 1..)) if asked.head && !is_bodyless(status) => content_length(out, length),
        (Coding::Chunked, _) => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        (Coding::None | Coding::ToTheEnd, _) => {}
    }
    if closes && !switches {
        out.extend_from_slice(b"connection: close\r\n");
    } else if asked.http10 && !switches {
        out.extend_from_slice(b"connection: keep-alive\r\n");
    }
    if !fields.has(Known::Date)
        && let Some(now) = date::now()
    {
        write_line(out, b"date", now.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

fn content_length(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"content-length: ");
    write_number(out, length);
    out.extend_from_slice(b"\r\n");
}

/// The line that begins a chunk.
pub(super) fn chunk_size(out: &mut Vec<u8>, size: usize) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let first = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..first).rev() {
        out.push(DIGITS[(size >> (digit * 4)) & 15]);
    }
    out.extend_from_slice(b"\r\n");
}

/// The end of a body in chunks.
pub(super) fn last_chunk(out: &mut Vec<u8>, trailers: Option<&HeaderMap>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers.into_iter().flatten() {
        write_line(out, name.as_str().as_bytes(), value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const PLAIN: Asked = Asked { head: false, http10: false };

    /// Coding and head, without the date.
    fn encoded(
        status: u16,
        fields: &[(&'static str, &'static str)],
        length: Option<u64>,
        asked: Asked,
    ) -> (Coding, String) {
        let status = StatusCode::from_u16(status).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let fields = Fields::from(headers);
        let coding = coding(status, &fields, length, asked);
        let mut out = Vec::new();
        head(&mut out, status, &fields, coding, length, asked, false);
        let text = String::from_utf8(out).unwrap();
        let date = text.find("date: ").unwrap();
        assert!(text[date..].len() == 6 + 29 + 4 && text.ends_with(" GMT\r\n\r\n"), "{text}");
        (coding, text[..date].to_owned())
    }

    #[test]
    fn a_body_has_the_length_that_it_knows_or_chunks() {
        let five = encoded(200, &[("content-length", "7"), ("x", "y")], Some(5), PLAIN);
        assert_eq!(five, (Coding::Length(5), "HTTP/1.1 200 OK\r\nx: y\r\ncontent-length: 5\r\n".to_owned()));
        let told = encoded(200, &[("content-length", "7")], None, PLAIN);
        assert_eq!(told, (Coding::Length(7), "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n".to_owned()));
        let unknown = encoded(599, &[("transfer-encoding", "gzip"), ("trailer", "x")], None, PLAIN);
        let text = "HTTP/1.1 599 <none>\r\ntrailer: x\r\ntransfer-encoding: chunked\r\n".to_owned();
        assert_eq!(unknown, (Coding::Chunked, text));
        assert_eq!(encoded(200, &[], Some(0), PLAIN).1, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n");
    }

    #[test]
    fn http10_has_no_chunks_and_is_told_that_its_connection_is_kept() {
        let old = Asked { http10: true, ..PLAIN };
        assert_eq!(encoded(200, &[("trailer", "x")], None, old).0, Coding::ToTheEnd);
        let kept = encoded(200, &[], Some(5), old);
        assert_eq!(kept.1, "HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n");
    }

    #[test]
    fn a_head_has_the_length_and_no_body_and_some_statuses_have_neither() {
        let asked = Asked { head: true, ..PLAIN };
        let length = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n".to_owned();
        assert_eq!(encoded(200, &[("content-length", "5")], Some(0), asked), (Coding::None, length.clone()));
        assert_eq!(encoded(200, &[], Some(5), asked), (Coding::None, length));
        assert_eq!(encoded(200, &[], None, asked), (Coding::None, "HTTP/1.1 200 OK\r\n".to_owned()));
        for status in [204, 304] {
            let (coding, text) = encoded(status, &[("content-length", "5")], Some(5), PLAIN);
            assert!(coding == Coding::None && !text.contains("content-length"), "{text}");
        }
    }

    #[test]
    fn a_switch_names_its_protocol() {
        let (coding, text) = encoded(101, &[("connection", "upgrade"), ("upgrade", "x")], Some(0), PLAIN);
        assert_eq!(coding, Coding::None);
        assert_eq!(text, "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n");
    }

    #[test]
    fn the_size_of_a_chunk_is_hexadecimal() {
        for (size, text) in [(1, "1\r\n"), (15, "F\r\n"), (16, "10\r\n"), (0x1_2345, "12345\r\n")] {
            let mut out = Vec::new();
            chunk_size(&mut out, size);
            assert_eq!(out, text.as_bytes());
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("1"));
        let mut out = Vec::new();
        last_chunk(&mut out, Some(&trailers));
        assert_eq!(out, b"0\r\nx-sum: 1\r\n\r\n");
    }
}
