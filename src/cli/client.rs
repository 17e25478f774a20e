//! The client of the admin API that the operator's commands share.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::uri::Scheme;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Exit, print};
use crate::admin::{Problem, Refusal};

/// How long a connection to the admin API may take.
const DIAL: Duration = Duration::from_secs(5);
/// How long an answer may take: longer than the admin API's own deadline of a reload.
const ANSWER: Duration = Duration::from_secs(40);
/// How long a question may take: longer than the admin API's own deadline of reading the journal.
const LOOK: Duration = Duration::from_secs(15);
/// Most bytes of an answer.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Where the admin API is: the same for every command that asks it.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct AdminArgs {
    /// Where the admin API listens. Its token, where it wants one, comes from the environment: BOTGATE_ADMIN_TOKEN
    #[arg(long = "admin", value_name = "URL", env = "BOTGATE_ADMIN", default_value = "http://127.0.0.1:9443")]
    url: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// The URL is of no use.
    #[error("the admin URL {url:?} is of no use: {why}; write it as http://HOST:PORT, with --admin or BOTGATE_ADMIN")]
    BadUrl { url: String, why: &'static str },
    /// The token cannot be sent.
    #[error("BOTGATE_ADMIN_TOKEN holds characters that an HTTP header cannot carry")]
    BadToken,
    /// Nobody there.
    #[error(
        "cannot reach the admin API at {url}: {why}; is botgate running? --admin URL or BOTGATE_ADMIN say where it is"
    )]
    Unreachable { url: String, why: String },
    /// A stream that was open is no more.
    #[error("the event stream of {url} is over: {why}")]
    Ended { url: String, why: String },
    /// It said no.
    #[error("{}", .0.detail)]
    Refused(Problem),
    /// It said why not.
    #[error("{}", told(.0))]
    Against(Refusal),
    /// It is no admin API, or of another version.
    #[error("{url} does not answer like botgate's admin API: {why}")]
    Strange { url: String, why: String },
}

impl ClientError {
    /// How a command that met this ends.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::BadUrl { .. } | Self::BadToken => Exit::Usage,
            // 5xx: the listener is there, but what it speaks for is not.
            Self::Refused(problem) if problem.status < 500 => Exit::No,
            Self::Against(_) => Exit::No,
            Self::Refused(_) | Self::Unreachable { .. } | Self::Ended { .. } | Self::Strange { .. } => {
                Exit::Unreachable
            }
        }
    }

    /// Says so on standard error.
    pub(super) fn report(&self) -> Exit {
        print::fail(self.exit(), &self.to_string())
    }
}

/// A refusal with each reason on a line.
fn told(refusal: &Refusal) -> String {
    let reasons = refusal.reasons.iter().map(|reason| format!("\n  {reason}"));
    let hint = if refusal.forcible { "\n--force does it all the same, and the journal will say so" } else { "" };
    format!("refused, nothing changed:{}{hint}", reasons.collect::<String>())
}

/// A client of one admin API. Each request has a connection of its own.
pub(super) struct Client {
    url: String,
    /// Host and port to dial, and the `Host` to send.
    address: (String, u16),
    host: HeaderValue,
    base_path: String,
    authorization: Option<HeaderValue>,
    actor: Option<HeaderValue>,
}

