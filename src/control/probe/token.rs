//! The tokens that sign probes: fetched by OAuth 2.0 client credentials (RFC 6749, section 4.4), kept until shortly before
//! they expire, one fetch at a time.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::AGENT;
use crate::config::SignConfig;
use crate::control::exchange::{self, Answer, Question};
use crate::upstream::{Alpn, Resolver, TlsClient, dial, escaped};

/// Bounds one fetch, its look-up and its dial among it.
const FETCH: Duration = Duration::from_secs(10);
/// After a failed fetch the next one waits this long: probes come faster than a service in trouble should be asked.
const PAUSE: Duration = Duration::from_secs(5);
/// A token is renewed this long before its end, or at four fifths of its life where that is later.
const AHEAD: Duration = Duration::from_secs(300);
/// The life of a token that does not say how long it lives.
const USUAL: Duration = Duration::from_secs(3600);
/// What nobody asked for in so long is forgotten: a reload has changed it.
const FORGOTTEN: Duration = Duration::from_secs(3600);
/// Most bytes read of an answer.
const ANSWER: usize = 64 * 1024;

/// What a probe is signed with.
#[derive(Clone, Debug)]
pub(in crate::control) enum Signature {
    /// Nothing.
    None,
    /// This `Authorization`; marked sensitive.
    By(HeaderValue),
    /// It ought to be signed, and there is no token now.
    Lacking,
}

/// The tokens of this process.
#[derive(Clone, Debug, Default)]
pub(in crate::control) struct Tokens(Arc<Mutex<Vec<Entry>>>);

#[derive(Debug)]
struct Entry {
    sign: SignConfig,
    token: Option<Token>,
    /// Ends when the fetch under way does.
    fetch: Option<watch::Receiver<()>>,
    /// No fetch before.
    next: Instant,
    used: Instant,
    trouble: Option<String>,
}

#[derive(Clone, Debug)]
struct Token {
    authorization: HeaderValue,
    renew: Instant,
    end: Instant,
}

impl Entry {
    fn signature(&self, now: Instant) -> Signature {
        let good = self.token.as_ref().filter(|token| now < token.end);
        good.map_or(Signature::Lacking, |token| Signature::By(token.authorization.clone()))
    }

    fn wants_fetch(&self, now: Instant) -> bool {
        let fetching = self.fetch.as_ref().is_some_and(|fetch| fetch.has_changed().is_ok());
        !fetching && now >= self.next && self.token.as_ref().is_none_or(|token| now >= token.renew)
    }
}

impl Tokens {
    /// The token of `sign`: the one that is kept, or a new one, waited for no longer than `patience`.
    pub(in crate::control) async fn get(
        &self,
        sign: &SignConfig,
        resolver: Arc<Resolver>,
        patience: Duration,
    ) -> Signature {
        let mut fetch = match self.look(sign, resolver) {
            (Signature::Lacking, Some(fetch)) => fetch,
            (signature, _) => return signature,
        };
        // It ends by the sender being dropped.
        let _ = timeout(patience, async { while fetch.changed().await.is_ok() {} }).await;
        let entries = self.entries();
        let entry = entries.iter().find(|entry| entry.sign == *sign);
        entry.map_or(Signature::Lacking, |entry| entry.signature(Instant::now()))
    }

    /// What there is now, and the fetch under way; begins one where one is due.
    fn look(&self, sign: &SignConfig, resolver: Arc<Resolver>) -> (Signature, Option<watch::Receiver<()>>) {
        let now = Instant::now();
        let mut entries = self.entries();
        entries.retain(|entry| entry.sign == *sign || now.duration_since(entry.used) < FORGOTTEN);
        let at = entries.iter().position(|entry| entry.sign == *sign).unwrap_or_else(|| {
            let sign = sign.clone();
            entries.push(Entry { sign, token: None, fetch: None, next: now, used: now, trouble: None });
            entries.len() - 1
        });
        let entry = &mut entries[at];
        entry.used = now;
        if entry.wants_fetch(now) {
            let (done, fetch) = watch::channel(());
            entry.fetch = Some(fetch);
            let (tokens, sign) = (self.clone(), sign.clone());
            // A task of its own: a probe that has no more time does not end it.
            tokio::spawn(async move {
                let late = |_| Err(format!("no answer within {FETCH:?}"));
                let fetched = timeout(FETCH, fetch_token(&sign, &resolver)).await.unwrap_or_else(late);
                tokens.store(&sign, fetched);
                drop(done);
            });
        }
        (entry.signature(now), entry.fetch.clone())
    }

