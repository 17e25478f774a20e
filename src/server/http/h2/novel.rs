//! Header fields whose values never come again: ids of requests and of traces, counters.
//!
//! The library puts every value into the table of fields that both sides keep (RFC 7541, section 2.3), and looks through all
//! that it holds of the same name: a field that is new in each response drives the others out, and costs more than all of
//! them. What never repeats is therefore sent as it is, and never indexed (section 6.2.3).

use http::{HeaderMap, HeaderName, HeaderValue};

/// Names that are followed; further ones are indexed as the library likes.
const MOST: usize = 24;
/// So many new values one after another, and a name is one whose values do not repeat; a value that comes again ends that.
const CHANGES: u8 = 3;

/// What the responses of one connection have brought, by name.
#[derive(Debug, Default)]
pub(super) struct Novel(Vec<Seen>);

#[derive(Debug)]
struct Seen {
    name: HeaderName,
    /// Of the value that came last.
    print: u64,
    changes: u8,
}

impl Novel {
    /// Marks the values of a response that are not worth a place in the table.
    pub(super) fn mark(&mut self, headers: &mut HeaderMap) {
        for (name, value) in headers.iter_mut() {
            let print = print(value);
            let Some(seen) = self.0.iter_mut().find(|seen| seen.name == *name) else {
                if self.0.len() < MOST {
                    self.0.push(Seen { name: name.clone(), print, changes: 0 });
                }
                continue;
            };
            seen.changes = if seen.print == print { 0 } else { seen.changes.saturating_add(1) };
            seen.print = print;
            if seen.changes >= CHANGES {
                value.set_sensitive(true);
            }
        }
    }
}

/// Tells values apart, by their length and their end: that two look the same now and then does no harm.
fn print(value: &HeaderValue) -> u64 {
    let bytes = value.as_bytes();
    let end = &bytes[bytes.len().saturating_sub(32)..];
    let mix = |sum: u64, part: &[u8]| {
        let mut word = [0; 8];
        word[..part.len()].copy_from_slice(part);
        (sum.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517c_c1b7_2722_0a95)
    };
    end.chunks(8).fold(bytes.len() as u64, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(novel: &mut Novel, fields: &[(&'static str, String)]) -> Vec<bool> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::try_from(value).unwrap());
        }
        novel.mark(&mut headers);
        fields.iter().map(|(name, _)| headers[*name].is_sensitive()).collect()
    }

    #[test]
    fn what_changes_with_every_response_is_not_indexed_and_what_comes_again_is() {
        let mut novel = Novel::default();
        for n in 0..100_u32 {
            let fields = [
                ("x-request-id", format!("7f3c0a52-0000-4000-8000-{n:012}")),
                ("date", format!("Sun, 06 Nov 1994 08:49:{:02} GMT", n / 10)),
                ("server", "Kestrel".to_owned()),
            ];
            let novel_by_now = n >= u32::from(CHANGES);
            assert_eq!(marked(&mut novel, &fields), [novel_by_now, false, false], "{n}");
        }
        let again = [("x-request-id", format!("7f3c0a52-0000-4000-8000-{:012}", 99))];
        assert_eq!(marked(&mut novel, &again), [false], "it has come again");
    }

    #[test]
    fn names_without_end_are_not_all_remembered() {
        let mut novel = Novel::default();
        for n in 0..1000 {
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::try_from(format!("x-{n}")).unwrap(), HeaderValue::from(n));
            novel.mark(&mut headers);
        }
        assert_eq!(novel.0.len(), MOST);
    }
}
