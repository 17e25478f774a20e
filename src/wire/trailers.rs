//! Which fields may be trailers.

/// What frames, routes, modifies or authorizes a message, or says of what kind its content is, is of no use after it (RFC 9110,
/// section 6.5.1; the examples are those of RFC 7230, section 4.1.2), and a recipient that merges trailers into the head would be told other
/// things than those that were checked. So it is with what is about one connection (RFC 9110, section 7.6.1), and with what
/// tells where a message came from, or which one it is.
const BARRED: [&str; 26] = [
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "idempotency-key",
    "keep-alive",
    "max-forwards",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "www-authenticate",
    "x-request-id",
];
/// The beginnings of names that are barred with all that follows: what only a gateway says.
const BARRED_PREFIXES: [&str; 3] = ["botgate-", "client-cert", "x-forwarded"];

/// Whether a trailer may have this name, in whatever case. Some servers read `content_length` as Content-Length: so does this.
pub fn may_trail(name: &[u8]) -> bool {
    let begins = |start: &&str| name.get(..start.len()).is_some_and(|begin| is(begin, start));
    !BARRED.iter().any(|barred| is(name, barred)) && !BARRED_PREFIXES.iter().any(begins)
}

fn is(name: &[u8], barred: &str) -> bool {
    let plain = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    name.len() == barred.len() && name.iter().map(plain).eq(barred.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_frames_routes_or_authorizes_is_no_trailer_however_it_is_spelt_and_the_rest_is() {
        for barred in BARRED {
            for spelt in [barred.to_owned(), barred.to_ascii_uppercase(), barred.replace('-', "_")] {
                assert!(!may_trail(spelt.as_bytes()), "{spelt}");
            }
        }
        for bad in ["X-Forwarded-For", "x_forwarded_host", "Botgate-Epoch", "Client-Cert", "client_cert-chain"] {
            assert!(!may_trail(bad.as_bytes()), "{bad}");
        }
        for good in ["x-checksum", "Server-Timing", "grpc-status", "proxy-status", "te-x", "x-request", "", "botgate"] {
            assert!(may_trail(good.as_bytes()), "{good}");
        }
    }
}
