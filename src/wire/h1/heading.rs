//! What stands where in a head. The pass that judges a head finds it, so that nobody has to read it a second time.

use bytes::BytesMut;
use http::Version;

use crate::wire::Fields;
use crate::wire::fields::Line;

/// Fields of a usual head: room that is made at once.
pub(super) const USUAL: usize = 16;

/// The last head, or trailer section, that a [`ResponseReader`](super::ResponseReader) let pass.
#[derive(Debug)]
pub struct Heading {
    pub(super) version: Version,
    pub(super) status: u16,
    pub(super) persistent: bool,
    pub(super) fields: Vec<Line>,
}

impl Default for Heading {
    fn default() -> Self {
        Self { version: Version::HTTP_11, status: 0, persistent: false, fields: Vec::new() }
    }
}

impl Heading {
    /// HTTP/1.0 or HTTP/1.1.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The status, 100 to 999.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Whether its sender lets another message follow on the connection (RFC 9112, section 9.3).
    pub const fn is_persistent(&self) -> bool {
        self.persistent
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// One more.
    pub(super) fn note(&mut self, line: Line) {
        if self.fields.capacity() == 0 {
            self.fields.reserve(USUAL);
        }
        self.fields.push(line);
    }

    /// The fields, once: they stay where they are, in `head`, the bytes that the reader let pass last.
    pub fn take_fields(&mut self, head: BytesMut) -> Fields {
        Fields::of_head(head, std::mem::take(&mut self.fields))
    }
}
