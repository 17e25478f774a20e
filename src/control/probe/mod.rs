//! One probe of one backend: `tcp` and `http` here, those that speak an application's language in files of their own.
//!
//! A backend that is plainly well is asked over the connection of the probe before, which costs a fraction of a new one. That
//! proves only that an old connection still works: a backend whose port is closed, whose certificate expired or whose accept
//! queue is full would look healthy, while the next new connection of live traffic fails. So every few probes open a
//! connection, and so does every probe while anything speaks against the backend (`turns`). Probes that are more than an
//! HTTP request always do: what makes a bot think is asked rarely, and must not be asked twice.

mod activity;
mod kept;
mod question;
mod token;
mod turns;

pub use kept::Kept;
pub(super) use token::{Signature, Tokens};
pub(super) use turns::Turns;

use super::exchange::{self, Answer, Question, written};
use super::outside::{ProbeError, ProbeTarget};
use crate::config::{BackendConfig, BodyCheck, HttpProbe, ProbeKind, SignConfig, StatusSet};
use crate::upstream::{Alpn, dial};

/// Most bytes that are read of a response body.
const BODY: usize = 64 * 1024;

/// Who asks.
const AGENT: &str = concat!("botgate-probe/", env!("CARGO_PKG_VERSION"));

/// By this header a bot or a service can tell that nobody said what it is asked; its value is the kind of the probe.
const MARK: http::HeaderName = http::HeaderName::from_static("botgate-probe");

/// Whose token a probe is to be signed with; none is sent unsigned.
pub(super) fn signed_by(target: &ProbeTarget) -> Option<&SignConfig> {
    match &target.probe.kind {
        ProbeKind::Activity(probe) => probe.sign.as_ref(),
        _ => None,
    }
}

/// Probes once.
pub(super) async fn probe(target: ProbeTarget, signature: Signature) -> Result<(), ProbeError> {
    if let ProbeKind::Http(probe) = &target.probe.kind
        && let Some(verdict) = kept::ask(&target, &question(&target.backend, probe), probe).await
    {
        return verdict.map_err(ProbeError::Bad);
    }
    let tls = match target.probe.kind {
        ProbeKind::Tcp => None,
        _ => target.tls.as_ref(),
    };
    let dialed = dial(&target.addresses, tls, Alpn::Any, target.probe.timeout).await;
    let dialed = dialed.map_err(|error| match error.to_string() {
        said if error.is_own_want() => ProbeError::Unmade(said),
        said => ProbeError::Bad(said),
    })?;
    let backend = &target.backend;
    let answered = match &target.probe.kind {
        ProbeKind::Tcp => Ok(()),
        ProbeKind::Http(probe) => kept::begin(&target, dialed, &question(backend, probe), probe).await,
        // Unsigned, a bot would refuse it, or worse. That the token service is out of reach says nothing about the bot.
        ProbeKind::Activity(_) if matches!(signature, Signature::Lacking) => Ok(()),
        ProbeKind::Activity(probe) => activity::ask(dialed, backend, probe, signature).await,
        ProbeKind::Question(probe) => question::ask(dialed, backend, probe).await,
    };
    answered.map_err(ProbeError::Bad)
}

/// A status that is not good, in words.
fn unexpected(status: u16, good: &StatusSet) -> String {
    format!("status {status}, expected {}", written(good))
}

fn question<'a>(backend: &'a BackendConfig, probe: &'a HttpProbe) -> Question<'a> {
    let (method, path, headers) = (&probe.method, probe.path.as_str(), probe.headers.as_slice());
    Question { backend, method, path, headers, body: None, agent: AGENT }
}

async fn judge(response: &mut Answer, probe: &HttpProbe) -> Result<(), String> {
    let status = response.status().as_u16();
    if !probe.status.contains(status) {
        return Err(unexpected(status, &probe.status));
    }
    let Some(check) = &probe.body else { return Ok(()) };
    let (body, _) = exchange::body(response, BODY).await?;
    check_body(check, &body)
}

