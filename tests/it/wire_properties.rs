//! Generated requests through real sockets: what a backend receives is what the client sent, or nothing.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::io::AsyncWriteExt;

use crate::support::backend::Backend;
use crate::support::client::{Client, Protocol, full};
use crate::support::raw::Raw;
use crate::support::site::Site;
use crate::support::wait::together;
use crate::support::{Gateway, Outcome};

const SOON: Duration = Duration::from_secs(20);

/// How many of them; `BOTGATE_REQUESTS` sets another number.
fn runner(default: u32) -> TestRunner {
    let cases = std::env::var("BOTGATE_REQUESTS").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default);
    // Shrinking goes over the sockets too.
    TestRunner::new(Config { cases, max_shrink_iters: 200, failure_persistence: None, ..Config::default() })
}

/// A request as a client means it.
#[derive(Clone, Debug)]
struct Meant {
    method: &'static str,
    target: String,
    fields: Vec<(String, String)>,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    None,
    Length(Vec<u8>),
    /// Each with an extension or none.
    Chunks(Vec<(Vec<u8>, &'static str)>),
}

impl Body {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::None => Vec::new(),
            Self::Length(bytes) => bytes.clone(),
            Self::Chunks(chunks) => chunks.iter().flat_map(|(bytes, _)| bytes.clone()).collect(),
        }
    }
}

fn body() -> impl Strategy<Value = Body> {
    // Bytes that would mean something where they do not belong.
    let nasty =
        select(vec![&b"\r\n\r\n"[..], b"0\r\n\r\n", b"GET /smuggled HTTP/1.1\r\nhost: bot.test\r\n\r\n", b"\0", b"\n"]);
    let bytes = || prop_oneof![prop::collection::vec(any::<u8>(), 1..300), nasty.clone().prop_map(<[u8]>::to_vec)];
    let extension = select(vec!["", "", ";a", ";a=b", ";a=\"b;\\\"c\""]);
    prop_oneof![
        1 => Just(Body::None),
        2 => bytes().prop_map(Body::Length),
        2 => prop::collection::vec((bytes(), extension), 0..5).prop_map(Body::Chunks),
    ]
}

