//! The fields of a head.
//!
//! A map of them costs more than all else that is done to a head: each name is hashed, each value judged a second time. Most
//! fields are passed on as they came. So they stay where they were read, in one piece of memory, and are told apart by
//! where they stand; what the gateway adds lies beside them. Who speaks with a library gets a map.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::h1::names;
use super::known::{Known, Set};

/// Fields that are added to a usual request on its way: room that is made at once.
const ADDED: usize = 9;

/// The fields of a head, in their order: first those that came over HTTP/1, then the others.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    /// The head that they came in, their names in lower case.
    text: Bytes,
    came: Vec<Line>,
    told: Option<Told>,
    added: Vec<Added>,
    seen: Set,
    repeated: Set,
    /// Whether a name has an underscore in it.
    underscore: bool,
}

/// Where a field stands in its head: its name, and its value without the white space around it.
#[derive(Clone, Copy, Debug)]
pub(in crate::wire) struct Line {
    name: (u32, u32),
    value: (u32, u32),
    known: Option<Known>,
    /// Whether its name is spelt with capitals.
    capitals: bool,
    /// Whether one space stands before the value, and none behind it.
    plain: bool,
}

#[derive(Clone, Debug)]
struct Added {
    name: HeaderName,
    value: HeaderValue,
    known: Option<Known>,
}

/// Fields that are the same for many heads: written once. A clone is another handle on them.
#[derive(Clone, Debug)]
pub struct Told(Arc<Written>);

#[derive(Debug)]
struct Written {
    text: Bytes,
    lines: Vec<Line>,
    fields: Set,
}

impl Told {
    /// These; none when one of them has more bytes than a head.
    pub fn new(fields: &[(Known, HeaderValue)]) -> Option<Self> {
        let (mut text, mut lines, mut set) = (Vec::new(), Vec::with_capacity(fields.len()), Set::NONE);
        for (known, value) in fields {
            let at = text.len();
            write_line(&mut text, known.name().as_str().as_bytes(), value.as_bytes());
            u32::try_from(text.len()).ok()?;
            let (name, rest) = text.get(at..text.len() - 2)?.split_at_checked(known.name().as_str().len())?;
            lines.push(Line { known: Some(*known), ..Line::new(at, name, rest.get(1..)?, false) });
            set = set.with(*known);
        }
        Some(Self(Arc::new(Written { text: text.into(), lines, fields: set })))
    }
}

impl Line {
    /// The field of the line that begins at `at`.
    pub(in crate::wire) fn new(at: usize, name: &[u8], value: &[u8], capitals: bool) -> Self {
        let blank = |byte: &u8| !matches!(byte, b' ' | b'\t');
        let before = value.iter().position(blank).unwrap_or(value.len());
        let length = value.iter().rposition(blank).map_or(0, |last| last + 1 - before);
        let (name_end, from) = (at + name.len(), at + name.len() + 1 + before);
        let place = |at: usize| at as u32;
        Self {
            name: (place(at), place(name_end)),
            value: (place(from), place(from + length)),
            known: None,
            capitals,
            plain: before == 1 && value[0] == b' ' && before + length == value.len(),
        }
    }

    fn name<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.name.0 as usize..self.name.1 as usize]
    }

    fn value<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.value.0 as usize..self.value.1 as usize]
    }
}

impl Fields {
    /// Those of a head that was judged: `lines` stand within it.
    pub(in crate::wire) fn of_head(mut head: BytesMut, mut lines: Vec<Line>) -> Self {
        // Of another head they would say nothing.
        if lines.last().is_some_and(|line| line.value.1 as usize + 2 > head.len()) {
            lines.clear();
        }
        let (mut seen, mut repeated, mut underscore) = (Set::NONE, Set::NONE, false);
        for line in &mut lines {
            let name = &mut head[line.name.0 as usize..line.name.1 as usize];
            if line.capitals {
                name.make_ascii_lowercase();
            }
            line.known = Known::of(name);
            match line.known {
                Some(known) if seen.has(known) => repeated = repeated.with(known),
                Some(known) => seen = seen.with(known),
                None => underscore |= has_underscore(name),
            }
        }
        Self { text: head.freeze(), came: lines, told: None, added: Vec::new(), seen, repeated, underscore }
    }

