//! The load of `benches/versus/run`, and the backend behind the proxies that it compares. Each command prints one line of JSON.
//!
//! ```text
//! backend --port P                       a backend: JSON for a POST, 1 MiB down and up, WebSocket echo, faults on command
//! closed --port P --certificate F        so many clients, each sending its next request when the last was answered
//! open --port P --certificate F          so many requests per second, whatever is answered; waits from the intended moment
//! handshakes --port P --certificate F    new connections, full or resumed, counted by what the handshake really was
//! echo --port P --certificate F          WebSocket messages there and back
//! idle --port P --certificate F          connections held open, each after one request, until standard input ends
//! yardstick                              a fixed piece of work, whose own CPU time tells the machine's noise
//! ```
//!
//! `closed` and `open` read standard input: a line marks the moment of a fault, and what is counted after it is told apart.
//! `--help` is this text; the options of a command are read in its module.

mod arguments;
mod backend;
mod counts;
mod dial;
mod echo;
mod handshakes;
mod http1;
mod idle;
mod mark;
mod requests;
mod yardstick;

use arguments::Arguments;

/// What a command ends with: what it counted, or why it could not.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let arguments = Arguments::read()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    let result = runtime.block_on(local.run_until(async {
        match arguments.command.as_str() {
            "backend" => backend::serve(&arguments).await,
            "closed" => requests::closed(&arguments).await,
            "open" => requests::open(&arguments).await,
            "handshakes" => handshakes::run(&arguments).await,
            "echo" => echo::run(&arguments).await,
            "idle" => idle::run(&arguments).await,
            "yardstick" => yardstick::run().await,
            other => Err(format!("no such command: {other}").into()),
        }
    }))?;
    println!("{result}");
    // Threads that read standard input or pace must not keep a finished run alive.
    std::process::exit(0)
}
