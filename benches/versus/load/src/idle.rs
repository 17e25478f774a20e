//! Connections that do nothing.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::Outcome;
use crate::arguments::Arguments;
use crate::dial::Dial;
use crate::http1::{Connection, Request};

/// So many connections come from each loopback address: fewer than it has ports.
const PER_ADDRESS: usize = 20_000;

/// `--connections` of them, each after one request; a line of JSON says that they are there, and they stay until standard
/// input ends.
pub(crate) async fn run(arguments: &Arguments) -> Outcome<Value> {
    let connections: usize = arguments.or("connections", 2000)?;
    let first: u8 = arguments.or("source", 1)?;
    let request = Rc::new(Request::new("GET", "/small", &[], b"").bytes(0).into_owned());
    let dial = Rc::new(Dial::new(arguments)?);
    let (next, failed) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..32 {
        let (request, dial, next, failed) = (request.clone(), dial.clone(), next.clone(), failed.clone());
        tasks.spawn_local(async move {
            let mut held = Vec::new();
            while next.get() < connections {
                let source = first + (next.get() / PER_ADDRESS) as u8;
                next.set(next.get() + 1);
                match one(&dial, source, &request).await {
                    Some(connection) => held.push(connection),
                    None => failed.set(failed.get() + 1),
                }
            }
            held
        });
    }
    let mut held = Vec::new();
    while let Some(some) = tasks.join_next().await {
        held.extend(some?);
    }
    println!("{}", json!({"held": held.len(), "failed": failed.get(), "seconds": start.elapsed().as_secs_f64()}));
    // The end of standard input is waited for on this, the only thread: nothing else is to be done meanwhile.
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    // Still there? One more request over each tells.
    let mut alive = 0;
    if line.trim() == "ask" {
        for connection in &mut held {
            alive += u64::from(connection.send(&request).await.is_ok_and(|response| response.status == 200));
        }
    }
    Ok(json!({"alive": alive}))
}

async fn one(dial: &Dial, source: u8, request: &[u8]) -> Option<Connection> {
    let mut connection = Connection::over(dial.connect_from(source).await.ok()?);
    let response = connection.send(request).await.ok()?;
    (response.status == 200 && response.kept).then_some(connection)
}
