//! Whether a request may be served: who asks, by what name, from where, and how often. Everything that is not allowed is
//! refused here, before any handler runs, and counted.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Method, StatusCode};
use tokio::time::Instant;

use super::access::{Access, Denied};
use super::actor::{Actor, Proof, Proven};
use super::credential::{Credential, Peer};
use super::host::{host, is_own_name, same_origin};
use super::limiter::{Limiter, neighbourhood};
use super::problem::{Kind, Problem};
use super::rules::Rules;
use crate::control::Handle;
use crate::model::{Role, Utc};
use crate::telemetry::{AdminRefusal, ControlStats};

/// What an orchestrator asks before it has a token, and what tells an outsider nothing.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// Proofs that fail: so many at once of one address, and one more after each pause. A person who mistypes does not notice;
/// who guesses has 14,400 tries a day.
const FAILURES: (u32, Duration) = (10, Duration::from_secs(6));
/// The same wrong token again is no other guess for so long: a script that was not told of the new one must not shut its
/// neighbours out.
const REPEATED: Duration = Duration::from_secs(60);
/// Orders of one caller: each costs a write to the disk, and others wait for control meanwhile.
const ORDERS: (u32, Duration) = (120, Duration::from_millis(250));
/// What strangers do is logged at most this often: the metrics have the rest.
const REMIND: Duration = Duration::from_secs(10);

/// What the guard of one admin listener goes by; cheap to clone.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) rules: Rules,
    control: Handle,
    stats: Arc<ControlStats>,
    failures: Arc<Limiter<IpAddr>>,
    /// What was wrong a short while ago, by a hash that nobody can foresee.
    repeated: Arc<Limiter<(IpAddr, u64)>>,
    hasher: RandomState,
    orders: Arc<Limiter<Proof>>,
    told: Arc<Limiter<()>>,
}

impl Guard {
    /// Lets nobody in that `rules` do not.
    pub(super) fn new(rules: Rules, control: Handle, stats: Arc<ControlStats>) -> Self {
        let (failures, orders) = (Limiter::new(FAILURES.0, FAILURES.1), Limiter::new(ORDERS.0, ORDERS.1));
        let (repeated, told) = (Limiter::new(1, REPEATED), Limiter::new(1, REMIND));
        Self {
            rules,
            control,
            stats,
            failures: Arc::new(failures),
            repeated: Arc::new(repeated),
            hasher: RandomState::new(),
            orders: Arc::new(orders),
            told: Arc::new(told),
        }
    }

    /// Who asks, if they may. None where nobody has to say: then nothing is told that a stranger should not hear.
    fn check(&self, parts: &Parts) -> Result<Option<Actor>, Problem> {
        let access = self.rules.now();
        let peer = parts.extensions.get::<Peer>();
        let host = host(parts)?;
        let own = || is_own_name(&access, &host, peer.map(|peer| peer.local));
        if !access.wants_proof() && !own() {
            return Err(self.refuse(AdminRefusal::Host, wrong_host(host.as_str())));
        }
        let order = !parts.method.is_safe();
        if order {
            same_origin(parts, &host).map_err(|problem| self.refuse(AdminRefusal::Origin, problem))?;
        }
        let open = is_open(parts);
        let credential = Credential::of(parts);
        let proven = match self.prove(&access, &credential, peer) {
            Ok(proven) => proven,
            Err(_) if open => return Ok(None),
            Err((refusal, problem)) => return Err(self.refuse(refusal, problem)),
        };
        if (proven.proof.is_ambient() || !access.hosts.is_empty()) && !own() {
            let refused = || self.refuse(AdminRefusal::Host, wrong_host(host.as_str()));
            return if open { Ok(None) } else { Err(refused()) };
        }
        if order {
            self.may_order(&proven)?;
        }
        Ok(Some(Actor::new(proven, credential, &parts.headers)))
    }