fn check_body(check: &BodyCheck, body: &[u8]) -> Result<(), String> {
    match check {
        BodyCheck::Contains(text) => {
            let found = text.is_empty() || body.windows(text.len()).any(|window| window == text.as_bytes());
            found.then_some(()).ok_or_else(|| format!("the response body does not contain {text:?}"))
        }
        BodyCheck::Json { pointer, equals } => {
            let json: serde_json::Value =
                serde_json::from_slice(body).map_err(|error| format!("the response body is no JSON: {error}"))?;
            match json.pointer(pointer) {
                Some(found) if found == equals => Ok(()),
                Some(_) => Err(format!("{pointer} in the response body is not {equals}")),
                None => Err(format!("the response body has no {pointer}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use http::HeaderValue;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::{BackendUrl, ProbeConfig, StatusSet};

    fn http(body: Option<BodyCheck>) -> ProbeKind {
        ProbeKind::Http(HttpProbe {
            method: http::Method::GET,
            path: "/healthz?deep=1".into(),
            headers: vec![("x-probe".parse().unwrap(), HeaderValue::from_static("yes"))],
            status: StatusSet(vec![200..=299, 304..=304]),
            body,
            keep: true,
        })
    }

    fn contains(text: &str) -> Option<BodyCheck> {
        Some(BodyCheck::Contains(text.into()))
    }

    fn json(pointer: &str, equals: serde_json::Value) -> Option<BodyCheck> {
        Some(BodyCheck::Json { pointer: pointer.into(), equals })
    }

    fn target(address: std::net::SocketAddr, kind: ProbeKind) -> ProbeTarget {
        let second = Duration::from_secs(5);
        let probe = ProbeConfig { kind, interval: second, timeout: second, fall: 1, rise: 1, jitter: 0.0 };
        let url = BackendUrl { tls: false, host: "weu.example".into(), port: 80, base_path: "/v1".into() };
        let backend = BackendConfig {
            name: "weu".into(),
            url,
            priority: 1,
            host: None,
            server_name: None,
            headers: vec![(http::header::AUTHORIZATION, HeaderValue::from_static("EndpointKey k"))],
            rewrite: vec![],
            question: Default::default(),
            ca: None,
            client_certificate: None,
            http2: false,
        };
        let (fresh, kept) = (true, Kept::default());
        ProbeTarget { probe, backend: Arc::new(backend), tls: None, addresses: Arc::new([address]), fresh, kept }
    }

    fn words(error: ProbeError) -> String {
        match error {
            ProbeError::Bad(why) => why,
            ProbeError::Unmade(why) => panic!("the machine lacks something: {why}"),
        }
    }

    /// Probes a backend that answers these bytes and closes; returns the verdict and what the backend was sent.
    async fn against(answer: &str, kind: ProbeKind) -> (Result<(), String>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = answer.to_owned();
        let backend = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut sent = Vec::new();
            while !is_whole(&sent) && stream.read_buf(&mut sent).await.unwrap() > 0 {}
            // The prober may hang up once it has seen enough.
            let _ = stream.write_all(answer.as_bytes()).await;
            String::from_utf8(sent).unwrap()
        });
        let verdict = probe(target(address, kind), Signature::None).await.map_err(words);
        (verdict, backend.await.unwrap())
    }

    /// Whether a request is there to its end.
    fn is_whole(sent: &[u8]) -> bool {
        let text = String::from_utf8_lossy(sent);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        body.len() >= length.unwrap_or(0)
    }

    fn response(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn a_probe_is_addressed_as_live_traffic_is() {
        let (verdict, sent) = against(&response("ok"), http(None)).await;
        assert_eq!(verdict, Ok(()));
        assert!(sent.starts_with("GET /v1/healthz?deep=1 HTTP/1.1\r\n"), "{sent}");
        for header in ["host: weu.example", "authorization: EndpointKey k", "x-probe: yes"] {
            assert!(sent.contains(header), "{header} in {sent}");
        }
        assert!(!sent.contains("connection: "), "another may follow: {sent}");
    }

    #[tokio::test]
    async fn a_status_outside_the_set_is_bad_and_named() {
        let (verdict, _) = against("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", http(None)).await;
        assert_eq!(verdict, Err("status 503, expected 200-299, 304".into()));
    }

    #[tokio::test]
    async fn a_body_must_hold_what_is_asked_for() {
        let up = serde_json::json!("up");
        for (body, check, good) in [
            ("all good", contains("good"), true),
            ("all bad", contains("good"), false),
            (r#"{"db":{"state":"up"}}"#, json("/db/state", up.clone()), true),
            (r#"{"db":{"state":"down"}}"#, json("/db/state", up.clone()), false),
            (r#"{"db":{}}"#, json("/db/state", up.clone()), false),
            ("<html>", json("/db/state", up.clone()), false),
        ] {
            let (verdict, _) = against(&response(body), http(check)).await;
            assert_eq!(verdict.is_ok(), good, "{body}: {verdict:?}");
        }
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_close_and_to_64_kib() {
        let (verdict, _) = against("HTTP/1.0 200 OK\r\n\r\nuntil close: good", http(contains("good"))).await;
        assert_eq!(verdict, Ok(()));
        let long = format!("{}good", "x".repeat(BODY));
        assert!(against(&response(&long), http(contains("good"))).await.0.is_err());
    }

    #[tokio::test]
    async fn a_backend_that_hangs_up_is_bad() {
        let (verdict, _) = against("", http(None)).await;
        assert!(verdict.unwrap_err().starts_with("no response: "));
        let (verdict, _) = against("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", http(contains("f"))).await;
        assert!(verdict.unwrap_err().starts_with("the response body broke off: "));
    }

    #[tokio::test]
    async fn a_tcp_probe_wants_a_connection_and_no_more() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(probe(target(address, ProbeKind::Tcp), Signature::None).await, Ok(()));
        drop(listener);
        let refused = words(probe(target(address, ProbeKind::Tcp), Signature::None).await.unwrap_err());
        assert!(refused.contains("refused"), "{refused}");
    }
}
