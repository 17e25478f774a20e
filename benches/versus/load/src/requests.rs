//! Requests over HTTP/1.1 and TLS, closed loop or at a fixed rate.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinSet, spawn_local};
use tokio::time::timeout;

use crate::Outcome;
use crate::arguments::Arguments;
use crate::counts::Counts;
use crate::dial::Dial;
use crate::http1::{Connection, Failure, Request};
use crate::mark::Mark;

/// What all tasks of a run share.
struct Run {
    dial: Dial,
    request: Request,
    /// Status codes but 2xx are failures; so is a response that takes longer than this.
    patience: Duration,
    /// A request over a kept connection that was closed before a byte of its response is sent again, as clients do.
    resend: bool,
    idle: RefCell<Vec<Connection>>,
    sent: Cell<u64>,
    counts: Counts,
    mark: Mark,
}

impl Run {
    fn new(arguments: &Arguments) -> Outcome<Self> {
        let body = match (arguments.get("body-file"), arguments.or("body-bytes", 0)?) {
            (Some(path), _) => std::fs::read(path)?,
            (None, length) => vec![b'x'; length],
        };
        let lines: Vec<String> = match arguments.get("headers-file") {
            Some(path) => std::fs::read_to_string(path)?.lines().map(str::to_owned).collect(),
            None => Vec::new(),
        };
        let (method, path) =
            (arguments.get("method").unwrap_or("POST"), arguments.get("path").unwrap_or("/api/messages"));
        Ok(Self {
            dial: Dial::new(arguments)?,
            request: Request::new(method, path, &lines, &body),
            patience: arguments.seconds("patience", 20.0)?,
            resend: arguments.or("resend", false)?,
            idle: RefCell::default(),
            // Runs that follow one another send different activities.
            sent: Cell::new(u64::from(std::process::id()) * 1_000_000),
            counts: Counts::default(),
            mark: Mark::by_stdin(),
        })
    }

    /// One request that was meant to be sent at `since`, over a kept connection or a new one.
    async fn one(&self, since: Instant) {
        let number = self.sent.get();
        self.sent.set(number + 1);
        let bytes = self.request.bytes(number);
        let kept = self.idle.borrow_mut().pop();
        match timeout(self.patience, self.exchange(kept, &bytes)).await {
            Ok(Ok(length)) => self.counts.answered(since, length, &self.mark),
            Ok(Err(failure)) => self.counts.failed(since, failure.name(), &self.mark),
            Err(_) => self.counts.failed(since, "no response in time".to_owned(), &self.mark),
        }
    }

    async fn exchange(&self, kept: Option<Connection>, bytes: &[u8]) -> Result<u64, Failure> {
        let mut resends = u32::from(self.resend && kept.is_some());
        let mut connection = match kept {
            Some(kept) => kept,
            None => Connection::open(&self.dial).await?,
        };
        loop {
            let response = match connection.send(bytes).await {
                Err(Failure::Untaken) if resends > 0 => {
                    resends -= 1;
                    self.counts.resent();
                    connection = Connection::open(&self.dial).await?;
                    continue;
                }
                response => response?,
            };
            if response.kept {
                self.idle.borrow_mut().push(connection);
            }
            return match response.status {
                200..=299 => Ok(response.length),
                status => Err(Failure::Broken(format!("status {status}"))),
            };
        }
    }
}

/// `--clients` of them for `--seconds`; those under way at the end are waited for.
pub(crate) async fn closed(arguments: &Arguments) -> Outcome<Value> {
    let (clients, seconds) = (arguments.or("clients", 64)?, arguments.seconds("seconds", 5.0)?);
    let run = Rc::new(Run::new(arguments)?);
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let run = run.clone();
        tasks.spawn_local(async move {
            while start.elapsed() < seconds {
                let before = run.counts.ended();
                run.one(Instant::now()).await;
                if run.counts.ended() == before {
                    break;
                }
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    Ok(run.counts.report(start.elapsed(), &run.mark))
}

/// `--rate` requests per second for `--seconds`, over at most `--connections`, which are opened before the first.
pub(crate) async fn open(arguments: &Arguments) -> Outcome<Value> {
    let rate: f64 = arguments.need("rate")?;
    let (connections, seconds) = (arguments.or("connections", 64)?, arguments.seconds("seconds", 5.0)?);
    let warm: usize = arguments.or("warm", 64)?;
    let run = Rc::new(Run::new(arguments)?);
    for _ in 0..warm.min(connections) {
        let connection = Connection::open(&run.dial).await.map_err(|failure| failure.name())?;
        run.idle.borrow_mut().push(connection);
    }
    let permits = Rc::new(Semaphore::new(connections));
    let mut due = pace(rate, seconds);
    let start = Instant::now();
    let mut started = 0;
    while let Some(intended) = due.recv().await {
        started += 1;
        let (run, permits) = (run.clone(), permits.clone());
        spawn_local(async move {
            let _permit = permits.acquire().await;
            run.one(intended).await;
        });
    }
    while run.counts.ended() < started {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(run.counts.report(start.elapsed(), &run.mark))
}

/// The intended moments, each told when it has come: by a thread, whose sleep is finer than the runtime's millisecond.
fn pace(rate: f64, seconds: Duration) -> mpsc::Receiver<Instant> {
    let (tell, due) = mpsc::channel(1 << 16);
    std::thread::spawn(move || {
        let start = Instant::now();
        let count = (rate * seconds.as_secs_f64()) as u64;
        for number in 0..count {
            let intended = start + Duration::from_secs_f64(number as f64 / rate);
            std::thread::sleep(intended.saturating_duration_since(Instant::now()));
            if tell.blocking_send(intended).is_err() {
                return;
            }
        }
    });
    due
}