impl Client {
    /// A client for what the command line and the environment say.
    pub(super) fn new(args: &AdminArgs) -> Result<Self, ClientError> {
        let token = std::env::var("BOTGATE_ADMIN_TOKEN").ok().filter(|token| !token.is_empty());
        let user = ["SUDO_USER", "USER", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
        Self::with(&args.url, token.as_deref(), user.as_deref())
    }

    fn with(url: &str, token: Option<&str>, user: Option<&str>) -> Result<Self, ClientError> {
        let bad = |why| ClientError::BadUrl { url: url.to_owned(), why };
        let uri: Uri = url.parse().map_err(|_| bad("it is not a URL"))?;
        if uri.scheme() != Some(&Scheme::HTTP) {
            return Err(bad("only http:// is spoken here"));
        }
        let authority = uri.authority().ok_or_else(|| bad("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("credentials do not belong into it"));
        }
        if authority.host().is_empty() {
            return Err(bad("it has no host"));
        }
        let authorization = token.map(|token| {
            let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| ClientError::BadToken)?;
            value.set_sensitive(true);
            Ok(value)
        });
        Ok(Self {
            url: url.to_owned(),
            address: (authority.host().trim_matches(['[', ']']).to_owned(), authority.port_u16().unwrap_or(80)),
            host: HeaderValue::try_from(authority.as_str()).map_err(|_| bad("its host is not one"))?,
            base_path: uri.path().trim_end_matches('/').to_owned(),
            authorization: authorization.transpose()?,
            // A label: one that cannot be sent is left out.
            actor: user.and_then(|user| HeaderValue::try_from(user).ok()),
        })
    }

    /// The JSON that a GET answers.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let response = self.open(Method::GET, path, Bytes::new()).await?;
        self.read(response).await.and_then(|body| self.parse(&body))
    }

    /// The JSON that a POST of this JSON answers.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, body: String) -> Result<T, ClientError> {
        let response = self.open(Method::POST, path, body.into()).await?;
        self.read(response).await.and_then(|body| self.parse(&body))
    }

    /// Status and body of the answer to a POST without a body, whether it is a refusal or not.
    pub(super) async fn post_raw(&self, path: &str) -> Result<(StatusCode, Bytes), ClientError> {
        let response = self.send(Method::POST, path, Bytes::new()).await?;
        Ok((response.status(), self.read(response).await?))
    }

    /// The answer to a request, once it is known to be no refusal.
    pub(super) async fn open(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let response = self.send(method, path, body).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        Err(self.refusal(status, &self.read(response).await?))
    }

    /// What a refusal says.
    pub(super) fn refusal(&self, status: StatusCode, body: &[u8]) -> ClientError {
        if let Ok(refusal) = serde_json::from_slice::<Refusal>(body) {
            return ClientError::Against(refusal);
        }
        match serde_json::from_slice::<Problem>(body) {
            Ok(problem) => ClientError::Refused(problem),
            Err(_) => self.strange(format!("status {status} without a problem document")),
        }
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, ClientError> {
        let (host, port) = &self.address;
        let dialed = timeout(DIAL, TcpStream::connect((host.as_str(), *port))).await;
        let stream =
            dialed.map_err(|_| self.unreachable("no connection within 5 s"))?.map_err(|e| self.unreachable(e))?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| self.unreachable(error))?;
        tokio::spawn(connection);
        let limit = if method == Method::GET { LOOK } else { ANSWER };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base_path))
            .header(HOST, &self.host)
            .header(ACCEPT, "application/json, application/problem+json, text/event-stream");
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(actor) = &self.actor {
            request = request.header("botgate-actor", actor);
        }
        let request = request.body(Full::new(body)).map_err(|error| self.strange(error.to_string()))?;
        let answer = timeout(limit, sender.send_request(request)).await;
        let late = |_| self.unreachable(format!("no answer within {} s", limit.as_secs()));
        answer.map_err(late)?.map_err(|error| self.unreachable(error))
    }

    async fn read(&self, response: Response<Incoming>) -> Result<Bytes, ClientError> {
        let body = timeout(ANSWER, Limited::new(response.into_body(), MAX_ANSWER).collect()).await;
        let body = body.map_err(|_| self.unreachable("the answer did not end within 40 s"))?;
        Ok(body.map_err(|error| self.strange(error.to_string()))?.to_bytes())
    }

    /// The answer as the type it should be.
    pub(super) fn parse<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(body).map_err(|error| self.strange(error.to_string()))
    }

    fn unreachable(&self, why: impl std::fmt::Display) -> ClientError {
        ClientError::Unreachable { url: self.url.clone(), why: why.to_string() }
    }

    /// An error of a stream that was open.
    pub(super) fn ended(&self, why: impl std::fmt::Display) -> ClientError {
        ClientError::Ended { url: self.url.clone(), why: why.to_string() }
    }

    fn strange(&self, why: String) -> ClientError {
        ClientError::Strange { url: self.url.clone(), why }
    }
}

