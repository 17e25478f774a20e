//! HTTP/1, as clients and backends speak it. A byte of choices, then what one side sends.

use botgate::wire::Head;
use botgate::wire::h1::{Asked, BodyReader, Fault, Limits, Part, RequestReader, ResponseReader};
use bytes::BytesMut;

const LIMITS: Limits = Limits { head: 600, fields: 12 };

pub fn target(data: &[u8]) {
    let (choice, bytes) = crate::choice(data);
    if choice & 1 == 1 { responses(choice, bytes) } else { requests(choice, bytes) }
}

/// What a backend sends: by the readers of its heads and of its bodies.
fn responses(choice: usize, bytes: &[u8]) {
    let asked = Asked { head: choice & 2 != 0, upgrade: choice & 4 != 0 };
    let whole = answered(asked, std::iter::once(bytes));
    let cut = answered(asked, crate::parts(bytes, choice));
    assert_eq!(whole, cut, "cut otherwise, it is read otherwise");
    assert!(bytes.starts_with(&whole.0), "bytes changed");
}

/// What a client sends: by the readers of its heads and of its bodies.
fn requests(choice: usize, bytes: &[u8]) {
    let whole = made(std::iter::once(bytes));
    assert_eq!(whole, made(crate::parts(bytes, choice)), "cut otherwise, other requests are made of it");
    let (used, _, heads) = whole;
    assert!(bytes.starts_with(&used), "bytes changed");
    let seen = plainly(&used);
    assert_eq!(seen, heads, "{heads} requests are made of what another reader takes for {seen}");
}

/// Why no more messages are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Head(Fault),
    Body(Fault),
    /// The last one asks for another protocol: what its answer is decides what follows.
    Upgrade,
}

/// What messages are made of, why no more are, and how many there were.
type Made = (Vec<u8>, Option<End>, u64);

/// What is made of what one side sends. `head` reads a head: its length, its body, and whether what follows the message is yet
/// to be decided.
fn followed<'a>(
    mut head: impl FnMut(&[u8]) -> Result<Option<(usize, Option<BodyReader>, bool)>, Fault>,
    parts: impl Iterator<Item = &'a [u8]>,
) -> Made {
    let (mut body, mut upgrade) = (None::<BodyReader>, false);
    let (mut used, mut held, mut heads) = (Vec::new(), Vec::new(), 0);
    for part in parts {
        held.extend_from_slice(part);
        loop {
            let now = if let Some(reader) = &mut body {
                match reader.next(&held) {
                    Ok(Part::Content(length) | Part::Framing(length) | Part::End(length, _)) => length,
                    Ok(Part::More) => break,
                    Err(fault) => return (used, Some(End::Body(fault)), heads),
                }
            } else {
                match head(&held) {
                    Ok(None) => break,
                    Ok(Some((length, follows, asks))) => {
                        (body, upgrade, heads) = (follows, asks, heads + 1);
                        length
                    }
                    Err(fault) => return (used, Some(End::Head(fault)), heads),
                }
            };
            used.extend(held.drain(..now));
            body = body.filter(|body| !body.has_ended());
            if body.is_none() && upgrade {
                return (used, Some(End::Upgrade), heads);
            }
        }
        assert!(held.len() <= 70_000, "{} bytes held", held.len());
    }
    (used, None, heads)
}

/// Requests of a client.
fn made<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Made {
    let mut reader = RequestReader::new(LIMITS);
    let head = |held: &[u8]| {
        let Some(length) = reader.read(held)? else { return Ok(None) };
        let made = reader.finish(BytesMut::from(&held[..length]))?;
        says_what_came(&made.head, &held[..length]);
        Ok(Some((length, made.body, made.upgrade)))
    };
    followed(head, parts)
}

/// Responses of a backend.
fn answered<'a>(asked: Asked, parts: impl Iterator<Item = &'a [u8]>) -> Made {
    let mut reader = ResponseReader::new(LIMITS);
    reader.asked(asked);
    let head = |held: &[u8]| {
        let Some(length) = reader.read(held)? else { return Ok(None) };
        let made = reader.finish(BytesMut::from(&held[..length]))?;
        Ok(Some((length, made.body, false)))
    };
    followed(head, parts)
}

