//! The meter: both directions of a connection, frame by frame, against its [`Limits`].

use super::live::Live;
use super::{Budget, Frame, Frames, Limits};
use crate::model::Excess;

/// Meters one connection. Time is a value: milliseconds since the connection began, which may wrap around.
///
/// A client never earns resets of work under way: in a flood each comes with the stream that it ends. A stream that had its
/// response is reset for nothing, and a library may do so again for each frame that still comes; like window updates these
/// are earned by data that was sent, and like the ping that measures the round trip. A new stream earns its priorities, its
/// window updates and its trailers. A request that is refused before its body has come ends no work either by the resets that
/// each part of this body is answered with which was on its way.
#[derive(Debug)]
pub struct Meter {
    incoming: Frames,
    outgoing: Frames,
    /// The block of header fields that is coming in.
    block: Option<Block>,
    /// DATA frames that came since this was last asked for.
    data: u32,
    /// The streams that the peer opened (a client), or that were opened here (to a backend).
    streams: Live,
    client: bool,
    limits: Limits,
    resets: Budget,
    provoked: Budget,
    headers: Budget,
    settings: Budget,
    pings: Budget,
    priorities: Budget,
    window_updates: Budget,
    empty_data: Budget,
    other: Budget,
}

#[derive(Debug)]
struct Block {
    since: u32,
    octets: u32,
    continuations: u32,
    /// Whether the frame that is coming in is its last.
    last: bool,
}

/// Why this side may reset a stream without the peer having broken a rule: no error, its own fault, cancelled
/// (RFC 9113, section 7).
const OWN_CODES: [u32; 3] = [0x0, 0x2, 0x8];

/// DATA frames that may come in before their readers have a turn.
const CROWD: u32 = 128;
/// What one new stream earns.
const PRIORITIES_PER_STREAM: u32 = 10;
const WINDOW_UPDATES_PER_STREAM: u32 = 4;
const OTHER_PER_STREAM: u32 = 2;
/// Blocks of header fields for one stream: of a client its trailers; of a backend also its response, and interim ones.
const HEADERS_OF_CLIENT: u32 = 1;
const HEADERS_OF_BACKEND: u32 = 8;
/// What one DATA frame earns that was sent: one update each for stream and connection, more for a large one that is read
/// in small parts.
const WINDOW_UPDATES_PER_FRAME: u32 = 2;
const OCTETS_PER_WINDOW_UPDATE: u32 = 1024;

impl Meter {
    /// In front of a server: the peer is a client.
    pub const fn of_client(limits: Limits) -> Self {
        Self::new(Frames::of_client(), Frames::of_server(), true, limits)
    }

    /// In front of a client: the peer is a backend.
    pub const fn of_backend(limits: Limits) -> Self {
        Self::new(Frames::of_server(), Frames::of_client(), false, limits)
    }

    const fn new(incoming: Frames, outgoing: Frames, client: bool, limits: Limits) -> Self {
        Self {
            incoming,
            outgoing,
            block: None,
            data: 0,
            streams: Live::new(),
            client,
            limits,
            resets: Budget::new(limits.resets),
            provoked: Budget::new(limits.provoked),
            headers: Budget::new(limits.headers),
            settings: Budget::new(limits.settings),
            pings: Budget::new(limits.pings),
            priorities: Budget::new(limits.priorities),
            window_updates: Budget::new(limits.window_updates),
            empty_data: Budget::new(limits.empty_data),
            other: Budget::new(limits.other),
        }
    }

    /// These bytes came from the peer at time `now`.
    ///
    /// # Errors
    /// What it overdid. The connection is to be ended: what is followed after that means nothing.
    pub fn received(&mut self, bytes: &[u8], now: u32) -> Result<(), Excess> {
        let mut rest = bytes;
        while let Some(frame) = self.incoming.next(&mut rest) {
            self.judge(&frame, now)?;
        }
        let Some(block) = &self.block else { return Ok(()) };
        if now.wrapping_sub(block.since) > self.limits.block_millis {
            return Err(Excess::SlowHeader);
        }
        if block.last && self.incoming.at_border() {
            self.block = None;
        }
        Ok(())
    }

    /// These bytes were sent to the peer at time `now`.
    ///
    /// # Errors
    /// What it provoked too much of. Where frames begin and end is still followed after that.
    pub fn sent(&mut self, bytes: &[u8], now: u32) -> Result<(), Excess> {
        let (mut rest, mut verdict) = (bytes, Ok(()));
        while let Some(frame) = self.outgoing.next(&mut rest) {
            match frame.kind {
                Frame::DATA => {
                    self.responded(&frame);
                    self.pings.earn(1);
                    self.window_updates.earn(WINDOW_UPDATES_PER_FRAME + frame.length / OCTETS_PER_WINDOW_UPDATE);
                }
                Frame::HEADERS if self.client => {
                    self.responded(&frame);
                    self.pings.earn(1);
                }
                Frame::HEADERS if self.streams.open(frame.stream) => {
                    // A backend may refuse all that it is asked, or answer before it has read the body.
                    self.resets.earn(1);
                    self.earn_stream(HEADERS_OF_BACKEND);
                }
                Frame::RST_STREAM if self.client => {
                    let live = self.streams.end(frame.stream);
                    if !OWN_CODES.contains(&frame.code()) {
                        let budget = if live { &mut self.provoked } else { &mut self.window_updates };
                        // What was sent is followed to its end all the same: the farewell must begin at a border.
                        verdict = verdict.and(afford(budget, now, Excess::ProvokedResets));
                    }
                }
                _ => {}
            }
        }
        verdict
    }