    /// A part of the head, without a copy.
    pub(in crate::wire) fn part(&self, range: Range<usize>) -> Bytes {
        self.text.slice(range)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.came.len() + self.told.as_ref().map_or(0, |told| told.0.lines.len()) + self.added.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is there.
    pub const fn has(&self, field: Known) -> bool {
        self.seen.has(field)
    }

    /// Whether it is there more than once.
    pub const fn repeats(&self, field: Known) -> bool {
        self.repeated.has(field)
    }

    /// Whether one of them is there.
    pub const fn has_any(&self, fields: Set) -> bool {
        self.seen.has_any(fields)
    }

    /// Whether a name that is not known has an underscore in it, which some servers read as a hyphen.
    pub const fn has_underscore(&self) -> bool {
        self.underscore
    }

    /// Its value, the first if there are several.
    pub fn get(&self, field: Known) -> Option<&[u8]> {
        if self.has(field) { self.all(field).next() } else { None }
    }

    /// All of its values, in their order.
    pub fn all(&self, field: Known) -> impl DoubleEndedIterator<Item = &[u8]> {
        let read = self.read().filter(move |(_, line)| line.known == Some(field)).map(|(text, line)| line.value(text));
        let added = self.added.iter().filter(move |it| it.known == Some(field)).map(|it| it.value.as_bytes());
        read.chain(added)
    }

    /// Its value, the first if there are several, without a copy of its bytes.
    pub fn value(&self, field: Known) -> Option<HeaderValue> {
        if !self.has(field) {
            return None;
        }
        if let Some((text, line)) = self.read().find(|(_, line)| line.known == Some(field)) {
            return line.shared_value(text);
        }
        self.added.iter().find(|it| it.known == Some(field)).map(|it| it.value.clone())
    }

    /// Names (lower case) and values, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let read = self.read().map(|(text, line)| (line.name(text), line.value(text)));
        read.chain(self.added.iter().map(|it| (it.name.as_str().as_bytes(), it.value.as_bytes())))
    }

    /// The lines that came and those that are told, with the text that each stands in.
    fn read(&self) -> impl DoubleEndedIterator<Item = (&Bytes, &Line)> {
        let told = self.told.iter().flat_map(|told| told.0.lines.iter().map(|line| (&told.0.text, line)));
        self.came.iter().map(|line| (&self.text, line)).chain(told)
    }

    /// All of these in place of all of their names.
    pub fn tell(&mut self, told: &Told) {
        self.remove(told.0.fields);
        self.spell_out();
        self.seen = self.seen.and(told.0.fields);
        self.told = Some(told.clone());
    }

    /// What is told is no different from what is added, from now on.
    fn spell_out(&mut self) {
        let Some(told) = self.told.take() else { return };
        let Written { text, lines, .. } = &*told.0;
        let added = |line: &Line| {
            let known = line.known?;
            Some(Added { name: known.name().clone(), value: line.shared_value(text)?, known: Some(known) })
        };
        self.added.splice(0..0, lines.iter().filter_map(added));
    }

    /// One more.
    pub fn add(&mut self, field: Known, value: HeaderValue) {
        self.push(field.name().clone(), value, Some(field));
    }

    /// This one in place of all of its name.
    pub fn put(&mut self, field: Known, value: HeaderValue) {
        self.remove(Set::NONE.with(field));
        self.add(field, value);
    }

    /// One more, of any name.
    pub fn append(&mut self, name: HeaderName, value: HeaderValue) {
        let known = Known::of(name.as_str().as_bytes());
        self.push(name, value, known);
    }

    fn push(&mut self, name: HeaderName, value: HeaderValue, known: Option<Known>) {
        match known {
            Some(known) if self.seen.has(known) => self.repeated = self.repeated.with(known),
            Some(known) => self.seen = self.seen.with(known),
            None => self.underscore |= has_underscore(name.as_str().as_bytes()),
        }
        if self.added.capacity() == 0 {
            self.added.reserve(ADDED);
        }
        self.added.push(Added { name, value, known });
    }

    /// Removes those of these that are there.
    pub fn remove(&mut self, fields: Set) {
        if !self.seen.has_any(fields) {
            return;
        }
        if self.told.as_ref().is_some_and(|told| told.0.fields.has_any(fields)) {
            self.spell_out();
        }
        self.came.retain(|line| !fields.takes(line.known));
        self.added.retain(|it| !fields.takes(it.known));
        (self.seen, self.repeated) = (self.seen.without(fields), self.repeated.without(fields));
    }

    /// Removes those whose names (lower case) are such.
    pub fn remove_named(&mut self, such: impl Fn(&[u8]) -> bool) {
        self.spell_out();
        let text = &self.text;
        self.came.retain(|line| !such(line.name(text)));
        self.added.retain(|it| !such(it.name.as_str().as_bytes()));
        let left = self.came.iter().map(|line| line.known).chain(self.added.iter().map(|it| it.known)).flatten();
        let (mut seen, mut repeated) = (Set::NONE, Set::NONE);
        for known in left {
            if seen.has(known) {
                repeated = repeated.with(known);
            }
            seen = seen.with(known);
        }
        (self.seen, self.repeated) = (seen, repeated);
    }

