use super::*;
use crate::config::{AdminConfig, ClientName};
use crate::model::Role;

fn text(keys: &str) -> String {
    format!("{LEAST}[admin]\n{keys}\n")
}

fn admin(keys: &str) -> AdminConfig {
    let directory = directory();
    in_directory(&text(keys), directory.path()).unwrap_or_else(|report| panic!("{report}")).config.admin
}

fn told(keys: &str) -> String {
    let directory = directory();
    match in_directory(&text(keys), directory.path()) {
        Ok(loaded) => loaded.warnings.lines().join("\n"),
        Err(report) => report.lines().join("\n"),
    }
}

const CERTIFICATES: &str = "certificates = [{ chain = \"certs/bot.pem\", key = \"certs/bot.key\" }]\n";
const GOOD: &str = "0123456789abcdef";
const OIDC: &str = "[admin.oidc]\nissuer = \"https://issuer.example/t/v2.0\"\naudience = \"api://gate\"\n";

#[test]
fn tokens_have_names_and_roles() {
    let admin = admin(&format!(
        "tokens = [{{ name = \"ci@x\", role = \"operator\", token = \"{GOOD}\" }}, {{ name = \"wall\", role = \"viewer\", token = \"{GOOD}0\" }}]"
    ));
    let all: Vec<_> = admin.tokens.iter().map(|token| (token.name.as_str(), token.role)).collect();
    assert_eq!(all, [("ci@x", Role::Operator), ("wall", Role::Viewer)]);
    assert!(admin.token.is_none() && admin.tls.is_none() && admin.wants_proof());
    assert!(!format!("{admin:?}").contains(GOOD));
}

#[test]
fn mistakes_in_tokens_are_told_without_the_tokens() {
    let one = |name: &str, role: &str, token: &str| {
        format!("[[admin.tokens]]\nname = \"{name}\"\nrole = \"{role}\"\ntoken = \"{token}\"\n")
    };
    for (keys, expected) in [
        (one("a b", "viewer", GOOD), "is no name of a token"),
        (one("", "viewer", GOOD), "is no name of a token"),
        (one("a", "boss", GOOD), "role"),
        (one("a", "viewer", "0123456789 abcdef"), "cannot be sent in a header"),
        (one("a", "viewer", "short"), "can be guessed"),
        (one("a", "viewer", GOOD) + &one("a", "viewer", "fedcba9876543210"), "another token is called \"a\""),
        (one("a", "viewer", GOOD) + &one("b", "viewer", GOOD), "the same token as that of admin.tokens[0]"),
        (format!("token = \"{GOOD}\"\n") + &one("b", "viewer", GOOD), "the same token as that of admin.token:"),
        ("[[admin.tokens]]\nname = \"a\"\nrole = \"viewer\"\n".to_owned(), "token"),
    ] {
        let told = told(&keys);
        assert!(told.contains(expected), "{keys}\n{told}");
        assert!(!told.contains(GOOD), "{told}");
    }
}

#[test]
fn beyond_this_machine_proof_is_wanted_and_so_is_tls_unless_it_is_said_otherwise() {
    let token = format!("bind = \"0.0.0.0:1\"\ntoken = \"{GOOD}\"\n");
    assert!(told("bind = \"0.0.0.0:1\"").contains("there is no token"));
    assert!(told("bind = \"0.0.0.0:1\"\ntls = false").contains("there is no token"));
    assert!(told(&token).contains("could take the token"), "{}", told(&token));
    assert!(admin(&(token.clone() + "tls = false")).plain);
    assert!(admin(&(token + CERTIFICATES)).tls.is_some());
    assert!(admin("").tls.is_none() && !admin("").wants_proof());
    assert!(told("tls = true").contains("a listener with TLS needs a certificate"));
    assert!(told(&format!("tls = false\n{CERTIFICATES}")).contains("shows no certificate"));
}

#[test]
fn clients_are_known_by_one_name_of_their_certificate() {
    let ca = "client_ca = \"certs/bot.pem\"\n";
    let clients = "clients = [{ cn = \"Ann Ops\", role = \"operator\" }, { dns = \"CI.Contoso.com\", role = \"viewer\" }, \
                   { uri = \"spiffe://contoso/ops\", role = \"operator\" }, { email = \"bob@x\", role = \"viewer\" }]\n";
    let tls = admin(&format!("{CERTIFICATES}{ca}{clients}")).tls.unwrap();
    let names: Vec<_> = tls.clients.iter().map(|client| client.name.clone()).collect();
    assert_eq!(names[0], ClientName::CommonName("Ann Ops".into()));
    assert_eq!(names[1], ClientName::Dns("ci.contoso.com".into()));
    assert_eq!(names.len(), 4);
    for (keys, expected) in [
        (format!("{CERTIFICATES}{clients}"), "who vouches"),
        (format!("{CERTIFICATES}{ca}"), "who of those it vouches for"),
        (format!("{ca}{clients}"), "without TLS"),
        (format!("{CERTIFICATES}{ca}clients = [{{ role = \"viewer\" }}]"), "whose certificate"),
        (format!("{CERTIFICATES}{ca}clients = [{{ cn = \"a\", dns = \"b\", role = \"viewer\" }}]"), "by one name"),
        (format!("{CERTIFICATES}{ca}clients = [{{ cn = \"a (b)\", role = \"viewer\" }}]"), "is no name"),
        (format!("{CERTIFICATES}client_ca = \"certs/no.pem\"\n{clients}"), "no.pem"),
    ] {
        let told = told(&keys);
        assert!(told.contains(expected), "{keys}\n{told}");
    }
}

#[test]
fn an_issuer_is_found_by_its_name_and_its_roles_must_mean_something() {
    let oidc = admin(&format!("{OIDC}roles = {{ Ops = \"operator\" }}")).oidc.unwrap();
    assert_eq!(oidc.keys.to_string(), "https://issuer.example/t/v2.0/.well-known/openid-configuration");
    assert_eq!((oidc.roles_claim.as_str(), oidc.actor_claim.as_str()), ("roles", "sub"));
    assert_eq!((oidc.skew, oidc.roles), (std::time::Duration::from_secs(60), vec![("Ops".to_owned(), Role::Operator)]));
    for (keys, expected) in [
        (OIDC.to_owned(), "roles"),
        (format!("{OIDC}roles = {{}}"), "no role has a meaning here"),
        (format!("{OIDC}roles = {{ A = \"viewer\" }}\nskew = \"1h\""), "out of range"),
        (format!("{OIDC}roles = {{ A = \"viewer\" }}\nroles_claim = \"\""), "no name of a claim"),
        (format!("{OIDC}roles = {{ A = \"viewer\" }}\nmetadata = \"http://issuer.example\""), "for this machine only"),
        (format!("{OIDC}roles = {{ A = \"viewer\" }}").replace("api://gate", "a b"), "this is no audience"),
        (format!("{OIDC}roles = {{ A = \"viewer\" }}").replace("https:", "ftp:"), "scheme"),
    ] {
        let told = told(&keys);
        assert!(told.contains(expected), "{keys}\n{told}");
    }
}

#[test]
fn hosts_are_names_and_addresses() {
    assert_eq!(
        admin("hosts = [\"Gate.Contoso.com.\", \"[::1]\", \"10.0.0.1\"]").hosts,
        ["gate.contoso.com", "::1", "10.0.0.1"]
    );
    assert!(told("hosts = [\"gate:9443\"]").contains("is no host"));
}
