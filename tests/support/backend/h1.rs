//! HTTP/1.1 by hand: every byte is the script's.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;

use super::io::{Socket, Stream};
use super::seen::{Seen, hash};
use super::{Answer, Behaviour, Cut, Health, Shared};

/// What becomes of the connection.
enum Then {
    Next,
    Close,
    Reset,
    Tunnel,
}

struct Head {
    method: String,
    target: String,
    headers: HeaderMap,
}

/// Serves one connection until it closes, is to be reset, or is cut.
pub(super) async fn serve<S: Stream>(mut socket: Socket<S>, shared: &Arc<Shared>, cut: &CancellationToken) {
    loop {
        let then = tokio::select! {
            then = exchange(&mut socket, shared) => then.unwrap_or(Then::Close),
            () = cut.cancelled() => Then::Reset,
        };
        match then {
            Then::Next => {}
            Then::Close => return,
            Then::Reset => return socket.reset(),
            Then::Tunnel => {
                let (stream, ahead) = socket.into_parts();
                tokio::select! {
                    () = echo(stream, ahead) => {}
                    () = cut.cancelled() => {}
                }
                return;
            }
        }
    }
}

async fn echo<S: Stream>(stream: S, ahead: Bytes) {
    let mut socket = WebSocketStream::from_partially_read(stream, ahead.to_vec(), Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn head<S: Stream>(socket: &mut Socket<S>) -> io::Result<Head> {
    let line = socket.line().await?;
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (method, target) = (method.to_owned(), target.to_owned());
    Ok(Head { method, target, headers: fields(socket).await? })
}

async fn fields<S: Stream>(socket: &mut Socket<S>) -> io::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    loop {
        let line = socket.line().await?;
        let Some((name, value)) = line.split_once(':') else { return Ok(headers) };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(io::Error::other)?;
        headers.append(name, HeaderValue::from_str(value.trim()).map_err(io::Error::other)?);
    }
}

async fn exchange<S: Stream>(socket: &mut Socket<S>, shared: &Shared) -> io::Result<Then> {
    let head = head(socket).await?;
    if head.target.ends_with("/healthz") {
        shared.probes.fetch_add(1, Relaxed);
        return probe(socket, shared).await;
    }
    let behaviour = shared.next();
    let place = shared.log.head(Seen {
        method: head.method.clone(),
        target: head.target.clone(),
        http2: false,
        headers: head.headers.clone(),
        body: Bytes::new(),
        length: 0,
        hash: 0,
        trailers: HeaderMap::new(),
        complete: false,
    });
    if matches!(behaviour, Behaviour::ResetAtHead) {
        return Ok(Then::Reset);
    }
    if let Some(key) = head.headers.get("sec-websocket-key")
        && matches!(behaviour, Behaviour::Echo)
    {
        let accept = derive_accept_key(key.as_bytes());
        let text = format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\r\n"
        );
        socket.write(text).await?;
        return Ok(Then::Tunnel);
    }
    if head.headers.get("expect").is_some_and(|value| value == "100-continue") {
        socket.write("HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    if matches!(behaviour, Behaviour::StreamEcho) {
        let start = format!("HTTP/1.1 200 OK\r\nx-backend: {}\r\ntransfer-encoding: chunked\r\n\r\n", shared.name);
        socket.write(start).await?;
        body(socket, shared, &head.headers, place, true).await?;
        socket.write("0\r\n\r\n").await?;
        return Ok(Then::Next);
    }
    let bytes = body(socket, shared, &head.headers, place, false).await?;
    match behaviour {
        Behaviour::Echo => {
            let mut answer = Answer::with(200, bytes);
            if let Some(kind) = head.headers.get("content-type") {
                answer = answer.header("content-type", kind.to_str().unwrap_or_default());
            }
            respond(socket, shared, &head.method, answer).await
        }
        Behaviour::Answer(answer) => respond(socket, shared, &head.method, answer).await,
        Behaviour::Stall => {
            socket.until_closed().await;
            shared.log.note_gone();
            Ok(Then::Close)
        }
        Behaviour::Raw(bytes) => {
            socket.write(bytes).await?;
            Ok(Then::Close)
        }
        Behaviour::Reset | Behaviour::ResetAtHead => Ok(Then::Reset),
        Behaviour::Close | Behaviour::StreamEcho => Ok(Then::Close),
    }
}

async fn probe<S: Stream>(socket: &mut Socket<S>, shared: &Shared) -> io::Result<Then> {
    let health = *shared.health.lock().unwrap();
    let status = match health {
        Health::Good => 200,
        Health::Status(status) => status,
        Health::Stall => {
            socket.until_closed().await;
            return Ok(Then::Close);
        }
    };
    socket.write(format!("HTTP/1.1 {status} Probed\r\ncontent-length: 3\r\n\r\nok\n")).await?;
    Ok(Then::Next)
}

/// Reads the request body; with `back`, each part is sent back as a chunk.
async fn body<S: Stream>(
    socket: &mut Socket<S>,
    shared: &Shared,
    headers: &HeaderMap,
    place: usize,
    back: bool,
) -> io::Result<Bytes> {
    let chunked = headers.get("transfer-encoding").is_some_and(|value| value == "chunked");
    let length = headers.get("content-length").and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0);
    let mut reading = shared.reading.subscribe();
    let mut whole = BytesMut::new();
    let mut left: usize = if chunked { 0 } else { length };
    let mut trailers = HeaderMap::new();
    loop {
        if left == 0 {
            if !chunked {
                break;
            }
            let line = socket.line().await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            left = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
            if left == 0 {
                trailers = fields(socket).await?;
                break;
            }
        }
        let _ = reading.wait_for(|reading| *reading).await;
        let part = socket.some(left).await?;
        left -= part.len();
        shared.body_bytes.fetch_add(part.len(), Relaxed);
        if chunked && left == 0 {
            socket.line().await?;
        }
        if back {
            let mut chunk = BytesMut::from(format!("{:x}\r\n", part.len()).as_bytes());
            chunk.extend_from_slice(&part);
            chunk.extend_from_slice(b"\r\n");
            socket.write(chunk).await?;
        }
        whole.extend_from_slice(&part);
    }
    let whole = whole.freeze();
    shared.log.amend(place, |seen| {
        seen.length = whole.len();
        seen.hash = hash(&whole);
        seen.body = whole.slice(..whole.len().min(64 * 1024));
        seen.trailers = trailers;
        seen.complete = true;
    });
    Ok(whole)
}

