//! What stands where in a head. The pass that judges a head finds it, so that nobody has to read it a second time.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Version};

use super::fault::Fault;
use super::names;

/// The last head, or trailer section, that a [`ResponseReader`](super::ResponseReader) let pass.
#[derive(Debug)]
pub struct Heading {
    pub(super) version: Version,
    pub(super) status: u16,
    pub(super) persistent: bool,
    pub(super) fields: Vec<Field>,
}

/// A field: where its name begins and ends, and its value without the white space around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    name: (u32, u32),
    value: (u32, u32),
}

impl Field {
    /// The field of the line that begins at `line`.
    pub(super) fn new(line: usize, name: &[u8], value: &[u8]) -> Self {
        let blank = |byte: &u8| !matches!(byte, b' ' | b'\t');
        let before = value.iter().position(blank).unwrap_or(value.len());
        let length = value.iter().rposition(blank).map_or(0, |last| last + 1 - before);
        let (name_end, from) = (line + name.len(), line + name.len() + 1 + before);
        let place = |at: usize| at as u32;
        Self { name: (place(line), place(name_end)), value: (place(from), place(from + length)) }
    }
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

    /// The fields as a map with room for `spare` more: the values are parts of `head`, whose bytes they keep alive.
    ///
    /// # Errors
    /// [`Fault::FieldName`] or [`Fault::Control`], when `head` is not the bytes that the reader let pass last.
    pub fn fields(&self, head: &Bytes, spare: usize) -> Result<HeaderMap, Fault> {
        let mut map = HeaderMap::with_capacity(self.fields.len() + spare);
        for Field { name, value } in &self.fields {
            let name = head.get(name.0 as usize..name.1 as usize).ok_or(Fault::FieldName)?;
            let name = names::name(name)?;
            let (from, to) = (value.0 as usize, value.1 as usize);
            if to > head.len() {
                return Err(Fault::Control);
            }
            let value = HeaderValue::from_maybe_shared(head.slice(from..to)).map_err(|_| Fault::Control)?;
            map.append(name, value);
        }
        Ok(map)
    }
}