    /// Writes them as lines of HTTP/1, but for those that are `skipped` or not `kept`, which is asked of every name.
    pub fn write(&self, out: &mut Vec<u8>, skipped: Set, kept: impl Fn(&[u8]) -> bool) {
        let skips = |line: &Line, text: &[u8]| skipped.takes(line.known) || !kept(line.name(text));
        write_lines(out, &self.text, &self.came, &skips);
        if let Some(told) = &self.told {
            write_lines(out, &told.0.text, &told.0.lines, &skips);
        }
        for it in &self.added {
            let name = it.name.as_str().as_bytes();
            if !skipped.takes(it.known) && kept(name) {
                write_line(out, name, it.value.as_bytes());
            }
        }
    }

    /// Bytes of all of their lines, and some more.
    pub fn room(&self) -> usize {
        let told = self.told.as_ref().map_or(0, |told| told.0.text.len());
        self.text.len() + told + self.added.iter().map(|it| 4 + it.name.as_str().len() + it.value.len()).sum::<usize>()
    }
}

/// A value as text; none when it is not all ASCII.
pub fn ascii(value: &[u8]) -> Option<&str> {
    if value.is_ascii() { std::str::from_utf8(value).ok() } else { None }
}

/// Writes those that are not skipped. Lines that follow each other as they are to be written are written at once.
fn write_lines(out: &mut Vec<u8>, text: &[u8], lines: &[Line], skips: &impl Fn(&Line, &[u8]) -> bool) {
    let (mut from, mut to) = (0, 0);
    for line in lines {
        if skips(line, text) {
            continue;
        }
        let (begin, end) = (line.name.0 as usize, line.value.1 as usize + 2);
        if line.plain && begin == to {
            to = end;
            continue;
        }
        out.extend_from_slice(&text[from..to]);
        (from, to) = (begin, end);
        if !line.plain {
            (from, to) = (0, 0);
            write_line(out, line.name(text), line.value(text));
        }
    }
    out.extend_from_slice(&text[from..to]);
}

/// Writes a field as a line of HTTP/1.
pub fn write_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Every byte, whatever the first ones are: that is faster for what is as short as a name.
fn has_underscore(name: &[u8]) -> bool {
    name.iter().fold(false, |found, byte| found | (*byte == b'_'))
}

impl Line {
    fn shared_value(&self, text: &Bytes) -> Option<HeaderValue> {
        // What is no header text was refused when the head was judged.
        HeaderValue::from_maybe_shared(text.slice(self.value.0 as usize..self.value.1 as usize)).ok()
    }
}

impl From<HeaderMap> for Fields {
    fn from(map: HeaderMap) -> Self {
        let mut fields = Self { added: Vec::with_capacity(map.len() + ADDED), ..Self::default() };
        let mut last: Option<HeaderName> = None;
        for (name, value) in map {
            // A name is told with its first value alone.
            let Some(name) = name.or_else(|| last.clone()) else { continue };
            last = Some(name.clone());
            fields.append(name, value);
        }
        fields
    }
}