    fn store(&self, sign: &SignConfig, fetched: Result<(HeaderValue, Duration), String>) {
        let now = Instant::now();
        let mut entries = self.entries();
        let Some(entry) = entries.iter_mut().find(|entry| entry.sign == *sign) else { return };
        let host = &sign.service.url.host;
        match fetched {
            Ok((authorization, life)) => {
                let renew = now + life.saturating_sub(AHEAD).max(life / 5 * 4);
                entry.token = Some(Token { authorization, renew, end: now + life });
                if entry.trouble.take().is_some() {
                    tracing::info!(host, "{host} issues tokens again: probes are signed");
                }
            }
            Err(trouble) => {
                entry.next = now + PAUSE;
                if entry.trouble.as_ref() != Some(&trouble) {
                    let meanwhile = match entry.signature(now) {
                        Signature::By(_) => "the last one still holds",
                        _ => "until there is one, a connection is all that the probes of its bots ask for",
                    };
                    tracing::warn!(host, "no token to sign probes with from {host}: {trouble}; {meanwhile}");
                    entry.trouble = Some(trouble);
                }
            }
        }
    }

    /// The list is whole after each statement: a panic elsewhere does not spoil it. Never held across an await.
    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fetches a token, and how long it lives. The error says why not; it holds no secret.
async fn fetch_token(sign: &SignConfig, resolver: &Resolver) -> Result<(HeaderValue, Duration), String> {
    let url = &sign.service.url;
    let addresses: Vec<SocketAddr> = match url.host.parse() {
        Ok(address) => vec![SocketAddr::new(address, url.port)],
        Err(_) => {
            let answer = resolver.lookup(&url.host).await.map_err(|error| error.to_string())?;
            answer.addresses.into_iter().map(|address| SocketAddr::new(address, url.port)).collect()
        }
    };
    // It may read a file: not on this thread.
    let service = sign.service.clone();
    let tls = tokio::task::spawn_blocking(move || TlsClient::new(&service)).await.map_err(|error| error.to_string())?;
    let tls = tls.map_err(|error| error.to_string())?;
    let dialed = dial(&addresses, tls.as_ref(), Alpn::Any, FETCH).await.map_err(|error| error.to_string())?;
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))];
    let body = Bytes::from(form(sign));
    let question = Question {
        backend: &sign.service,
        method: &Method::POST,
        path: &sign.path,
        headers: &headers,
        body: Some(&body),
        agent: AGENT,
    };
    read(exchange::ask(dialed, &question).await?).await
}

fn form(sign: &SignConfig) -> String {
    let pairs = [
        ("grant_type", "client_credentials"),
        ("client_id", &sign.client_id),
        ("client_secret", &sign.client_secret),
        ("scope", &sign.scope),
    ];
    pairs.map(|(name, value)| format!("{name}={}", escaped(value))).join("&")
}

async fn read(mut response: Answer) -> Result<(HeaderValue, Duration), String> {
    let status = response.status().as_u16();
    let (body, _) = exchange::body(&mut response, ANSWER).await?;
    issued(status, &body)
}

