//! The header fields of an HTTP/2 request, where they are freer than what HTTP/1 can say: what would be read in another way
//! once it is written as HTTP/1 is refused. Names in upper case, CR, LF and NUL in values, hop-by-hop fields, pseudo-header
//! fields that are missing, repeated, unknown or late: the library resets their streams.

use super::refuse::Refusal;
use crate::wire::{Head, Known, MOST_REQUEST_FIELDS};

/// Most parts that its cookies may come in (RFC 9113, section 8.2.3): as many as a browser keeps for one site.
const MOST_CRUMBS: usize = 200;

/// Checks what HTTP/2 lets through and HTTP/1 could not carry.
///
/// # Errors
/// 431 for too many fields; 400 for several Content-Length, for white space around a value (RFC 9113, section 8.2.1), for a
/// target that is not ASCII, and for a scheme other than http and https, which no route is about (section 8.3.1).
pub(super) fn check(head: &Head) -> Result<(), Refusal> {
    let fields = &head.fields;
    let crumbs = fields.all(Known::Cookie).count();
    if crumbs > MOST_CRUMBS || fields.len() - crumbs > MOST_REQUEST_FIELDS {
        return Err(Refusal::TooManyFields);
    }
    if fields.repeats(Known::ContentLength) {
        // The library lets several through that say the same; two lines of HTTP/1 are for each server to judge.
        return Err(Refusal::BadRequest("several Content-Length headers"));
    }
    if fields.get(Known::ContentLength).is_some_and(|length| !is_plain_number(length)) {
        return Err(Refusal::BadRequest("a Content-Length that is not a plain number"));
    }
    let blank = |octet: Option<&u8>| octet.is_some_and(|octet| matches!(octet, b' ' | b'\t'));
    if fields.iter().any(|(_, value)| blank(value.first()) || blank(value.last())) {
        return Err(Refusal::BadRequest("white space around the value of a header field"));
    }
    if head.uri.path_and_query().is_some_and(|target| !target.as_str().is_ascii()) {
        // What is not ASCII is to be percent-encoded (RFC 3986, section 2): HTTP/1 has no such request line.
        return Err(Refusal::BadRequest("the request target holds bytes that are not ASCII"));
    }
    match head.uri.scheme_str() {
        None | Some("http" | "https") => Ok(()),
        Some(_) => Err(Refusal::BadRequest("a scheme other than http and https")),
    }
}

/// A number without sign and leading zero, as HTTP/1 is held to: empty ones and `007` pass the library.
fn is_plain_number(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_digit) && (text == b"0" || text.first().is_some_and(|first| *first != b'0'))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn checked(target: &str, fields: &[(&str, &str)]) -> Result<(), Refusal> {
        let mut request = http::Request::builder().uri(target);
        for (name, value) in fields {
            let name: HeaderName = name.parse().unwrap();
            request = request.header(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        check(&request.body(()).unwrap().into_parts().0.into())
    }

    #[test]
    fn a_length_is_a_plain_number() {
        for good in ["0", "7", "1234567890"] {
            assert_eq!(checked("https://a/", &[("content-length", good)]), Ok(()), "{good}");
        }
        for bad in ["", "007", "00", "+1", "1x", "0x1"] {
            assert!(checked("https://a/", &[("content-length", bad)]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn fields_and_crumbs_are_counted_apart() {
        let fields: Vec<(String, &str)> = (0..80).map(|n| (format!("x-{n}"), "1")).collect();
        let mut all: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        all.extend([("cookie", "a=1"); 200]);
        assert_eq!(checked("https://a/", &all), Ok(()));
        all.push(("cookie", "a=1"));
        assert_eq!(checked("https://a/", &all), Err(Refusal::TooManyFields));
        assert_eq!(checked("https://a/", &[("x", "1"); 81]), Err(Refusal::TooManyFields), "one name is no way around");
    }

    #[test]
    fn white_space_around_a_value_is_refused_and_within_it_is_not() {
        for bad in [" a", "a ", "\ta", "a\t", " "] {
            assert!(checked("https://a/", &[("x", bad)]).is_err(), "{bad:?}");
        }
        for good in ["", "a b", "a\tb"] {
            assert_eq!(checked("https://a/", &[("x", good)]), Ok(()), "{good:?}");
        }
    }

    #[test]
    fn a_length_is_said_once() {
        assert_eq!(checked("https://a/", &[("content-length", "5")]), Ok(()));
        assert!(checked("https://a/", &[("content-length", "5"), ("content-length", "5")]).is_err());
    }

    #[test]
    fn a_target_is_ascii_as_in_http1() {
        for bad in ["https://a/h\u{e4}", "https://a/?h\u{e4}", "https://a/\u{ff0e}\u{ff0e}/x"] {
            assert!(checked(bad, &[]).is_err(), "{bad}");
        }
        assert_eq!(checked("https://a/h%C3%A4", &[]), Ok(()));
    }

    #[test]
    fn only_http_is_served() {
        assert!(checked("ftp://a/", &[]).is_err());
        assert_eq!(checked("http://a/", &[]), Ok(()));
    }
}
