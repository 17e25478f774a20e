//! What the fuzz targets hold botgate to. A target is a function of bytes that panics when a property is broken.
//!
//! | module | what is read | what must hold, besides that nothing panics |
//! |---|---|---|
//! | `config` | config texts and scripts | no secret in what is reported; a report has an error, a config none; the same text is the same config |
//! | `routes` | hosts and paths against a route table | as a reading of the rules that looks at every route; no way around a guard |
//! | `head` | Host, authority and target of a request | one host, canonical once and for all; no path that two servers read in two ways |
//! | `headers` | headers of requests and responses | nothing of one connection passes; forwarding is told by botgate alone |
//! | `activity` | request bodies at a guard | what is read is what a general JSON parser reads, and nobody could read it otherwise |
//! | `token` | `Authorization` headers | nothing is accepted but the one token that was signed |
//! | `keys` | JWKS and OpenID metadata | bounded; read twice it is the same |
//! | `proxy_protocol` | PROXY headers | however the bytes are cut; the rest is the client's, unchanged |
//! | `import` | Azure Resource Manager JSON | what is written is a config that `botgate check` takes |
//! | `websocket` | WebSocket frames | however the bytes are cut; borders are where frames end |
//! | `journal` | rows of a journal | what can be read is written and read again as the same |
//! | `h1` | HTTP/1 requests and responses | however the bytes are cut; what passes has one framing, and requests say what came |
//! | `h2` | HTTP/2 frames | however the bytes are cut; frames are where they are |

pub mod activity;
pub mod config;
pub mod h1;
pub mod h2;
pub mod head;
pub mod headers;
pub mod import;
pub mod journal;
pub mod keys;
pub mod proxy_protocol;
pub mod routes;
pub mod token;
pub mod websocket;

/// A target: it panics when a property is broken.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: [(&str, Target); 13] = [
    ("activity", activity::target),
    ("config", config::target),
    ("h1", h1::target),
    ("h2", h2::target),
    ("head", head::target),
    ("headers", headers::target),
    ("import", import::target),
    ("journal", journal::target),
    ("keys", keys::target),
    ("proxy_protocol", proxy_protocol::target),
    ("routes", routes::target),
    ("token", token::target),
    ("websocket", websocket::target),
];

/// The first byte, as a choice, and the rest.
fn choice(data: &[u8]) -> (usize, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (usize::from(*first), rest))
}

/// Parts of `bytes` that a network might make of them: their lengths begin at `seed` and vary.
fn parts(bytes: &[u8], seed: usize) -> impl Iterator<Item = &[u8]> {
    let (mut rest, mut seed) = (bytes, seed as u32);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let length = 1 + (seed % 61) as usize;
        // Any other sequence would do.
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) >> 3;
        let (part, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        Some(part)
    })
}