    /// The same of so many bytes of these parts, which were sent in one go.
    ///
    /// # Errors
    /// The same.
    pub fn sent_of<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>, bytes: usize, now: u32) -> Result<(), Excess> {
        let (mut left, mut verdict) = (bytes, Ok(()));
        for part in parts {
            let part = &part[..left.min(part.len())];
            left -= part.len();
            verdict = verdict.and(self.sent(part, now));
        }
        verdict
    }

    /// Whether so many DATA frames came since this was last asked that their readers should have a turn.
    ///
    /// The library ends a connection that holds a few thousand small ones unread, and a single read can bring more than a
    /// thousand: honest streams of small messages would be cut.
    pub const fn is_crowded(&mut self) -> bool {
        std::mem::replace(&mut self.data, 0) > CROWD
    }

    /// How many of the `bytes` to be sent next still belong to a frame that has begun; 0 at a border.
    pub fn unfinished(&self, bytes: &[u8]) -> usize {
        self.outgoing.unfinished(bytes)
    }

    /// Whether what was sent ends with a whole frame.
    pub const fn at_border(&self) -> bool {
        self.outgoing.at_border()
    }

    /// The newest stream of the connection; 0 before the first.
    pub const fn newest(&self) -> u32 {
        self.streams.newest()
    }

    fn responded(&mut self, frame: &Frame) {
        if self.client && frame.has(Frame::END_STREAM) {
            self.streams.end(frame.stream);
        }
    }

    fn judge(&mut self, frame: &Frame, now: u32) -> Result<(), Excess> {
        if self.block.as_ref().is_some_and(|block| block.last) {
            self.block = None;
        }
        if frame.kind == Frame::DATA {
            self.data = self.data.saturating_add(1);
        }
        match frame.kind {
            Frame::DATA if frame.length <= frame.pads() && !frame.has(Frame::END_STREAM) => {
                afford(&mut self.empty_data, now, Excess::EmptyData)
            }
            Frame::DATA => Ok(()),
            Frame::HEADERS => {
                if self.client && self.streams.open(frame.stream) {
                    self.earn_stream(HEADERS_OF_CLIENT);
                } else {
                    afford(&mut self.headers, now, Excess::Headers)?;
                }
                self.begin_block(frame, now)
            }
            Frame::PUSH_PROMISE => {
                afford(&mut self.other, now, Excess::OtherFrames)?;
                self.begin_block(frame, now)
            }
            Frame::CONTINUATION => self.go_on(frame, now),
            Frame::RST_STREAM => {
                let live = !self.client || self.streams.end(frame.stream);
                let budget = if live { &mut self.resets } else { &mut self.window_updates };
                afford(budget, now, Excess::Resets)
            }
            Frame::SETTINGS => afford(&mut self.settings, now, Excess::Settings),
            Frame::PING => afford(&mut self.pings, now, Excess::Pings),
            Frame::WINDOW_UPDATE => afford(&mut self.window_updates, now, Excess::WindowUpdates),
            Frame::PRIORITY | Frame::PRIORITY_UPDATE => afford(&mut self.priorities, now, Excess::Priorities),
            _ => afford(&mut self.other, now, Excess::OtherFrames),
        }
    }

    fn earn_stream(&mut self, headers: u32) {
        self.headers.earn(headers);
        self.pings.earn(1);
        self.priorities.earn(PRIORITIES_PER_STREAM);
        self.window_updates.earn(WINDOW_UPDATES_PER_STREAM);
        self.empty_data.earn(1);
        self.other.earn(OTHER_PER_STREAM);
    }

    fn begin_block(&mut self, frame: &Frame, now: u32) -> Result<(), Excess> {
        let block = Block { since: now, octets: frame.length, continuations: 0, last: frame.has(Frame::END_HEADERS) };
        self.fits(block)
    }

    fn go_on(&mut self, frame: &Frame, now: u32) -> Result<(), Excess> {
        // Without a block it is an error of the protocol, which the library answers.
        let Some(block) = self.block.take() else {
            return afford(&mut self.other, now, Excess::OtherFrames);
        };
        let block = Block {
            octets: block.octets.saturating_add(frame.length),
            continuations: block.continuations + 1,
            last: frame.has(Frame::END_HEADERS),
            ..block
        };
        self.fits(block)
    }

    fn fits(&mut self, block: Block) -> Result<(), Excess> {
        if block.continuations > self.limits.continuations || block.octets > self.limits.block {
            return Err(Excess::HeaderBlock);
        }
        self.block = Some(block);
        Ok(())
    }
}

fn afford(budget: &mut Budget, now: u32, excess: Excess) -> Result<(), Excess> {
    if budget.spend(now) { Ok(()) } else { Err(excess) }
}

#[cfg(test)]
mod tests;
