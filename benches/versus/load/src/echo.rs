//! WebSocket messages there and back.

use std::rc::Rc;
use std::time::Instant;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::Outcome;
use crate::arguments::Arguments;
use crate::counts::Counts;
use crate::dial::Dial;
use crate::http1::{Connection, Request};
use crate::mark::Mark;

/// Header lines of an upgrade; the key is that of RFC 6455, 1.3.
const UPGRADE: [&str; 4] = [
    "connection: Upgrade",
    "upgrade: websocket",
    "sec-websocket-version: 13",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// `--clients` for `--seconds`, each with one message of `--body-bytes` (at most 125) under way.
pub(crate) async fn run(arguments: &Arguments) -> Outcome<Value> {
    let (clients, seconds) = (arguments.or("clients", 64)?, arguments.seconds("seconds", 5.0)?);
    let length = arguments.or("body-bytes", 100_usize)?.min(125);
    let (dial, counts, mark) = (Rc::new(Dial::new(arguments)?), Rc::new(Counts::default()), Mark::default());
    let lines = UPGRADE.map(str::to_owned);
    let request = Request::new("GET", "/echo", &lines, b"").bytes(0).into_owned();
    let mut open = Vec::new();
    for _ in 0..clients {
        let mut connection = Connection::open(&dial).await.map_err(|failure| failure.name())?;
        let response = connection.send(&request).await.map_err(|failure| failure.name())?;
        if response.status != 101 || !connection.take_pending().is_empty() {
            return Err(format!("no WebSocket: status {}", response.status).into());
        }
        open.push(connection.stream);
    }
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for mut stream in open {
        let (counts, mark) = (counts.clone(), mark.clone());
        tasks.spawn_local(async move {
            // FIN and text; masked with zeros, which change nothing.
            let mut message = vec![0x81, 0x80 | length as u8, 0, 0, 0, 0];
            message.resize(6 + length, b'x');
            let mut answer = vec![0; 2 + length];
            while start.elapsed() < seconds {
                let since = Instant::now();
                let sent = stream.write_all(&message).await.is_ok() && stream.flush().await.is_ok();
                if !sent || stream.read_exact(&mut answer).await.is_err() || answer[2..] != message[6..] {
                    counts.failed(since, "no echo".to_owned(), &mark);
                    return;
                }
                counts.answered(since, length as u64, &mark);
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    Ok(counts.report(start.elapsed(), &mark))
}
