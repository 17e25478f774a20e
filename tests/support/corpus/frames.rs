//! Just enough of HTTP/2 (RFC 9113) to send one stream that no library would send, and to hear how it was answered.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::case::Request;
use super::strict::Message;
use super::wire::Heard;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// What a peer that set nothing else may be sent (RFC 9113, section 6.5.2).
const LARGEST: usize = 16 * 1024;

type Fields = [(Vec<u8>, Vec<u8>)];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A header block of literals without indexing, names and values as they are (RFC 7541, section 6.2.2).
fn block(fields: &Fields) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            integer(&mut block, text.len());
            block.extend_from_slice(text);
        }
    }
    block
}

/// An integer with a prefix of 7 bits (RFC 7541, section 5.1).
fn integer(out: &mut Vec<u8>, value: usize) {
    let Some(mut rest) = value.checked_sub(127) else { return out.push(u8::try_from(value).unwrap()) };
    out.push(127);
    while rest >= 128 {
        out.push(u8::try_from(rest % 128).unwrap() | 0x80);
        rest /= 128;
    }
    out.push(u8::try_from(rest).unwrap());
}

fn headers(out: &mut Vec<u8>, fields: &Fields, end: bool) {
    let block = block(fields);
    let parts: Vec<&[u8]> = block.chunks(LARGEST).collect();
    for (at, part) in parts.iter().enumerate() {
        let kind = if at == 0 { HEADERS } else { CONTINUATION };
        let ends = if at == 0 && end { END_STREAM } else { 0 };
        let last = if at + 1 == parts.len() { END_HEADERS } else { 0 };
        out.extend(frame(kind, ends | last, 1, part));
    }
}

/// Sends the request on a new connection, and hears until its answer is whole, it is given up, or for `patience`.
pub(super) async fn ask<S>(stream: S, request: &Request, patience: Duration) -> Heard
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Request::Stream { fields, body, trailers } = request else { panic!("no request of HTTP/2") };
    let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // HEADER_TABLE_SIZE 0: the answer's first field can be read without a table.
    out.extend(frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]));
    headers(&mut out, fields, body.is_none() && trailers.is_empty());
    if let Some(body) = body {
        out.extend(frame(DATA, if trailers.is_empty() { END_STREAM } else { 0 }, 1, body));
    }
    if !trailers.is_empty() {
        headers(&mut out, trailers, true);
    }
    let mut heard = Heard::default();
    let (mut input, mut output) = tokio::io::split(stream);
    let _ = output.write_all(&out).await;
    let _ = output.flush().await;
    if tokio::time::timeout(patience, hear(&mut input, &mut heard)).await.is_ok_and(|done| done.is_err()) {
        heard.closed = true;
    }
    heard
}

async fn hear<R: AsyncRead + Unpin>(input: &mut R, heard: &mut Heard) -> std::io::Result<()> {
    let mut message = Message::default();
    loop {
        let mut head = [0; 9];
        input.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        input.read_exact(&mut payload).await?;
        heard.bytes.extend_from_slice(&payload);
        let (kind, flags, stream) = (head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
        match kind {
            GOAWAY => return Err(std::io::ErrorKind::ConnectionAborted.into()),
            RST_STREAM if stream == 1 => {
                heard.reset = true;
                return Ok(());
            }
            HEADERS if stream == 1 => {
                let status = status(&payload);
                if message.start.is_empty() || message.status() < 200 {
                    message.start = format!("HTTP/2.0 {status}");
                }
            }
            DATA if stream == 1 => message.body.extend_from_slice(&payload),
            _ => {}
        }
        if stream == 1 && flags & END_STREAM != 0 && matches!(kind, HEADERS | DATA) {
            message.complete = true;
            message.head = true;
            heard.responses.push(message);
            return Ok(());
        }
    }
}

/// The value of the first field of a block, which is `:status` (RFC 9113, section 8.3).
fn status(block: &[u8]) -> String {
    let mut rest = block;
    // Changes of the table's size come first.
    while let [first, after @ ..] = rest
        && first & 0xe0 == 0x20
    {
        rest = after;
    }
    const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    match rest {
        [first @ 0x88..=0x8e, ..] => INDEXED[usize::from(first - 0x88)].to_string(),
        // A literal whose name is the table's 8th; its value plain, or three digits in Huffman's code.
        [0x08 | 0x18 | 0x48, length, value @ ..] => {
            let length = usize::from(*length);
            if length & 0x80 == 0 {
                String::from_utf8_lossy(&value[..length]).into_owned()
            } else {
                digits(&value[..length & 0x7f])
            }
        }
        _ => "000".to_owned(),
    }
}

/// Digits in Huffman's code (RFC 7541, appendix B): 0 to 2 take five bits, 3 to 9 six.
fn digits(coded: &[u8]) -> String {
    let bits: Vec<u32> = coded.iter().flat_map(|byte| (0..8).rev().map(move |at| u32::from(byte >> at & 1))).collect();
    let number = |bits: &[u32]| bits.iter().fold(0, |number, bit| number * 2 + bit);
    let (mut text, mut at) = (String::new(), 0);
    while text.len() < 3 && at + 5 <= bits.len() {
        let short = number(&bits[at..at + 5]);
        if short < 3 {
            text += &short.to_string();
            at += 5;
        } else if let Some(long) = bits.get(at..at + 6) {
            text += &number(long).saturating_sub(22).to_string();
            at += 6;
        } else {
            break;
        }
    }
    text
}