    /// Who shows this, unless their address has shown too much that was wrong.
    fn prove(
        &self,
        access: &Access,
        credential: &Credential,
        peer: Option<&Peer>,
    ) -> Result<Proven, (AdminRefusal, Problem)> {
        let (now, guessed) = (Instant::now(), access.wants_proof() && credential.is_a_try());
        let address = neighbourhood(peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.remote.ip()));
        if guessed && let Err(wait) = self.failures.look(&address, now) {
            // Before it is looked at: else the answer would tell who guesses that they were right.
            let detail =
                "too many wrong tokens came from this address; what is sent before the pause is over is not looked at";
            return Err((AdminRefusal::Rate, Problem::limited(detail, wait)));
        }
        let denied = match access.judge(credential, self.control.operator_keys().as_ref(), Utc::now()) {
            Ok(proven) => return Ok(proven),
            Err(denied) => denied,
        };
        Err(match denied {
            Denied::Unproven => (AdminRefusal::Unproven, token_wanted()),
            Denied::Wrong(fault) => {
                let guess = match credential {
                    Credential::Bearer(token) => self.hasher.hash_one(token),
                    _ => 0,
                };
                if guessed && self.repeated.take(&(address, guess), now).is_ok() {
                    let _ = self.failures.take(&address, now);
                }
                if self.told.take(&(), now).is_ok() {
                    let fault = fault.map_or("unknown", |fault| fault.as_str());
                    tracing::warn!(%address, fault, "the admin API was shown a token or certificate that it does not accept");
                }
                (AdminRefusal::WrongProof, token_wanted())
            }
            Denied::NoRole => (AdminRefusal::Role, no_role("look or give orders here")),
            Denied::NoKeys => {
                let detail =
                    "tokens of the issuer cannot be checked: its keys were never fetched; botgate's log says why";
                (AdminRefusal::WrongProof, Problem::of_status(StatusCode::SERVICE_UNAVAILABLE, detail))
            }
        })
    }

    fn may_order(&self, proven: &Proven) -> Result<(), Problem> {
        if proven.role < Role::Operator {
            let who = format!("give orders: {} is a {}", proven.proof, proven.role);
            return Err(self.refuse(AdminRefusal::Role, no_role(&who)));
        }
        self.orders.take(&proven.proof, Instant::now()).map_err(|wait| {
            let detail = "too many orders of one caller; wait, and send this one again";
            self.refuse(AdminRefusal::Rate, Problem::limited(detail, wait))
        })
    }

    fn refuse(&self, refusal: AdminRefusal, problem: Problem) -> Problem {
        self.stats.admin_refused(refusal);
        problem
    }
}

/// The same words whatever was wrong: who knows no token learns nothing from them.
fn token_wanted() -> Problem {
    let detail = "send `Authorization: Bearer …` with a token that [admin] accepts, or show a client certificate that it \
                  knows; botgate's own commands take a token from BOTGATE_ADMIN_TOKEN or --admin-token-file; botgate's \
                  log says what is wrong with one";
    Problem::new(Kind::TokenWanted, detail)
}

fn no_role(what: &str) -> Problem {
    let detail = format!("who you are is proven, but you may not {what}; an operator may");
    Problem::new(Kind::RoleWanted, detail)
}

fn wrong_host(host: &str) -> Problem {
    let detail = format!(
        "Host {host:?} is not a name of this listener (DNS rebinding?); ask it as localhost, or name it in [admin] hosts"
    );
    Problem::new(Kind::WrongHost, detail)
}

fn is_open(parts: &Parts) -> bool {
    matches!(parts.method, Method::GET | Method::HEAD) && OPEN.contains(&parts.uri.path())
}