/// A path from these segments, each percent-encoded (RFC 3986, section 2.1).
pub(super) fn path(segments: &[&str]) -> String {
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        encode(segment, &mut path);
    }
    path
}

/// A path with those of these parameters that have a value.
pub(super) fn query(path: &str, parameters: &[(&str, Option<String>)]) -> String {
    let mut target = path.to_owned();
    for (name, value) in parameters {
        let Some(value) = value else { continue };
        target.push(if target.contains('?') { '&' } else { '?' });
        target.push_str(name);
        target.push('=');
        encode(value, &mut target);
    }
    target
}

fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => into.push(char::from(byte)),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(into, "%{byte:02X}");
            }
        }
    }
}

/// Runs a command's one conversation with the admin API, on this thread.
pub(super) fn converse<F>(args: &AdminArgs, talk: impl FnOnce(Client) -> F) -> Exit
where
    F: Future<Output = Result<Exit, ClientError>>,
{
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return print::fail(Exit::Unreachable, &format!("the system gives no event loop: {error}")),
    };
    let client = match Client::new(args) {
        Ok(client) => client,
        Err(error) => return error.report(),
    };
    runtime.block_on(talk(client)).unwrap_or_else(|error| error.report())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart_or_refused() {
        let client = Client::with("http://[::1]:9443/behind/", None, None).unwrap();
        assert_eq!((client.address, client.base_path.as_str()), (("::1".into(), 9443), "/behind"));
        for bad in ["https://localhost", "localhost:9443", "http://a:b@c", "http://", "::", ""] {
            let error = Client::with(bad, None, None).err().unwrap();
            assert_eq!(error.exit(), Exit::Usage, "{bad}");
            assert!(error.to_string().contains("BOTGATE_ADMIN"), "{error}");
        }
    }

    #[test]
    fn segments_cannot_break_out_of_their_path() {
        assert_eq!(path(&["api", "a/../b?c#d e"]), "/api/a%2F..%2Fb%3Fc%23d%20e");
    }

    #[test]
    fn parameters_cannot_become_others() {
        let parameters = [("pool", Some("a&limit=1".to_owned())), ("before", None), ("limit", Some("5".to_owned()))];
        assert_eq!(query("/x", &parameters), "/x?pool=a%26limit%3D1&limit=5");
    }

    #[test]
    fn a_refusal_has_a_line_for_each_reason_and_a_hint_only_where_force_helps() {
        let problem = serde_json::json!({
            "type": "urn:botgate:order-refused", "title": "no", "status": 409, "detail": "a; b",
            "reasons": ["a", "b"], "forcible": true,
        });
        let client = Client::with("http://localhost", None, None).unwrap();
        let refused =
            |problem: &serde_json::Value| client.refusal(StatusCode::CONFLICT, problem.to_string().as_bytes());
        let forcible = refused(&problem);
        assert_eq!(forcible.exit(), Exit::No);
        let text = forcible.to_string();
        assert!(text.starts_with("refused, nothing changed:\n  a\n  b\n--force"), "{text}");
        let mut never = problem;
        never["forcible"] = false.into();
        assert_eq!(refused(&never).to_string(), "refused, nothing changed:\n  a\n  b");
    }

    #[test]
    fn a_token_that_no_header_carries_is_bad_usage_and_is_not_printed() {
        let error = Client::with("http://localhost", Some("s3cret\n"), None).err().unwrap();
        assert_eq!(error.exit(), Exit::Usage);
        assert!(!error.to_string().contains("s3cret"));
    }

    #[tokio::test]
    async fn nobody_there_says_the_url_and_how_to_set_it() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let url = format!("http://{free}");
        let error = Client::with(&url, None, None).unwrap().get::<()>("/").await.unwrap_err();
        assert_eq!(error.exit(), Exit::Unreachable);
        let text = error.to_string();
        assert!(text.contains(&url) && text.contains("--admin URL"), "{text}");
    }
}
