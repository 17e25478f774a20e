//! Field lines, and what they say about the length of the body that follows.

use http::Version;

use super::fault::Fault;
use super::lines::{CAPITAL, NONE, tchar};

/// Name and value of a field line; the value with the white space around it. And whether its name has capitals.
pub(super) fn split(line: &[u8]) -> Result<(&[u8], &[u8], bool), Fault> {
    if matches!(line, [b' ' | b'\t', ..]) {
        return Err(Fault::Folded);
    }
    let mut seen = NONE;
    let end = line.iter().position(|byte| {
        let kind = tchar(*byte);
        seen |= kind;
        kind == NONE
    });
    match end {
        Some(colon) if colon > 0 && line[colon] == b':' => {
            Ok((&line[..colon], &line[colon + 1..], seen & CAPITAL != NONE))
        }
        _ => Err(Fault::FieldName),
    }
}

/// What the fields of a head say about what follows it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Framing {
    pub(super) length: Option<u64>,
    pub(super) chunked: bool,
    pub(super) upgrade: bool,
    /// `Connection` says `close`.
    pub(super) close: bool,
    /// `Connection` says `keep-alive`.
    pub(super) keep_alive: bool,
}

impl Framing {
    /// Takes a field in.
    pub(super) fn take(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        match name.len() {
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.upgrade = true,
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                if self.length.is_some() {
                    return Err(Fault::Lengths);
                }
                self.length = Some(decimal(plain(value)).ok_or(Fault::Length)?);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.chunked || !plain(value).eq_ignore_ascii_case(b"chunked") {
                    return Err(Fault::Coding);
                }
                self.chunked = true;
            }
            _ => return Ok(()),
        }
        if self.chunked && self.length.is_some() { Err(Fault::LengthAndCoding) } else { Ok(()) }
    }
}

impl Framing {
    /// Whether another message may follow on the connection (RFC 9112, section 9.3).
    pub(super) fn is_persistent(&self, version: Version) -> bool {
        !self.close && (version == Version::HTTP_11 || self.keep_alive)
    }
}

/// A value as everybody writes it: after one space or none, with nothing behind it.
fn plain(value: &[u8]) -> &[u8] {
    value.strip_prefix(b" ").unwrap_or(value)
}

/// A number without sign, white space or leading zero, below 10^18.
fn decimal(text: &[u8]) -> Option<u64> {
    let plain = match text {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.len() < 18 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    plain.then(|| text.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(fields: &[(&str, &str)]) -> Result<Framing, Fault> {
        let mut framing = Framing::default();
        fields.iter().try_for_each(|(name, value)| framing.take(name.as_bytes(), value.as_bytes()))?;
        Ok(framing)
    }

    #[test]
    fn a_length_is_a_plain_number() {
        for (text, length) in [(" 0", 0), ("5", 5), (" 999999999999999999", 999_999_999_999_999_999)] {
            assert_eq!(framing(&[("Content-Length", text)]).unwrap().length, Some(length));
        }
        for bad in ["", " ", " 05", " +5", " -5", "  5", " 5 ", "\t5", " 5, 5", " 0x5", " 5a", " 1_000", " 00", " ٥"] {
            assert_eq!(framing(&[("content-length", bad)]).unwrap_err(), Fault::Length, "{bad:?}");
        }
        assert_eq!(framing(&[("content-length", "1000000000000000000")]).unwrap_err(), Fault::Length);
    }

    #[test]
    fn there_is_one_way_to_say_how_long_a_body_is() {
        let length = ("content-length", " 5");
        assert_eq!(framing(&[length, length]).unwrap_err(), Fault::Lengths);
        for coding in [" chunked", "Chunked"] {
            let coding = ("transfer-encoding", coding);
            assert!(framing(&[coding]).unwrap().chunked);
            assert_eq!(framing(&[coding, coding]).unwrap_err(), Fault::Coding);
            assert_eq!(framing(&[coding, length]).unwrap_err(), Fault::LengthAndCoding);
            assert_eq!(framing(&[length, coding]).unwrap_err(), Fault::LengthAndCoding);
        }
        for bad in
            ["", " gzip", " gzip, chunked", " chunked, chunked", " chunked ", "\tchunked", " xchunked", " identity"]
        {
            assert_eq!(framing(&[("Transfer-Encoding", bad)]).unwrap_err(), Fault::Coding, "{bad:?}");
        }
    }

    #[test]
    fn a_name_is_a_token_with_a_colon_behind_it() {
        assert_eq!(split(b"a: b"), Ok((&b"a"[..], &b" b"[..], false)));
        assert_eq!(split(b"x-A:B"), Ok((&b"x-A"[..], &b"B"[..], true)));
        for (line, fault) in [
            (" a: b", Fault::Folded),
            ("\ta: b", Fault::Folded),
            ("a : b", Fault::FieldName),
            (": b", Fault::FieldName),
            ("a", Fault::FieldName),
            ("a b: c", Fault::FieldName),
            ("ä: c", Fault::FieldName),
            ("a[0]: c", Fault::FieldName),
        ] {
            assert_eq!(split(line.as_bytes()), Err(fault), "{line:?}");
        }
    }
}
