//! Names of fields, as they were read before.
//!
//! The same clients and backends send the same names, spelt the same, in every message; to make a name of bytes takes
//! longer than to compare it with one that is there, and a name that no standard has is allocated each time.

use std::cell::RefCell;

use http::HeaderName;

use super::fault::Fault;

/// Names that a thread remembers. One that falls on another's place takes it: who sends names at random gains nothing, and
/// costs the others no more than a name costs that is not remembered.
const PLACES: usize = 128;
/// Bytes of a name that is remembered.
const LONGEST: usize = 40;

struct Known {
    spelt: Box<[u8]>,
    name: HeaderName,
}

thread_local! {
    static KNOWN: RefCell<Vec<Option<Known>>> = const { RefCell::new(Vec::new()) };
}

/// The name that these bytes spell.
///
/// # Errors
/// [`Fault::FieldName`], when they are no token.
pub(in crate::wire) fn name(bytes: &[u8]) -> Result<HeaderName, Fault> {
    let made = || HeaderName::from_bytes(bytes).map_err(|_| Fault::FieldName);
    if bytes.len() > LONGEST {
        return made();
    }
    let Some(place) = place(bytes) else { return made() };
    KNOWN.with_borrow_mut(|known| {
        if known.is_empty() {
            known.resize_with(PLACES, || None);
        }
        if let Some(known) = known[place].as_ref().filter(|known| *known.spelt == *bytes) {
            return Ok(known.name.clone());
        }
        let name = made()?;
        known[place] = Some(Known { spelt: bytes.into(), name: name.clone() });
        Ok(name)
    })
}

/// Where a name is remembered: by its length and four of its bytes.
fn place(bytes: &[u8]) -> Option<usize> {
    let (first, last) = (*bytes.first()?, *bytes.last()?);
    let (middle, third) = (bytes[bytes.len() / 2], bytes[bytes.len() / 3]);
    let mixed = [bytes.len() as u8, first, last, middle, third];
    Some(mixed.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte))) % PLACES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_when_it_is_remembered_and_however_it_is_spelt() {
        for _ in 0..2 {
            for spelt in ["Content-Type", "content-type", "X-Ms-Client", "x", "Idempotency-Key"] {
                assert_eq!(name(spelt.as_bytes()), Ok(spelt.parse::<HeaderName>().unwrap()), "{spelt}");
            }
            for bad in ["", "a b", "a:", "ä", "a\0"] {
                assert_eq!(name(bad.as_bytes()), Err(Fault::FieldName), "{bad:?}");
            }
        }
        let long = "x".repeat(LONGEST + 1);
        assert_eq!(name(long.as_bytes()).unwrap().as_str(), long);
    }

    #[test]
    fn names_that_share_a_place_are_told_apart() {
        let all: Vec<String> = (0..10 * PLACES).map(|number| format!("x-{number}-y")).collect();
        for text in all.iter().chain(&all) {
            assert_eq!(name(text.as_bytes()).unwrap().as_str(), text);
        }
        KNOWN.with_borrow(|known| assert_eq!(known.len(), PLACES));
    }
}
