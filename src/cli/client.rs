//! The client of the admin API that the operator's commands share.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

pub(super) use super::reach::AdminArgs;
use super::reach::Endpoint;
use super::{Exit, print};
use crate::admin::{Problem, Refusal};

/// How long an answer may take: longer than the admin API's own deadline of a reload.
const ANSWER: Duration = Duration::from_secs(40);
/// How long a question may take: longer than the admin API's own deadline of reading the journal.
const LOOK: Duration = Duration::from_secs(15);
/// Most bytes of an answer.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// The URL is of no use.
    #[error(
        "the admin URL {url:?} is of no use: {why}; write it as http(s)://HOST:PORT, with --admin or BOTGATE_ADMIN"
    )]
    BadUrl { url: String, why: String },
    /// A file that the command line names is of no use.
    #[error("{}: {why}", path.display())]
    BadFile { path: PathBuf, why: String },
    /// TLS cannot be set up.
    #[error("no TLS to the admin API: {0}")]
    BadTls(String),
    /// The token cannot be sent.
    #[error("the admin token holds characters that an HTTP header cannot carry")]
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
    Against(Box<Refusal>),
    /// It is no admin API, or of another version.
    #[error("{url} does not answer like botgate's admin API: {why}")]
    Strange { url: String, why: String },
}

impl ClientError {
    /// How a command that met this ends.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::BadUrl { .. } | Self::BadFile { .. } | Self::BadTls(_) | Self::BadToken => Exit::Usage,
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
    endpoint: Endpoint,
    authorization: Option<HeaderValue>,
    actor: Option<HeaderValue>,
}

impl Client {
    /// A client for what the command line and the environment say.
    pub(super) fn new(args: &AdminArgs) -> Result<Self, ClientError> {
        let user = ["SUDO_USER", "USER", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
        let client = Self::with(args, args.token()?.as_deref(), user.as_deref())?;
        if client.authorization.is_some() && client.endpoint.is_open_to_the_network() {
            print::note(
                "the admin token is sent without TLS: whoever is on the way can read it; ask by https:// if you can",
            );
        }
        Ok(client)
    }

    fn with(args: &AdminArgs, token: Option<&str>, user: Option<&str>) -> Result<Self, ClientError> {
        let endpoint = Endpoint::new(args)?;
        let authorization = token.map(|token| {
            let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| ClientError::BadToken)?;
            value.set_sensitive(true);
            Ok(value)
        });
        Ok(Self {
            url: args.url.clone(),
            endpoint,
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
            return ClientError::Against(Box::new(refusal));
        }
        match serde_json::from_slice::<Problem>(body) {
            Ok(problem) => ClientError::Refused(problem),
            Err(_) => self.strange(format!("status {status} without a problem document")),
        }
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, ClientError> {
        let stream = self.endpoint.dial().await.map_err(|why| self.unreachable(why))?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| self.unreachable(error))?;
        tokio::spawn(connection);
        let limit = if method == Method::GET { LOOK } else { ANSWER };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.endpoint.base_path))
            .header(HOST, &self.endpoint.host)
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
        answer.map_err(late)?.map_err(|error| match error.is_parse() && !self.endpoint.is_secure() {
            true => self.strange("it speaks no HTTP; if it speaks TLS, write https://".to_owned()),
            false => self.unreachable(error),
        })
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
        let client = Client::with(&AdminArgs::at("http://localhost"), None, None).unwrap();
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
        let error = Client::with(&AdminArgs::at("http://localhost"), Some("s3cret\n"), None).err().unwrap();
        assert_eq!(error.exit(), Exit::Usage);
        assert!(!error.to_string().contains("s3cret"));
    }

    #[tokio::test]
    async fn nobody_there_says_the_url_and_how_to_set_it() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let url = format!("http://{free}");
        let error = Client::with(&AdminArgs::at(&url), None, None).unwrap().get::<()>("/").await.unwrap_err();
        assert_eq!(error.exit(), Exit::Unreachable);
        let text = error.to_string();
        assert!(text.contains(&url) && text.contains("--admin URL"), "{text}");
    }
}
