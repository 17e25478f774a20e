//! Operators with tokens of an OpenID issuer.

use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::admin_access::{ask, with_admin, with_token};
use crate::support::backend::Backend;
use crate::support::client::{Client, full};
use crate::support::issuer::{self, Issuer, Signer, with};
use crate::support::site::Site;
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome};

const AUDIENCE: &str = "api://botgate";
const WALL: &str = "wall-0123456789abcdef";

fn keys(issuer: &Issuer) -> String {
    format!(
        "tokens = [{{ name = \"wall\", role = \"viewer\", token = \"{WALL}\" }}]\noidc = {{ issuer = \"https://issuer.test\", \
         audience = \"{AUDIENCE}\", metadata = \"{}\", roles = {{ Ops = \"operator\", Eyes = \"viewer\" }}, skew = \"1s\" }}",
        issuer.metadata()
    )
}

fn claims(more: Value) -> Value {
    let now = issuer::now();
    let claims = json!({"iss": "https://issuer.test", "aud": AUDIENCE, "sub": "ann", "roles": ["Ops"],
        "nbf": now - 5, "iat": now - 5, "exp": now + 600});
    with(claims, &more)
}

async fn keyed(gateway: &Gateway) {
    wait_until("the issuer's keys are there", || async {
        let (_, metrics) = with_token(gateway, "GET", "/metrics", WALL).await;
        metrics.lines().any(|line| line.starts_with("botgate_token_keys_fresh") && line.ends_with(" 1"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_the_issuer_bring_who_and_which_role() -> Outcome<()> {
    let _machine = together().await;
    let (site, issuer) = (Site::new(), Issuer::start().await);
    let one = Backend::start("one").await;
    let gateway = Gateway::start(&site, &with_admin(&site, &[&one], &keys(&issuer))).await;
    keyed(&gateway).await;
    let of = |more: Value| issuer.signers.endorsed.token(&claims(more));
    let resume = "/api/v1/pools/bot/backends/one/resume";
    let order = async |token: String| with_token(&gateway, "POST", resume, &token).await.0;
    assert_eq!(order(of(json!({}))).await, 200);
    for (more, expected) in [
        (json!({"roles": ["Eyes"]}), 403),
        (json!({"roles": ["Nothing"]}), 403),
        (json!({"aud": "api://other"}), 401),
        (json!({"iss": "https://other.test"}), 401),
        (json!({"exp": issuer::now() - 5}), 401),
    ] {
        assert_eq!(order(of(more.clone())).await, expected, "{more}");
    }
    assert_eq!(order(Signer::new(&issuer.signers.endorsed.kid).token(&claims(json!({})))).await, 401);
    let (_, journal) = with_token(&gateway, "GET", "/api/v1/journal?pool=bot", WALL).await;
    assert!(journal.contains("\"actor\":\"oidc:ann\""), "{journal}");

    // A key that the issuer has begun to use is fetched as soon as a token names it.
    let next = Signer::new("next-key");
    issuer.publish(&json!({"keys": [next.jwk(&[])]}));
    let token = next.token(&claims(json!({"sub": "bob"})));
    wait_until("the new key is used", || async { with_token(&gateway, "GET", "/api/v1/pools", &token).await.0 == 200 })
        .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_the_token_that_opened_it() -> Outcome<()> {
    let _machine = together().await;
    let (site, issuer) = (Site::new(), Issuer::start().await);
    let one = Backend::start("one").await;
    let gateway = Gateway::start(&site, &with_admin(&site, &[&one], &keys(&issuer))).await;
    keyed(&gateway).await;
    let token = issuer.signers.endorsed.token(&claims(json!({"exp": issuer::now() + 2})));
    let mut client = Client::open_plain(gateway.admin(), "localhost").await?;
    let request = client.request("GET", "/api/v1/events").header("authorization", format!("Bearer {token}"));
    let mut stream = client.begin(request.body(full(""))?).await?.into_body();
    let last =
        tokio::time::timeout(Duration::from_secs(20), stream.frame()).await?.ok_or("it ended without a word")??;
    let text = String::from_utf8_lossy(last.data_ref().ok_or("no data")?).into_owned();
    assert!(text.starts_with("event: closed"), "{text}");
    assert!(tokio::time::timeout(Duration::from_secs(20), stream.frame()).await?.is_none());
    assert_eq!(with_token(&gateway, "GET", "/api/v1/pools", &token).await.0, 401);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_out_of_reach_is_no_reason_to_let_anybody_in_nor_to_turn_tokens_of_the_config_away() -> Outcome<()> {
    let _machine = together().await;
    let (site, issuer) = (Site::new(), Issuer::start().await);
    issuer.away(true);
    let one = Backend::start("one").await;
    let gateway = Gateway::start(&site, &with_admin(&site, &[&one], &keys(&issuer))).await;
    let token = issuer.signers.endorsed.token(&claims(json!({})));
    assert_eq!(with_token(&gateway, "GET", "/api/v1/pools", &token).await.0, 503);
    assert_eq!(with_token(&gateway, "GET", "/api/v1/pools", WALL).await.0, 200);
    let (_, ready) = with_token(&gateway, "GET", "/readyz", WALL).await;
    wait_until("who may look hears of it", || async {
        with_token(&gateway, "GET", "/readyz", WALL).await.1.contains("never fetched")
    })
    .await;
    assert!(!ask(&gateway, "GET", "/readyz", &[]).await?.text().contains("fetched"), "{ready}");
    issuer.away(false);
    wait_until("the issuer is back", || async { with_token(&gateway, "GET", "/api/v1/pools", &token).await.0 == 200 })
        .await;
    Ok(())
}
