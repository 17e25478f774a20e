//! New connections, one request each, counted by what their handshake really was.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use rustls::HandshakeKind;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use crate::Outcome;
use crate::arguments::Arguments;
use crate::dial::Dial;
use crate::http1::{Connection, Request};

#[derive(Default)]
struct Kinds {
    full: Cell<u64>,
    resumed: Cell<u64>,
    failed: Cell<u64>,
}

/// `--clients` at once for `--seconds`, or until there were `--count`; with `--resume true` each offers the ticket of its last.
pub(crate) async fn run(arguments: &Arguments) -> Outcome<Value> {
    let (clients, seconds) = (arguments.or("clients", 8)?, arguments.seconds("seconds", 5.0)?);
    let (resume, count): (bool, u64) = (arguments.or("resume", false)?, arguments.or("count", u64::MAX)?);
    let path = arguments.get("path").unwrap_or("/small").to_owned();
    let request = Rc::new(Request::new("GET", &path, &["connection: close".to_owned()], b"").bytes(0).into_owned());
    let (kinds, started) = (Rc::new(Kinds::default()), Rc::new(Cell::new(0_u64)));
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let dial = Dial::new(arguments)?;
        let dial = if resume { dial.resuming() } else { dial };
        let (kinds, request, started) = (kinds.clone(), request.clone(), started.clone());
        tasks.spawn_local(async move {
            while start.elapsed() < seconds && started.get() < count {
                started.set(started.get() + 1);
                let counted = match one(&dial, &request).await {
                    Some(HandshakeKind::Resumed) => &kinds.resumed,
                    Some(_) => &kinds.full,
                    None => &kinds.failed,
                };
                counted.set(counted.get() + 1);
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    let (full, resumed, failed) = (kinds.full.get(), kinds.resumed.get(), kinds.failed.get());
    Ok(json!({"full": full, "resumed": resumed, "failed": failed, "seconds": start.elapsed().as_secs_f64()}))
}

/// The handshake, one request and its response: tickets come with the latter. None when any of it failed.
async fn one(dial: &Dial, request: &[u8]) -> Option<HandshakeKind> {
    let mut connection = Connection::open(dial).await.ok()?;
    let response = connection.send(request).await.ok()?;
    let kind = connection.stream.get_ref().1.handshake_kind();
    let _ = connection.stream.shutdown().await;
    kind.filter(|_| response.status == 200)
}