fn meant() -> impl Strategy<Value = Meant> {
    let segment = "[a-zA-Z0-9]([a-zA-Z0-9._~!$&'()*+,;=:@-]|%41|%7e|%20|%C3|%25|%3f|%23){0,12}";
    let path = prop::collection::vec(prop_oneof![5 => segment, 1 => Just(String::new())], 1..5);
    let query = prop::option::of("[a-zA-Z0-9._~!$&'()*+,;=:@/?%-]{0,20}");
    let target = (path, query).prop_map(|(path, query)| {
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        format!("/{}{query}", path.join("/"))
    });
    let field = ("t-[a-z0-9!#$%&'*+.^_`|~-]{0,10}", "([!-~]([ -~\t]{0,30}[!-~])?)?");
    let method = select(vec!["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "M-SEARCH", "x"]);
    (method, target, prop::collection::vec(field, 0..6), body()).prop_map(|(method, target, fields, body)| Meant {
        method,
        target,
        fields,
        body,
    })
}

/// The request in bytes of HTTP/1.1, with white space around values where it may stand.
fn written(it: &Meant, space: &str, last: bool) -> Vec<u8> {
    let mut text = format!("{} {} HTTP/1.1\r\nHost: bot.test\r\n", it.method, it.target);
    for (name, value) in &it.fields {
        text += &format!("{name}:{space}{value}{space}\r\n");
    }
    if last {
        text += "connection: close\r\n";
    }
    let mut bytes = match &it.body {
        Body::None => text + "\r\n",
        Body::Length(body) => text + &format!("Content-Length: {}\r\n\r\n", body.len()),
        Body::Chunks(_) => text + "Transfer-Encoding: chunked\r\n\r\n",
    }
    .into_bytes();
    match &it.body {
        Body::None => {}
        Body::Length(body) => bytes.extend_from_slice(body),
        Body::Chunks(chunks) => {
            for (chunk, extension) in chunks {
                bytes.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
        }
    }
    bytes
}

/// What botgate says on its own to a backend, whatever the client said.
const ADDED: [&str; 12] = [
    "host",
    "via",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-request-id",
    "botgate-epoch",
    "content-length",
    "transfer-encoding",
    "content-type",
];

/// Compares the last requests that a backend saw with those that were meant.
fn compare(backend: &Backend, before: usize, meant: &[Meant]) -> Result<(), TestCaseError> {
    let all = backend.log().all();
    prop_assert_eq!(all.len() - before, meant.len(), "requests at the backend");
    for (seen, meant) in all[before..].iter().zip(meant) {
        prop_assert_eq!((&*seen.method, &seen.target, seen.complete), (meant.method, &meant.target, true));
        let body = meant.body.bytes();
        prop_assert_eq!((seen.length, &seen.body[..]), (body.len(), &body[..]));
        let own = |name: &str| name.starts_with("t-");
        // Of one name in order; names among each other in any.
        let mut got: Vec<(&str, &[u8])> = seen
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .filter(|(name, _)| own(name))
            .collect();
        let mut sent: Vec<(&str, &[u8])> =
            meant.fields.iter().map(|(name, value)| (&**name, value.as_bytes())).collect();
        got.sort_by_key(|(name, _)| *name);
        sent.sort_by_key(|(name, _)| *name);
        prop_assert_eq!(got, sent);
        let strange = seen.headers.keys().find(|name| !own(name.as_str()) && !ADDED.contains(&name.as_str()));
        prop_assert_eq!(strange, None, "a header that nobody sent");
        let both = seen.has("content-length") && seen.has("transfer-encoding");
        prop_assert!(!both, "{:?}", seen.headers);
    }
    Ok(())
}

/// Runs a property whose cases speak over sockets.
fn check<S: Strategy>(cases: u32, strategy: S, case: impl AsyncFn(S::Value) -> Result<(), TestCaseError>) {
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        runner(cases).run(&strategy, |value| runtime.block_on(case(value))).unwrap_or_else(|error| panic!("{error}"));
    });
}

/// A gateway before a backend of either kind; each has a site of its own, for a config is watched.
async fn before(http2: bool) -> (Site, Gateway, Backend) {
    let site = Site::new();
    let backend = if http2 { Backend::start_h2("one", &site).await } else { Backend::start("one").await };
    let gateway = Gateway::start(&site, &site.config("probe = false", &[&backend])).await;
    (site, gateway, backend)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_of_http1_sends_is_what_the_backend_gets_however_it_is_written() -> Outcome<()> {
    let _machine = together().await;
    for http2 in [false, true] {
        let (site, gateway, backend) = before(http2).await;
        let pipelined = prop::collection::vec(meant(), 1..4);
        let space = select(vec!["", " ", "  ", "\t", " \t "]);
        let cuts = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
        check(60, (pipelined, space, cuts), async |(meant, space, cuts)| {
            let before = backend.log().count();
            let last = meant.len() - 1;
            let bytes: Vec<u8> = meant.iter().enumerate().flat_map(|(at, it)| written(it, space, at == last)).collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let mut raw = Raw::tls(gateway.address(), &site).await;
            for part in cuts.windows(2) {
                raw.write(&bytes[part[0]..part[1]]).await;
            }
            let heard = raw.hear(SOON).await;
            let answers = heard.text.matches("HTTP/1.1 200 ").count();
            prop_assert!(heard.closed && answers >= meant.len(), "{:?}", heard);
            compare(&backend, before, &meant)
        });
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_of_http2_sends_is_what_the_backend_gets() -> Outcome<()> {
    let _machine = together().await;
    for http2 in [false, true] {
        let (site, gateway, backend) = before(http2).await;
        let client = tokio::sync::Mutex::new(gateway.client(&site, Protocol::H2).await);
        check(60, meant(), async |meant| {
            let before = backend.log().count();
            let reply = send(&mut *client.lock().await, &meant).await;
            prop_assert!(reply.is_ok(), "{:?}", reply);
            compare(&backend, before, &[meant])
        });
    }
    Ok(())
}

async fn send(client: &mut Client, meant: &Meant) -> Outcome<()> {
    let mut request = client.request(meant.method, &meant.target);
    for (name, value) in &meant.fields {
        request = request.header(name, value);
    }
    let body = meant.body.bytes();
    let reply = client.send(request.body(full(body.clone()))?).await?;
    match reply.status == 200 && reply.body == body {
        true => Ok(()),
        false => Err(format!("{reply:?}").into()),
    }
}

/// A byte that no head may hold at most places, put anywhere into one: whatever becomes of the request, its body is its body,
/// which is a request that nobody meant to make. (A colon is none of them: it makes another field of a `Content-Length`.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_byte_that_slips_into_a_head_never_makes_a_request_of_a_body() -> Outcome<()> {
    let _machine = together().await;
    for http2 in [false, true] {
        let (site, gateway, backend) = before(http2).await;
        let smuggled = b"GET /smuggled HTTP/1.1\r\nhost: bot.test\r\n\r\n".to_vec();
        let body = prop_oneof![Just(Body::Length(smuggled.clone())), Just(Body::Chunks(vec![(smuggled.clone(), "")]))];
        let meant = (meant(), body).prop_map(|(meant, body)| Meant { method: "POST", body, ..meant });
        let nasty = select(b"\0\n\r\t \x0b\x0c\x7f\x80\xff,;\"(".to_vec());
        check(150, (meant, nasty, any::<prop::sample::Index>()), async |(meant, byte, at)| {
            let mut bytes = written(&meant, " ", false);
            let head = bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap_or_default() + 4;
            bytes.insert(at.index(head), byte);
            let mut raw = Raw::tls(gateway.address(), &site).await;
            raw.write(&bytes).await;
            // What the request gets, and nothing that could follow: the sentinel ends the connection.
            raw.write("GET /sentinel HTTP/1.1\r\nhost: bot.test\r\nconnection: close\r\n\r\n").await;
            let _ = raw.io.flush().await;
            let heard = raw.hear(SOON).await;
            prop_assert!(heard.closed, "{:?}", heard);
            let smuggled = backend.log().all().iter().any(|seen| seen.target.contains("/smuggled"));
            prop_assert!(!smuggled, "{:?}: {:?}", String::from_utf8_lossy(&bytes), heard);
            Ok(())
        });
    }
    Ok(())
}
