//! Who may ask: the token, the `Host` and the `Origin` of a request. Everything that is not allowed is refused.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, Method, StatusCode};
use subtle::ConstantTimeEq;

use super::actor::{Actor, Proof};
use super::problem::{Kind, Problem};
use crate::config::AdminConfig;

/// What an orchestrator asks before it has a token, and what tells an outsider nothing.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// An admin listener that anyone on the network could command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the admin API would be open to the network: [admin] bind = \"{bind}\" is not a loopback address and there is no \
     token; set [admin] token, or bind to 127.0.0.1"
)]
pub struct InsecureBind {
    /// The address.
    pub bind: SocketAddr,
}

/// The rules of one admin listener.
///
/// With a token, the token decides: a page in a browser does not have it, so whatever name it reached us by is no
/// danger. Without one, the listener is on loopback and the danger is a page that reaches it by DNS rebinding: only
/// names that cannot be rebound are taken as `Host`.
#[derive(Clone)]
pub(super) struct Guard {
    bind: IpAddr,
    token: Option<Arc<str>>,
}

impl Guard {
    /// The rules of this listener.
    ///
    /// # Errors
    /// [`InsecureBind`]: config validation refuses it first; this is the second lock.
    pub(super) fn new(config: &AdminConfig) -> Result<Self, InsecureBind> {
        // An empty token would be matched by an empty one: it is none.
        let token = config.token.as_deref().filter(|token| !token.is_empty()).map(Arc::from);
        if token.is_none() && !config.bind.ip().to_canonical().is_loopback() {
            return Err(InsecureBind { bind: config.bind });
        }
        Ok(Self { bind: config.bind.ip().to_canonical(), token })
    }

    /// Who asks, if they may.
    fn check(&self, parts: &Parts) -> Result<Actor, Problem> {
        let host = host(parts)?;
        if self.token.is_none() && !self.is_own_name(&host) {
            let detail = format!(
                "Host {:?} is not a name of this listener (DNS rebinding?); ask it as localhost, or set [admin] token",
                host.as_str()
            );
            return Err(Problem::new(Kind::WrongHost, detail));
        }
        if !parts.method.is_safe() {
            same_origin(parts, &host)?;
        }
        let proof = match &self.token {
            None => Proof::Local,
            Some(token) if bearer(parts).is_some_and(|given| matches(given, token)) => Proof::Token,
            // Open paths prove nothing, and need not.
            Some(_) if is_open(parts) => Proof::Local,
            Some(_) => {
                let detail = "send `Authorization: Bearer …` with the token of [admin]; botgate's own commands take it \
                              from BOTGATE_ADMIN_TOKEN";
                return Err(Problem::new(Kind::TokenWanted, detail));
            }
        };
        Ok(Actor::new(proof, &parts.headers))
    }

    /// Whether `host` names this machine in a way that no DNS answer can forge. The port may differ: it may be forwarded.
    fn is_own_name(&self, host: &Authority) -> bool {
        let name = host.host();
        if name.eq_ignore_ascii_case("localhost") {
            return true;
        }
        let address: Option<IpAddr> = name.trim_start_matches('[').trim_end_matches(']').parse().ok();
        address
            .map(|address| address.to_canonical())
            .is_some_and(|address| address.is_loopback() || address == self.bind)
    }
}

fn is_open(parts: &Parts) -> bool {
    matches!(parts.method, Method::GET | Method::HEAD) && OPEN.contains(&parts.uri.path())
}

/// The authority that the request is for: its target's, else its one `Host` (RFC 9112, section 3.2).
fn host(parts: &Parts) -> Result<Authority, Problem> {
    let bad = |detail| Problem::of_status(StatusCode::BAD_REQUEST, detail);
    let mut hosts = parts.headers.get_all(HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Err(bad("the request has more than one Host header"));
    }
    if let Some(authority) = parts.uri.authority() {
        return Ok(authority.clone());
    }
    let host: &HeaderValue = first.ok_or_else(|| bad("the request has no Host header"))?;
    Authority::try_from(host.as_bytes()).map_err(|_| bad("the Host header is not a host name or address"))
}

/// Refuses what a browser says another site sends.
fn same_origin(parts: &Parts, host: &Authority) -> Result<(), Problem> {
    let refuse = || {
        let detail = "orders are taken from pages of this listener only, not from other origins";
        Problem::new(Kind::CrossOrigin, detail)
    };
    if let Some(site) = parts.headers.get("sec-fetch-site")
        && site != "same-origin"
        && site != "none"
    {
        return Err(refuse());
    }
    for origin in parts.headers.get_all(ORIGIN) {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        let Some(("http" | "https", authority)) = origin else { return Err(refuse()) };
        if !authority.eq_ignore_ascii_case(host.as_str()) {
            return Err(refuse());
        }
    }
    Ok(())
}