/// The layer: lets a request through with its [`Actor`] as an extension, or answers for it.
pub(super) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match guard.check(&parts) {
        Ok(actor) => {
            if let Some(actor) = actor {
                parts.extensions.insert(actor);
            }
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AdminConfig, AdminToken};
    use crate::tls::CertificateBook;

    fn of(config: &AdminConfig) -> Guard {
        let control = Handle::new(tokio::sync::mpsc::channel(1).0, tokio::sync::broadcast::channel(1).0);
        Guard::new(Rules::new(config, CertificateBook::default()).unwrap(), control, ControlStats::new())
    }

    fn local() -> Guard {
        of(&AdminConfig::open("127.0.0.1:9443".parse().unwrap()))
    }

    fn config() -> AdminConfig {
        let bind = "0.0.0.0:9443".parse().unwrap();
        let wall = AdminToken { name: "wall".into(), role: Role::Viewer, token: "l00k".into() };
        AdminConfig { token: Some("s3cret".into()), tokens: vec![wall], plain: true, ..AdminConfig::open(bind) }
    }

    fn with_token() -> Guard {
        of(&config())
    }

    fn ask(guard: &Guard, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<String, u16> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let told = |actor: Option<Actor>| actor.map_or_else(|| "nobody".to_owned(), |actor| actor.to_string());
        guard.check(&parts).map(told).map_err(|problem| problem.status)
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
    fn names_that_are_given_are_the_only_ones_with_a_token_too() {
        let guard = of(&AdminConfig { hosts: vec!["gate.contoso.com".into()], ..config() });
        let token = ("authorization", "Bearer s3cret");
        for (host, expected) in [
            ("gate.contoso.com", Ok("admin-token".to_owned())),
            ("GATE.contoso.com.:1", Ok("admin-token".to_owned())),
            ("127.0.0.1", Ok("admin-token".to_owned())),
            ("evil.example", Err(403)),
            ("10.0.0.9", Err(403)),
        ] {
            assert_eq!(ask(&guard, "GET", "/metrics", &[("host", host), token]), expected, "{host}");
        }
        assert_eq!(ask(&guard, "GET", "/readyz", &[("host", "10.0.0.9")]), Ok("nobody".into()));
    }

    #[test]
    fn no_host_or_two_hosts_are_a_bad_request() {
        assert_eq!(ask(&local(), "GET", "/healthz", &[]), Err(400));
        assert_eq!(ask(&local(), "GET", "/healthz", &[("host", "localhost"), ("host", "localhost")]), Err(400));
    }

    #[test]
    fn orders_from_another_origin_are_refused_whatever_they_show() {
        let path = "/api/v1/reload";
        let host = ("host", "localhost:9443");
        for (guard, proof) in [(local(), ("x", "x")), (with_token(), ("authorization", "Bearer s3cret"))] {
            for foreign in ["http://evil.example", "null", "http://localhost:8080", "file://localhost:9443", ""] {
                let foreign = ("origin", foreign);
                assert_eq!(ask(&guard, "POST", path, &[host, proof, foreign]), Err(403), "{foreign:?}");
            }
            assert_eq!(ask(&guard, "POST", path, &[host, proof, ("sec-fetch-site", "cross-site")]), Err(403));
            assert!(ask(&guard, "POST", path, &[host, proof, ("origin", "http://localhost:9443")]).is_ok());
            assert!(ask(&guard, "POST", path, &[host, proof]).is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_right_token_opens_everything_and_a_wrong_one_nothing_but_the_health_checks() {
        let host = ("host", "gate.contoso.com");
        for path in ["/", "/metrics", "/api/v1/pools", "/api/v1/nothing", "/healthz/", "//healthz"] {
            let guard = with_token();
            assert_eq!(ask(&guard, "GET", path, &[host]), Err(401), "{path}");
            for wrong in ["Bearer s3cre", "Bearer s3cret2", "Bearer ", "Basic s3cret", "s3cret"] {
                assert_eq!(ask(&guard, "GET", path, &[host, ("authorization", wrong)]), Err(401), "{wrong}");
            }
            let right = ask(&guard, "GET", path, &[host, ("authorization", "bearer s3cret")]);
            assert_eq!(right, Ok("admin-token".into()));
        }
        let guard = with_token();
        assert_eq!(ask(&guard, "GET", "/healthz", &[host]), Ok("nobody".into()));
        assert_eq!(ask(&guard, "GET", "/readyz", &[host, ("authorization", "Bearer x")]), Ok("nobody".into()));
        assert_eq!(ask(&guard, "POST", "/readyz", &[host]), Err(401));
    }

    #[tokio::test(start_paused = true)]
    async fn a_viewer_looks_at_everything_and_changes_nothing() {
        let (guard, shown) = (with_token(), [("host", "a"), ("authorization", "Bearer l00k")]);
        for method in ["GET", "HEAD", "OPTIONS"] {
            assert_eq!(ask(&guard, method, "/api/v1/pools", &shown), Ok("token:wall".into()), "{method}");
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "FROB"] {
            assert_eq!(ask(&guard, method, "/api/v1/reload", &shown), Err(403), "{method}");
        }
        assert_eq!(guard.stats.admin_refusals(AdminRefusal::Role), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn who_guesses_is_not_heard_for_a_while_not_even_when_right() {
        let guard = with_token();
        let show = |token: &str| {
            let shown = format!("Bearer {token}");
            ask(&guard, "GET", "/metrics", &[("host", "a"), ("authorization", &shown)])
        };
        assert!((0..100).all(|_| show("of-yesterday") == Err(401)), "the same again is no other guess");
        assert_eq!(show("s3cret"), Ok("admin-token".into()));
        assert!((1..FAILURES.0).all(|at| show(&format!("wrong-{at}")) == Err(401)));
        assert_eq!((show("wrong"), show("s3cret")), (Err(429), Err(429)));
        assert_eq!(ask(&guard, "GET", "/metrics", &[("host", "a")]), Err(401), "nothing shown, nothing guessed");
        assert_eq!(
            ask(&guard, "GET", "/readyz", &[("host", "a"), ("authorization", "Bearer s3cret")]),
            Ok("nobody".into())
        );
        tokio::time::advance(FAILURES.1).await;
        assert_eq!(show("s3cret"), Ok("admin-token".into()));
        assert_eq!((show("wrong"), show("s3cret")), (Err(401), Err(429)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_gives_orders_without_end_waits_and_others_do_not() {
        let (guard, host) = (with_token(), ("host", "a"));
        let order = |guard: &Guard| ask(guard, "POST", "/api/v1/reload", &[host, ("authorization", "Bearer s3cret")]);
        assert!((0..ORDERS.0).all(|_| order(&guard).is_ok()));
        assert_eq!(order(&guard), Err(429));
        assert!(ask(&guard, "GET", "/metrics", &[host, ("authorization", "Bearer s3cret")]).is_ok());
        tokio::time::advance(ORDERS.1).await;
        assert!(order(&guard).is_ok());
    }
}