/// Panics where a request says something else than its head.
fn says_what_came(request: &Head, head: &[u8]) {
    let text = lines(head.strip_prefix(b"\r\n").unwrap_or(head));
    assert!(text[0].starts_with(&[request.method.as_str().as_bytes(), b" "].concat()), "{request:?}");
    assert!(text[0].ends_with(format!(" {:?}", request.version).as_bytes()), "{request:?}");
    let field = |line: &&[u8]| {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or_default();
        (line[..colon].to_ascii_lowercase(), line[colon + 1..].trim_ascii().to_vec())
    };
    let mut came: Vec<_> = text[1..].iter().take_while(|line| !line.is_empty()).map(field).collect();
    let mut said: Vec<_> = request.fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    // The order of fields of one name counts; that of others does not.
    came.sort_by(|one, other| one.0.cmp(&other.0));
    said.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(said, came);
}

/// The heads in a stream of requests, read by the plainest of rules; panics at what two readers could take in two ways.
fn plainly(mut bytes: &[u8]) -> u64 {
    let mut heads = 0;
    while !bytes.is_empty() {
        let blank = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
        let length =
            find(&bytes[blank..], b"\r\n\r\n").unwrap_or_else(|| panic!("a part of a head got through")) + blank + 4;
        let (head, rest) = bytes.split_at(length);
        let text = &head[blank..length - 4];
        heads += 1;
        let (mut lengths, mut codings, mut upgrade) = (Vec::new(), Vec::new(), false);
        let mut lines = lines(text).into_iter();
        let start = lines.next().unwrap_or_default();
        assert!(start.ends_with(b" HTTP/1.1") || start.ends_with(b" HTTP/1.0"), "{start:?}");
        assert_eq!(start.iter().filter(|byte| **byte == b' ').count(), 2, "{start:?}");
        for line in lines {
            let colon = line.iter().position(|byte| *byte == b':').unwrap_or_else(|| panic!("no colon: {line:?}"));
            let (name, value) = (line[..colon].to_ascii_lowercase(), &line[colon + 1..]);
            let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
            assert!(!name.is_empty() && name.iter().all(token), "{name:?}");
            match &name[..] {
                b"content-length" => lengths.push(value.trim_ascii().to_vec()),
                b"transfer-encoding" => codings.push(value.trim_ascii().to_ascii_lowercase()),
                b"upgrade" => upgrade = start.ends_with(b"1.1"),
                _ => {}
            }
        }
        assert!(lengths.len() + codings.len() <= 1, "two ways to say how long a body is: {text:?}");
        let body = match (lengths.first(), codings.first()) {
            (Some(length), _) => {
                let length = std::str::from_utf8(length).ok().and_then(|text| text.parse::<u64>().ok());
                usize::try_from(length.unwrap_or_else(|| panic!("no length: {text:?}"))).ok()
            }
            (_, Some(coding)) => {
                assert_eq!(coding, b"chunked");
                assert!(start.ends_with(b"1.1"), "chunks before HTTP/1.1");
                chunked(rest)
            }
            _ => Some(0),
        };
        match body.filter(|length| *length <= rest.len()) {
            Some(length) => bytes = &rest[length..],
            // The body has not ended: there is no other head.
            None => return heads,
        }
        assert!(!upgrade || bytes.is_empty(), "something follows a request to upgrade that nobody answered");
    }
    heads
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Lines by CR LF; neither stands anywhere else, nor does a NUL.
fn lines(mut text: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    loop {
        let end = find(text, b"\r\n");
        let line = &text[..end.unwrap_or(text.len())];
        assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{line:?}");
        lines.push(line);
        match end {
            Some(end) => text = &text[end + 2..],
            None => return lines,
        }
    }
}

/// The length of a body in chunks, with its framing; none where it has not ended.
fn chunked(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let end = find(&bytes[at..], b"\r\n")?;
        let line = &bytes[at..at + end];
        let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
        let size = std::str::from_utf8(&line[..digits]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let size = size.unwrap_or_else(|| panic!("no chunk size: {line:?}"));
        assert!(digits == line.len() || matches!(line[digits], b';' | b' ' | b'\t'), "{line:?}");
        at += end + 2;
        if size == 0 {
            break;
        }
        at = at.checked_add(size)?;
        if bytes.len() < at + 2 {
            return None;
        }
        assert_eq!(&bytes[at..at + 2], b"\r\n", "a chunk ends otherwise than its size says");
        at += 2;
    }
    loop {
        let end = find(&bytes[at..], b"\r\n")?;
        at += end + 2;
        if end == 0 {
            return Some(at);
        }
    }
}