/// The token of an answer (RFC 6749, section 5.1), or why there is none (section 5.2): the code of the error, and no
/// description, which may repeat what was sent.
fn issued(status: u16, body: &[u8]) -> Result<(HeaderValue, Duration), String> {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let text = |name: &str| json.as_ref()?.get(name)?.as_str();
    if status != 200 {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        let code = text("error").filter(|code| code.len() <= 64 && code.bytes().all(plain)).unwrap_or("no error code");
        let entra = json.as_ref().and_then(|json| json.pointer("/error_codes/0")?.as_u64());
        let entra = entra.map(|code| format!(", AADSTS{code}")).unwrap_or_default();
        return Err(format!("status {status} ({code}{entra})"));
    }
    let token = text("access_token").ok_or("the answer has no access_token")?;
    if text("token_type").is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err("the token is no bearer token".to_owned());
    }
    // Some issuers write the number as a text.
    let life = json.as_ref().and_then(|json| json.get("expires_in"));
    let life = life.and_then(|life| life.as_u64().or_else(|| life.as_str()?.parse().ok()));
    let life = life.map_or(USUAL, |seconds| Duration::from_secs(seconds.min(86_400)));
    let authorization = HeaderValue::try_from(format!("Bearer {token}"));
    let mut authorization = authorization.map_err(|_| "the token cannot be sent in a header")?;
    authorization.set_sensitive(true);
    Ok((authorization, life))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_with_its_life() {
        let read = |body: &str| issued(200, body.as_bytes());
        let (authorization, life) =
            read(r#"{"access_token":"t.o.k","token_type":"Bearer","expires_in":3599}"#).unwrap();
        assert_eq!((authorization.as_bytes(), life.as_secs()), (&b"Bearer t.o.k"[..], 3599));
        assert!(authorization.is_sensitive());
        assert_eq!(read(r#"{"access_token":"t","expires_in":"60"}"#).unwrap().1.as_secs(), 60);
        assert_eq!(read(r#"{"access_token":"t"}"#).unwrap().1, USUAL);
        for bad in ["{}", "<html>", r#"{"access_token":"a\nb"}"#, r#"{"access_token":"t","token_type":"mac"}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn why_there_is_no_token_is_told_without_what_was_sent() {
        let body = br#"{"error":"invalid_client","error_codes":[7000215],"error_description":"hunter2 is wrong"}"#;
        assert_eq!(issued(401, body).unwrap_err(), "status 401 (invalid_client, AADSTS7000215)");
        assert_eq!(issued(400, br#"{"error":"Hunter2!"}"#).unwrap_err(), "status 400 (no error code)");
    }

    #[test]
    fn a_token_is_renewed_before_it_ends() {
        let tokens = Tokens::default();
        let sign = sign();
        let now = Instant::now();
        let entry = Entry { sign: sign.clone(), token: None, fetch: None, next: now, used: now, trouble: None };
        tokens.entries().push(entry);
        tokens.store(&sign, Ok((HeaderValue::from_static("Bearer t"), Duration::from_secs(3600))));
        let entries = tokens.entries();
        let after = |seconds: u64| Instant::now() + Duration::from_secs(seconds);
        assert!(!entries[0].wants_fetch(after(3200)) && entries[0].wants_fetch(after(3301)));
        assert!(matches!(entries[0].signature(after(3301)), Signature::By(_)), "the old one holds meanwhile");
        assert!(matches!(entries[0].signature(after(3601)), Signature::Lacking));
    }

    #[test]
    fn a_form_is_escaped() {
        let form = form(&SignConfig { client_secret: "a&b=c d+%".into(), ..sign() });
        assert!(form.contains("&client_secret=a%26b%3Dc%20d%2B%25&"), "{form}");
        assert!(!format!("{:?}", SignConfig { client_secret: "hunter2".into(), ..sign() }).contains("hunter2"));
    }

    fn sign() -> SignConfig {
        let service = Arc::new(crate::control::tests::a_backend("login", 1));
        let text = str::to_owned;
        SignConfig { service, path: "/t".into(), client_id: text("id"), client_secret: text("s"), scope: text("x") }
    }
}
