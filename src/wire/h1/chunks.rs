//! Lines of chunk framing (RFC 9112, section 7.1).

use super::fault::Fault;
use super::lines::is_tchar;

/// Digits of a chunk size: below 2^60.
const MOST_DIGITS: usize = 15;
/// Bytes of the extensions of one chunk, and of all chunks of a body: they mean nothing to botgate, which does not pass
/// them on, and cost whoever reads them.
const MOST_EXTENSION: usize = 1024;
const MOST_EXTENSIONS: usize = 16 * 1024;
/// Bytes of a line of chunk framing.
pub(super) const MOST_LINE: usize = MOST_DIGITS + MOST_EXTENSION + 2;
/// Trailers of a body: how many, and of how many bytes in all.
pub(super) const MOST_TRAILERS: usize = 32;
pub(super) const MOST_TRAILER_BYTES: usize = 8 * 1024;

/// The size that a line of chunk framing says. `extensions` are the bytes of all extensions so far.
pub(super) fn size(line: &[u8], extensions: &mut usize) -> Result<u64, Fault> {
    let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    if digits == 0 || digits > MOST_DIGITS {
        return Err(Fault::ChunkSize);
    }
    let size = line[..digits].iter().fold(0, |size, digit| size << 4 | u64::from(nibble(*digit)));
    let extension = &line[digits..];
    if !extension.is_empty() {
        *extensions += extension.len();
        // What is not an extension from its first byte on belongs to the size.
        if extension[0] != b';' {
            return Err(Fault::ChunkSize);
        }
        if !is_extension(extension) || extension.len() > MOST_EXTENSION || *extensions > MOST_EXTENSIONS {
            return Err(Fault::ChunkExtension);
        }
    }
    Ok(size)
}

const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// `*( ";" name [ "=" ( token | quoted-string ) ] )`, without the "bad" white space that the grammar lets a recipient take.
fn is_extension(mut text: &[u8]) -> bool {
    let token = |text: &[u8]| text.iter().position(|byte| !is_tchar(*byte)).unwrap_or(text.len());
    while let [b';', rest @ ..] = text {
        let name = token(rest);
        if name == 0 {
            return false;
        }
        text = &rest[name..];
        if let [b'=', value @ ..] = text {
            let length = match value {
                [b'"', ..] => quoted(value),
                _ => token(value),
            };
            if length == 0 {
                return false;
            }
            text = &value[length..];
        }
    }
    text.is_empty()
}

/// The length of the quoted string that a text begins with; 0 when it has no end.
fn quoted(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_size_is_a_plain_hexadecimal_number() {
        for (line, expected) in [("0", 0), ("000", 0), ("1aF", 0x1af), ("fffffffffffffff", (1 << 60) - 1)] {
            assert_eq!(size(line.as_bytes(), &mut 0), Ok(expected));
        }
        for bad in ["", " 5", "5 ", "5\t", "0x5", "+5", "-5", "5 ;a", "g", "5g", "1000000000000000", "5,5"] {
            assert_eq!(size(bad.as_bytes(), &mut 0), Err(Fault::ChunkSize), "{bad:?}");
        }
    }

    #[test]
    fn chunk_extensions_have_a_grammar() {
        for good in ["5;a", "5;a=b", "5;a=\"b;c\"", "5;a=\"b\\\"c\";d", "5;a=\"\""] {
            assert_eq!(size(good.as_bytes(), &mut 0), Ok(5), "{good}");
        }
        for bad in ["5;", "5;;a", "5; a", "5;a =b", "5;a= b", "5;a=", "5;a=\"b", "5;a=\"b\"c", "5;a b", "5;a=\"b\\\""] {
            assert_eq!(size(bad.as_bytes(), &mut 0), Err(Fault::ChunkExtension), "{bad}");
        }
    }

    #[test]
    fn chunk_extensions_do_not_go_on_for_ever() {
        let long = format!("1;{}", "a".repeat(MOST_EXTENSION));
        assert_eq!(size(long.as_bytes(), &mut 0), Err(Fault::ChunkExtension));
        let mut sum = 0;
        let taken = (0..10_000).take_while(|_| size(b"1;0123456", &mut sum).is_ok()).count();
        assert_eq!(taken, MOST_EXTENSIONS / 8);
    }
}