/// The bearer token of the one `Authorization` header (RFC 6750, section 2.1).
fn bearer(parts: &Parts) -> Option<&str> {
    let mut all = parts.headers.get_all(AUTHORIZATION).iter();
    let (scheme, token) = all.next()?.to_str().ok()?.split_once(' ')?;
    (all.next().is_none() && scheme.eq_ignore_ascii_case("bearer")).then_some(token.trim())
}

/// Compares in a time that depends on the lengths only, not on where the first difference is.
fn matches(given: &str, token: &str) -> bool {
    given.as_bytes().ct_eq(token.as_bytes()).into()
}

/// The layer: lets a request through with its [`Actor`] as an extension, or answers for it.
pub(super) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match guard.check(&parts) {
        Ok(actor) => {
            parts.extensions.insert(actor);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> Guard {
        Guard::new(&AdminConfig { bind: "127.0.0.1:9443".parse().unwrap(), token: None, activity_text: false }).unwrap()
    }

    fn with_token() -> Guard {
        Guard::new(&AdminConfig {
            bind: "0.0.0.0:9443".parse().unwrap(),
            token: Some("s3cret".into()),
            activity_text: false,
        })
        .unwrap()
    }

    fn ask(guard: &Guard, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<String, u16> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        guard.check(&parts).map(|actor| actor.to_string()).map_err(|problem| problem.status)
    }

    #[test]
    fn an_open_network_without_a_token_is_refused_at_construction() {
        for token in [None, Some(String::new())] {
            let config = AdminConfig { bind: "0.0.0.0:9443".parse().unwrap(), token, activity_text: false };
            assert!(Guard::new(&config).is_err());
        }
    }

    #[test]
    fn loopback_names_and_addresses_are_own_names_whatever_the_port() {
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1:9443", "127.8.8.8", "[::1]:9443", "[::ffff:127.0.0.1]"] {
            assert_eq!(ask(&local(), "GET", "/api/v1/pools", &[("host", host)]), Ok("local".into()), "{host}");
        }
    }

    #[test]
    fn a_rebound_name_is_refused_without_a_token() {
        for host in ["evil.example", "localhost.evil.example", "10.0.0.1", "127.0.0.1.evil.example"] {
            assert_eq!(ask(&local(), "GET", "/metrics", &[("host", host)]), Err(403), "{host}");
        }
        assert_eq!(ask(&local(), "GET", "http://evil.example/metrics", &[("host", "localhost")]), Err(403));
    }

    #[test]
    fn no_host_or_two_hosts_are_a_bad_request() {
        assert_eq!(ask(&local(), "GET", "/healthz", &[]), Err(400));
        assert_eq!(ask(&local(), "GET", "/healthz", &[("host", "localhost"), ("host", "localhost")]), Err(400));
    }

    #[test]
    fn orders_from_another_origin_are_refused() {
        let path = "/api/v1/reload";
        let host = ("host", "localhost:9443");
        for foreign in ["http://evil.example", "null", "http://localhost:8080", "file://localhost:9443", ""] {
            assert_eq!(ask(&local(), "POST", path, &[host, ("origin", foreign)]), Err(403), "{foreign}");
        }
        assert_eq!(ask(&local(), "POST", path, &[host, ("sec-fetch-site", "cross-site")]), Err(403));
        assert!(ask(&local(), "POST", path, &[host, ("origin", "http://localhost:9443")]).is_ok());
        assert!(ask(&local(), "POST", path, &[host]).is_ok());
    }

    #[test]
    fn the_right_token_opens_everything_and_a_wrong_one_nothing_but_the_health_checks() {
        let host = ("host", "gate.contoso.com");
        for path in ["/", "/metrics", "/api/v1/pools", "/api/v1/nothing", "/healthz/", "//healthz"] {
            assert_eq!(ask(&with_token(), "GET", path, &[host]), Err(401), "{path}");
            for wrong in ["Bearer s3cre", "Bearer s3cret2", "Bearer ", "Basic s3cret", "s3cret"] {
                assert_eq!(ask(&with_token(), "GET", path, &[host, ("authorization", wrong)]), Err(401), "{wrong}");
            }
            let right = ask(&with_token(), "GET", path, &[host, ("authorization", "bearer s3cret")]);
            assert_eq!(right, Ok("admin-token".into()));
        }
        assert!(ask(&with_token(), "GET", "/healthz", &[host]).is_ok());
        assert!(ask(&with_token(), "GET", "/readyz", &[host]).is_ok());
        assert_eq!(ask(&with_token(), "POST", "/readyz", &[host]), Err(401));
    }
}
