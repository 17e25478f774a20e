//! Elements of DER, one after the other. x509-parser's reader does the work; nothing here panics, whatever the bytes are.

use x509_parser::asn1_rs::{Any, Class, FromDer, Tag};

/// What is left to read of a constructed element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

/// One element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub(super) class: Class,
    pub(super) tag: Tag,
    /// What is in it.
    pub(super) content: &'a [u8],
    /// All of it, with tag and length.
    pub(super) whole: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The next element.
    pub(super) fn next(&mut self) -> Option<Element<'a>> {
        let (rest, any) = Any::from_der(self.0).ok()?;
        let whole = self.0.get(..self.0.len().checked_sub(rest.len())?)?;
        // The content is what ends the element: taken from these bytes, it lives as long as they do.
        let content = whole.get(whole.len().checked_sub(any.data.len())?..)?;
        self.0 = rest;
        Some(Element { class: any.header.class(), tag: any.header.tag(), content, whole })
    }

    /// The next element, which must be of this universal type.
    pub(super) fn take(&mut self, tag: Tag) -> Option<Element<'a>> {
        let constructed = tag == Tag::Sequence;
        let fits =
            |it: &Element<'_>| it.class == Class::Universal && it.tag == tag && it.is_constructed() == constructed;
        self.next().filter(fits)
    }

    /// What is in the next element, which must be a sequence.
    pub(super) fn sequence(&mut self) -> Option<Self> {
        self.take(Tag::Sequence).map(|element| Self(element.content))
    }

    /// The next element, if it bears this context-specific tag, around another element.
    pub(super) fn optional(&mut self, tag: u32) -> Option<Element<'a>> {
        let mut ahead = *self;
        let element = ahead.next().filter(|element| element.is_context(tag) && element.is_constructed())?;
        *self = ahead;
        Some(element)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl Element<'_> {
    /// Whether other elements are in it.
    fn is_constructed(&self) -> bool {
        self.whole.first().is_some_and(|tag| tag & 0x20 != 0)
    }

    pub(super) fn is_context(&self, tag: u32) -> bool {
        self.class == Class::ContextSpecific && self.tag == Tag(tag)
    }
}

/// An element of this tag byte: as short as DER wants its length.
pub(super) fn write(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut element = vec![tag];
    if length < 0x80 {
        element.extend(u8::try_from(length));
    } else {
        let bytes = length.to_be_bytes();
        let bytes = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
        // A length has at most eight bytes.
        element.push(0x80 | bytes.len() as u8);
        element.extend_from_slice(bytes);
    }
    parts.iter().for_each(|part| element.extend_from_slice(part));
    element
}

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const OCTETS: u8 = 0x04;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_at_every_length() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let content = vec![7; length];
            let written = write(OCTETS, &[&content]);
            let mut reader = Reader(&written);
            let element = reader.take(Tag::OctetString).unwrap();
            assert_eq!((element.content, element.whole), (&content[..], &written[..]));
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn what_is_cut_short_is_no_element() {
        let written = write(SEQUENCE, &[&write(OCTETS, &[b"abc"])]);
        for length in 0..written.len() {
            assert!(Reader(&written[..length]).next().is_none(), "{length}");
        }
        assert!(Reader(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]).next().is_none());
    }
}