impl From<Fields> for HeaderMap {
    fn from(mut fields: Fields) -> Self {
        fields.spell_out();
        // Room for what the library, or who speaks with it, adds.
        let mut map = Self::with_capacity(fields.len() + 2);
        for line in &fields.came {
            // They were judged when they came.
            if let (Ok(name), Some(value)) = (names::name(line.name(&fields.text)), line.shared_value(&fields.text)) {
                map.append(name, value);
            }
        }
        for Added { name, value, .. } in fields.added {
            map.append(name, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::h1::{Limits, RequestReader};

    fn came(lines: &str) -> Fields {
        let text = format!("GET / HTTP/1.1\r\n{lines}\r\n");
        let mut reader = RequestReader::new(Limits { head: 4096, fields: 20 });
        assert_eq!(reader.read(text.as_bytes()), Ok(Some(text.len())));
        reader.finish(BytesMut::from(text.as_bytes())).unwrap().head.fields
    }

    fn written(fields: &Fields, skipped: Set, kept: impl Fn(&[u8]) -> bool) -> String {
        let mut out = Vec::new();
        fields.write(&mut out, skipped, kept);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_are_written_as_they_came_with_their_names_in_lower_case() {
        let mut fields = came("Host: a\r\nX-One:1\r\nx-two:  2 \r\nx-three:\t3\r\nx-four:\r\nx-five: \r\nX-SIX: 6\r\n");
        fields.add(Known::Via, HeaderValue::from_static("1.1 botgate"));
        let all =
            "host: a\r\nx-one: 1\r\nx-two: 2\r\nx-three: 3\r\nx-four: \r\nx-five: \r\nx-six: 6\r\nvia: 1.1 botgate\r\n";
        assert_eq!(written(&fields, Set::NONE, |_| true), all);
        assert!(fields.room() >= all.len());
        let some = written(&fields, Set::of(&[Known::Host, Known::Via]), |name| name.len() != 6);
        assert_eq!(some, "x-one: 1\r\nx-two: 2\r\nx-three: 3\r\nx-six: 6\r\n");
        let map = HeaderMap::from(fields);
        assert_eq!(written(&map.into(), Set::NONE, |_| true), all);
    }

    #[test]
    fn a_head_is_seen_as_it_is() {
        let mut fields = came("host: a\r\nCookie: a=1\r\naccept: */*\r\ncookie: b=2\r\n");
        assert!(fields.has(Known::Host) && fields.repeats(Known::Cookie) && !fields.repeats(Known::Host));
        assert!(!fields.has(Known::Expect) && !fields.has_underscore() && fields.len() == 4);
        assert_eq!((fields.get(Known::Host), fields.get(Known::Te)), (Some(&b"a"[..]), None));
        assert_eq!(fields.all(Known::Cookie).collect::<Vec<_>>(), [&b"a=1"[..], b"b=2"]);
        assert_eq!(fields.value(Known::Cookie).unwrap(), "a=1");
        fields.remove(Set::of(&[Known::Cookie, Known::Te]));
        assert_eq!(fields.iter().map(|(name, _)| name).collect::<Vec<_>>(), [&b"host"[..], b"accept"]);
        assert!(!fields.has(Known::Cookie) && !fields.repeats(Known::Cookie));
        assert!(came("x-tenant-number_1: 1\r\n").has_underscore());
    }

    #[test]
    fn what_is_put_takes_the_place_of_all_of_its_name() {
        for mut fields in [came("x-request-id: a\r\nx-request-id: b\r\nx: 1\r\n"), Fields::default()] {
            fields.put(Known::XRequestId, HeaderValue::from_static("c"));
            assert_eq!(fields.all(Known::XRequestId).collect::<Vec<_>>(), [b"c"]);
            assert!(!fields.repeats(Known::XRequestId));
            fields.add(Known::XRequestId, HeaderValue::from_static("d"));
            assert!(fields.repeats(Known::XRequestId));
            assert_eq!(fields.value(Known::XRequestId).unwrap(), "c");
            fields.remove_named(|name| name.starts_with(b"x-"));
            assert!(!fields.has(Known::XRequestId) && fields.value(Known::XRequestId).is_none());
        }
    }

    #[test]
    fn what_is_told_stands_in_the_place_of_its_names_as_if_it_had_come() {
        let value = HeaderValue::from_static;
        let told = Told::new(&[(Known::XForwardedFor, value("1")), (Known::Forwarded, value("for=1"))]).unwrap();
        let mut fields = came("x-forwarded-for: 9\r\nx-a: 1\r\nforwarded: for=9\r\n");
        fields.tell(&told);
        fields.add(Known::Via, value("b"));
        let all = "x-a: 1\r\nx-forwarded-for: 1\r\nforwarded: for=1\r\nvia: b\r\n";
        assert_eq!((written(&fields, Set::NONE, |_| true).as_str(), fields.len()), (all, 4));
        assert!(fields.room() >= all.len() && !fields.repeats(Known::Forwarded));
        assert_eq!(
            (fields.get(Known::Forwarded), fields.value(Known::XForwardedFor)),
            (Some(&b"for=1"[..]), Some(value("1")))
        );
        assert_eq!(written(&HeaderMap::from(fields.clone()).into(), Set::NONE, |_| true), all);
        let without = "x-a: 1\r\nforwarded: for=1\r\nvia: b\r\n";
        assert_eq!(written(&fields, Set::of(&[Known::XForwardedFor]), |_| true), without);
        fields.remove(Set::of(&[Known::XForwardedFor]));
        assert_eq!((written(&fields, Set::NONE, |_| true).as_str(), fields.get(Known::XForwardedFor)), (without, None));
        fields.tell(&told);
        fields.tell(&told);
        fields.remove_named(|name| name == b"forwarded");
        assert_eq!(written(&fields, Set::NONE, |_| true), "x-a: 1\r\nx-forwarded-for: 1\r\nvia: b\r\n");
        assert!(fields.has(Known::XForwardedFor) && !fields.has(Known::Forwarded));
    }

    #[test]
    fn a_map_comes_back_as_it_was() {
        let mut map = HeaderMap::new();
        for (name, value) in [("set-cookie", "a=1"), ("x-own", ""), ("set-cookie", "b=2"), ("te", "x/\u{e4}")] {
            map.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let fields = Fields::from(map.clone());
        assert!(fields.has(Known::Te));
        assert_eq!(HeaderMap::from(fields), map);
    }
}
