//! How much of each kind of frame is too much.
//!
//! Honest clients stay far below: a browser that leaves a page resets what it had open at once (at most all streams that it
//! may have); gRPC pings once per round trip while data comes, and updates windows as it reads. What answers work is
//! therefore earned by work: see [`Meter`](super::Meter). The rest may come in a burst, and then at a walking pace.

use super::Rate;

/// The caps of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// RST_STREAM received.
    pub resets: Rate,
    /// RST_STREAM sent because the peer broke a rule of the stream.
    pub provoked: Rate,
    /// HEADERS that open no stream.
    pub headers: Rate,
    /// SETTINGS received, acknowledgements among them.
    pub settings: Rate,
    /// PING received, answers among them.
    pub pings: Rate,
    /// PRIORITY and PRIORITY_UPDATE received.
    pub priorities: Rate,
    /// WINDOW_UPDATE received.
    pub window_updates: Rate,
    /// DATA received that holds no data and ends no stream.
    pub empty_data: Rate,
    /// Other frames received: GOAWAY, PUSH_PROMISE, and kinds that are not known.
    pub other: Rate,
    /// CONTINUATION frames of one block of header fields.
    pub continuations: u32,
    /// Octets of one block of header fields, as encoded.
    pub block: u32,
    /// Milliseconds that one block of header fields may take.
    pub block_millis: u32,
}

/// Octets of a frame at most, as every peer must accept them (RFC 9113, section 4.2).
const FRAME: u32 = 16 * 1024;
const LEAST_CONTINUATIONS: u32 = 5;

const fn rate(burst: u32, per_second: u32) -> Rate {
    Rate { burst, per_second }
}

impl Limits {
    /// For a client: `max_header` octets of header fields are served, and they may take `block_millis`.
    ///
    /// A block over `max_header` is answered 431; only one that no client sends by mistake ends the connection.
    pub const fn of_client(max_header: u32, block_millis: u32) -> Self {
        let frames = max_header / FRAME;
        let continuations = frames + frames / 4;
        Self {
            // Twice the streams that may be open at once; then 100 streams, each given up after a second.
            resets: rate(400, 100),
            provoked: rate(100, 10),
            // Trailers: one block per stream is earned.
            headers: rate(100, 10),
            settings: rate(100, 10),
            pings: rate(500, 100),
            priorities: rate(500, 10),
            window_updates: rate(1000, 100),
            empty_data: rate(100, 10),
            other: rate(100, 10),
            continuations: if continuations > LEAST_CONTINUATIONS { continuations } else { LEAST_CONTINUATIONS },
            block: max_header.saturating_mul(4),
            block_millis,
        }
    }

    /// For a backend, which owes no more than it was asked for: `max_header` octets of header fields are read.
    pub const fn of_backend(max_header: u32, block_millis: u32) -> Self {
        // A server that sheds load refuses streams; each reset ends one that was opened here.
        Self { resets: rate(1000, 1000), ..Self::of_client(max_header, block_millis) }
    }
}