async fn respond<S: Stream>(socket: &mut Socket<S>, shared: &Shared, method: &str, answer: Answer) -> io::Result<Then> {
    if !answer.delay.is_zero() {
        tokio::select! {
            () = tokio::time::sleep(answer.delay) => {}
            () = socket.until_closed() => {
                shared.log.note_gone();
                return Ok(Then::Close);
            }
        }
    }
    for status in &answer.interim {
        socket.write(format!("HTTP/1.1 {status} Interim\r\nlink: </style.css>; rel=preload\r\n\r\n")).await?;
    }
    let mut text = format!("HTTP/1.1 {} Scripted\r\nx-backend: {}\r\n", answer.status, shared.name);
    for (name, value) in &answer.headers {
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    let bodiless = method == "HEAD" || matches!(answer.status, 204 | 304);
    if answer.chunked {
        text += "transfer-encoding: chunked\r\n";
    } else if answer.status != 204 {
        write!(text, "content-length: {}\r\n", answer.declares.unwrap_or(answer.body.len())).unwrap();
    }
    text += "\r\n";
    // In one go, as servers do: a test that cuts this backend off between two writes would lose an answer that nobody may
    // replay, since its head was seen.
    if !bodiless && !answer.chunked && answer.cut.is_none() && answer.pause.is_none() {
        let mut whole = text.into_bytes();
        whole.extend_from_slice(&answer.body);
        socket.write(whole).await?;
        return Ok(Then::Next);
    }
    socket.write(text).await?;
    if bodiless {
        return Ok(Then::Next);
    }
    let whole = answer.body;
    let (part, how) = match answer.cut {
        Some((after, how)) => (whole.slice(..after.min(whole.len())), Some(how)),
        None => (whole, None),
    };
    let (begin, pause) = answer.pause.unwrap_or_default();
    let (begin, rest) = part.split_at(begin.min(part.len()));
    for (at, piece) in begin.chunks(64 * 1024).chain(rest.chunks(64 * 1024)).enumerate() {
        if at == begin.chunks(64 * 1024).len() {
            tokio::time::sleep(pause).await;
        }
        if answer.chunked {
            socket.write(format!("{:x}\r\n", piece.len())).await?;
            socket.write(piece).await?;
            socket.write("\r\n").await?;
        } else {
            socket.write(piece).await?;
        }
    }
    match how {
        Some(Cut::Stall) => {
            socket.until_closed().await;
            shared.log.note_gone();
            return Ok(Then::Close);
        }
        Some(Cut::Close) => return Ok(Then::Close),
        Some(Cut::Reset) => return Ok(Then::Reset),
        Some(Cut::HalfClose) => {
            socket.half_close().await;
            socket.until_closed().await;
            return Ok(Then::Close);
        }
        None => {}
    }
    if answer.chunked {
        let mut end = String::from("0\r\n");
        for (name, value) in &answer.trailers {
            write!(end, "{name}: {value}\r\n").unwrap();
        }
        socket.write(end + "\r\n").await?;
    }
    // A length that is too small is told by what comes after it; one that is too large, by the close.
    let honest = answer.declares.is_none_or(|length| length == part.len());
    Ok(if honest { Then::Next } else { Then::Close })
}
