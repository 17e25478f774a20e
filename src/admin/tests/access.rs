//! Who may ask, what a reload does to it, and what strangers hear.

use super::*;
use crate::config::AdminToken;
use crate::control::Participant;
use crate::model::Role;

/// A config with what a reload is to bring; the listener's own address is that of the gate.
fn next(gate: &Gate, admin: crate::config::AdminConfig) -> crate::config::Config {
    let text = "[[listener]]\nbind = \"127.0.0.1:0\"\ntls = false\n[[route]]\npool = \"p\"\n[[pool]]\nname = \"p\"\n\
        [[pool.backend]]\nname = \"weu\"\nurl = \"http://a\"\n";
    let config = crate::config::parse("botgate.toml", text, "".as_ref(), &|_| None).unwrap().config;
    crate::config::Config { admin: AdminConfig { bind: gate.addr, ..admin }, ..config }
}

fn named(name: &str, role: Role, token: &str) -> AdminToken {
    AdminToken { name: name.into(), role, token: token.into() }
}

fn reload(gate: &Gate, tokens: Vec<AdminToken>) {
    let admin = AdminConfig { tokens, ..AdminConfig::open(gate.addr) };
    let prepared = gate.rules.prepare(&next(gate, admin)).map_err(|errors| errors.join("\n")).unwrap();
    assert!(prepared.needs_restart.is_empty());
    (prepared.commit)();
}

#[tokio::test]
async fn tokens_and_roles_change_with_a_reload_and_the_journal_names_who_orders() {
    let gate = Gate::start(Some("first"), Script::default()).await;
    let path = "/api/v1/pools/bot-api/unpin";
    let order = async |token: &str| {
        let shown = format!("Bearer {token}");
        read(gate.send("POST", path, &[("authorization", &shown), ("botgate-actor", "bob")], "").await).await
    };
    let (status, _, body) = order("first").await;
    assert_eq!(
        (status, serde_json::from_str::<OrderView>(&body).unwrap().pool.reason.as_str()),
        (200, "admin-token (bob): no reason")
    );
    assert_eq!(order("second").await.0, 401);
    reload(&gate, vec![named("ann", Role::Operator, "second"), named("wall", Role::Viewer, "third")]);
    assert_eq!(order("first").await.0, 401);
    let (status, _, body) = order("second").await;
    assert_eq!(
        (status, serde_json::from_str::<OrderView>(&body).unwrap().pool.reason.as_str()),
        (200, "token:ann (bob): no reason")
    );
    let (status, headers, body) = order("third").await;
    assert_eq!((status, problem(&headers, &body).kind.as_str()), (403, "urn:botgate:role-wanted"));
    reload(&gate, vec![named("wall", Role::Operator, "third")]);
    assert_eq!((order("second").await.0, order("third").await.0), (401, 200));
}

#[tokio::test]
async fn strangers_hear_the_same_whatever_they_show() {
    let gate = Gate::start(Some("first"), Script::default()).await;
    reload(&gate, vec![named("ann", Role::Operator, "secret-of-ann"), named("wall", Role::Viewer, "third")]);
    let mut heard = std::collections::BTreeSet::new();
    for shown in ["Bearer first", "Bearer ann", "Bearer secret-of-an", "Basic YTpi", "Bearer a.b.c", "Bearer"] {
        let (status, headers, body) = read(gate.send("GET", "/metrics", &[("authorization", shown)], "").await).await;
        assert_eq!((status, headers["www-authenticate"].to_str().unwrap()), (401, "Bearer realm=\"botgate admin\""));
        heard.insert(body);
    }
    heard.insert(gate.get("/metrics").await.2);
    assert_eq!(heard.len(), 1, "{heard:?}");
    let words = heard.pop_first().unwrap();
    assert!(!words.contains("ann") && !words.contains("wall"), "{words}");
}

#[tokio::test]
async fn a_stream_ends_when_the_token_that_opened_it_is_taken_away_and_no_sooner() {
    let gate = Gate::start(Some("first"), Script::default()).await;
    let (ann, wall) = (named("ann", Role::Operator, "second"), named("wall", Role::Viewer, "third"));
    reload(&gate, vec![ann.clone(), wall.clone()]);
    let open = async |token: &str| {
        let shown = format!("Bearer {token}");
        let response = gate.send("GET", "/api/v1/events", &[("authorization", &shown)], "").await;
        assert_eq!(response.status(), 200);
        response.into_body()
    };
    let (mut of_ann, mut of_wall) = (open("second").await, open("third").await);
    // Another role, and a token that others lose: who has one still reads on.
    reload(&gate, vec![AdminToken { role: Role::Viewer, ..ann }]);
    let text = async |body: &mut hyper::body::Incoming| {
        let frame = body.frame().await?.unwrap().into_data().unwrap();
        Some(String::from_utf8_lossy(&frame).into_owned())
    };
    let last = text(&mut of_wall).await.unwrap();
    assert!(last.starts_with("event: closed\n"), "{last}");
    assert_eq!(text(&mut of_wall).await, None);
    gate.events.send(decision()).unwrap();
    assert!(text(&mut of_ann).await.unwrap().starts_with("event: decision\n"));
}

#[tokio::test]
async fn a_reload_that_would_open_the_listener_changes_nothing() {
    let bind: std::net::SocketAddr = "0.0.0.0:9443".parse().unwrap();
    let wall = named("wall", Role::Viewer, "third");
    let start = AdminConfig { tokens: vec![wall], plain: true, ..AdminConfig::open(bind) };
    let rules = Rules::new(&start, CertificateBook::default()).unwrap();
    let gate = Gate::start(None, Script::default()).await;
    // Right for the new address, and wrong for the one that is bound until a restart.
    let open = next(&gate, AdminConfig::open(gate.addr));
    let errors = rules.prepare(&open).err().unwrap();
    assert!(errors[0].contains("0.0.0.0") && errors[0].contains("[admin] token"), "{errors:?}");
    let plain = next(&gate, AdminConfig { plain: false, ..start });
    assert!(rules.prepare(&plain).err().unwrap()[0].contains("without TLS"));
}

#[tokio::test]
async fn what_does_not_work_is_told_to_who_may_look() {
    let trouble = vec!["the journal cannot be written".to_owned()];
    let gate = Gate::start(Some("first"), Script { trouble, ..Script::default() }).await;
    let (status, _, body) = gate.get("/readyz").await;
    assert_eq!((status, body.contains("journal")), (200, false), "{body}");
    let (_, _, body) = read(gate.send("GET", "/readyz", &[("authorization", "Bearer first")], "").await).await;
    assert!(body.contains("the journal cannot be written"), "{body}");
}

#[test]
fn the_description_says_which_role_each_operation_takes() {
    let document = serde_json::to_value(openapi()).unwrap();
    for scheme in ["admin-token", "oidc", "client-certificate"] {
        assert!(document["components"]["securitySchemes"][scheme]["type"].is_string(), "{scheme}");
    }
    let security = |path: &str, method: &str| document["paths"][path][method]["security"].clone();
    assert_eq!(security("/api/v1/reload", "post")[0]["admin-token"][0], "operator");
    assert_eq!(security("/api/v1/drills", "get")[1]["oidc"][0], "viewer");
    assert_eq!(security("/healthz", "get"), serde_json::json!([{}]));
}
