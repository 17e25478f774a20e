//! One direction of a tunnel: what comes from one end and is on its way to the other.

use super::close;
use super::frames::{Frames, Held};
use crate::model::{Side, TunnelEnd};

/// Whether botgate has something to say at the next border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goodbye {
    /// Nothing: what comes is passed on.
    No,
    /// A Close, as soon as the frame under way is over.
    Due(TunnelEnd),
    /// The same, and that frame is over: once the last of it is written, or waits.
    Now(TunnelEnd),
    /// It is said, or there can be none: what comes from now on goes nowhere.
    Said,
}

/// One direction.
#[derive(Debug)]
pub(super) struct Way {
    to: Side,
    /// None where the bytes are not WebSocket frames.
    frames: Option<Frames>,
    /// What the other end did not take at once. Not allocated while there is nothing: an idle tunnel holds no buffer.
    out: Vec<u8>,
    written: usize,
    /// Whether what was written must still be flushed.
    pub(super) unflushed: bool,
    /// Bytes passed on.
    pub(super) bytes: u64,
    /// Whether the source sends no more.
    ended: bool,
    /// Whether the other end was told that nothing more comes.
    pub(super) shut: bool,
    goodbye: Goodbye,
}

impl Way {
    /// From one side to the other.
    pub(super) fn new(from: Side, websocket: bool) -> Self {
        Self {
            to: if from == Side::Client { Side::Backend } else { Side::Client },
            frames: websocket.then(|| Frames::of(from)),
            out: Vec::new(),
            written: 0,
            unflushed: false,
            bytes: 0,
            ended: false,
            shut: false,
            goodbye: Goodbye::No,
        }
    }

    /// What waits to be written; empty when nothing does.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.out[self.written..]
    }

    /// So many bytes of it were written.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
        self.unflushed = true;
        if self.written >= self.out.len() {
            self.forget();
        }
    }

    /// What waits will never be written.
    pub(super) fn forget(&mut self) {
        self.out = Vec::new();
        self.written = 0;
    }

    /// These bytes wait from now on.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Asks for a Close at the next border, unless the source has sent its own.
    pub(super) fn say_goodbye(&mut self, end: TunnelEnd) {
        if self.goodbye == Goodbye::No && !self.frames.as_ref().is_some_and(Frames::is_closing) {
            let at_border = self.frames.as_ref().is_none_or(Frames::at_border);
            self.goodbye = if at_border { Goodbye::Now(end) } else { Goodbye::Due(end) };
            self.passed();
        }
    }

    /// Says nothing of its own to the other end, unless it is about to: that end has said its last.
    pub(super) fn fall_silent(&mut self) {
        if self.goodbye == Goodbye::No {
            self.goodbye = Goodbye::Said;
        }
    }

    /// What [`Way::take`] returned last was written, or waits: a Close whose time has come may follow.
    pub(super) fn passed(&mut self) {
        match self.goodbye {
            Goodbye::Now(end) => {
                if self.frames.is_some() {
                    close::append(end, self.to, &mut self.out);
                }
                self.goodbye = Goodbye::Said;
            }
            // Its source has gone in the middle of a frame: nobody can end it.
            Goodbye::Due(_) if self.ended => self.goodbye = Goodbye::Said,
            _ => {}
        }
    }

    /// Takes in what came, and returns what of it goes on: first what was held back of it earlier, then a beginning of
    /// `bytes`. To be followed by [`Way::passed`].
    pub(super) fn take<'a>(&mut self, bytes: &'a [u8]) -> (Held, &'a [u8]) {
        let (held, on) = match (&mut self.frames, self.goodbye) {
            (None, Goodbye::No) => (Held::default(), bytes),
            (None, _) => (Held::default(), &[][..]),
            (Some(frames), Goodbye::No) => {
                let passed = frames.pass(bytes);
                (passed.held, passed.bytes)
            }
            (Some(frames), Goodbye::Due(end)) => {
                let (rest, beyond) = bytes.split_at(frames.payload(bytes));
                if frames.at_border() {
                    self.goodbye = Goodbye::Now(end);
                }
                // What follows is read on for the Close of its sender, and goes nowhere.
                frames.pass(beyond);
                (Held::default(), rest)
            }
            (Some(frames), Goodbye::Now(_) | Goodbye::Said) => {
                frames.pass(bytes);
                (Held::default(), &[][..])
            }
        };
        self.bytes += (held.bytes().len() + on.len()) as u64;
        (held, on)
    }

    /// The source sends no more.
    pub(super) fn end(&mut self) {
        self.ended = true;
        self.passed();
    }

    /// Whether the source sends no more.
    pub(super) const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether what comes goes nowhere.
    pub(super) fn discards(&self) -> bool {
        self.goodbye == Goodbye::Said
    }

    /// Whether the last frame of this direction, its source's Close or botgate's, is among what was passed on or waits.
    pub(super) fn is_final(&self) -> bool {
        self.discards() || self.is_over()
    }

    /// Whether the source has sent its Close.
    pub(super) fn is_over(&self) -> bool {
        self.frames.as_ref().is_some_and(Frames::is_over)
    }

    /// Whether its Close has begun.
    pub(super) fn is_closing(&self) -> bool {
        self.frames.as_ref().is_some_and(Frames::is_closing)
    }

    /// Whether a frame broke the protocol.
    pub(super) fn is_broken(&self) -> bool {
        self.frames.as_ref().is_some_and(Frames::is_broken)
    }

    /// Whether nothing of the source need be waited for: it has said its last, or never will.
    pub(super) fn is_heard(&self) -> bool {
        self.ended || self.frames.as_ref().is_none_or(|frames| frames.is_over() || frames.is_broken())
    }

    /// Whether the other end can be told that nothing more comes.
    pub(super) fn is_spent(&self) -> bool {
        self.ended && !matches!(self.goodbye, Goodbye::Due(_))
    }
}
