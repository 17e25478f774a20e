//! Who may ask the admin API: tokens with names and roles, and what a reload does to them.

use http::StatusCode;
use serde_json::Value;

use crate::support::backend::Backend;
use crate::support::client::{Client, full};
use crate::support::process::{self, Process};
use crate::support::site::{PROBE, Site};
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome, Reply};

const ANN: &str = "ann-0123456789abcdef";
const WALL: &str = "wall-0123456789abcdef";

/// A config with these keys of `[admin]`.
pub fn with_admin(site: &Site, backends: &[&Backend], keys: &str) -> String {
    site.config(PROBE, backends).replace("[admin]\n", &format!("[admin]\n{keys}\n"))
}

/// One request with these headers.
pub async fn ask(gateway: &Gateway, method: &str, path: &str, headers: &[(&str, &str)]) -> Outcome<Reply> {
    let mut client = Client::open_plain(gateway.admin(), &gateway.admin().to_string()).await?;
    let mut request = client.request(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(full(""))?;
    client.send(request).await
}

/// One request with this bearer token: its status, and what it says.
pub async fn with_token(gateway: &Gateway, method: &str, path: &str, token: &str) -> (u16, String) {
    let reply = ask(gateway, method, path, &[("authorization", &format!("Bearer {token}"))]).await.unwrap();
    (reply.status, reply.text())
}

/// Runs an operator's command: exit code, standard output and error.
pub async fn command(words: &[&str]) -> (i32, String, String) {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let run = move || process::run(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let (code, out, err) = tokio::task::spawn_blocking(run).await.unwrap();
    (code.unwrap_or(-1), out, err)
}

const TOKENS: &str = "tokens = [{ name = \"ann\", role = \"operator\", token = { file = \"ann.token\" } }, \
                      { name = \"wall\", role = \"viewer\", token = { file = \"wall.token\" } }]";

async fn start(site: &Site, backends: &[&Backend]) -> Gateway {
    site.write("ann.token", ANN);
    site.write("wall.token", WALL);
    Gateway::start(site, &with_admin(site, backends, TOKENS)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_looks_an_operator_orders_and_the_journal_says_which_one_did() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let gateway = start(&site, &[&one, &two]).await;
    ask(&gateway, "GET", "/api/v1/pools", &[]).await?.is_problem(StatusCode::UNAUTHORIZED);
    assert_eq!(with_token(&gateway, "GET", "/api/v1/pools", WALL).await.0, 200);
    let drain = "/api/v1/pools/bot/backends/two/drain";
    assert_eq!(with_token(&gateway, "POST", drain, WALL).await.0, 403);
    assert_eq!(with_token(&gateway, "POST", "/api/v1/reload", WALL).await.0, 403);
    assert_eq!(with_token(&gateway, "POST", drain, "made-up-0123456789").await.0, 401);
    assert_eq!(with_token(&gateway, "POST", drain, ANN).await.0, 200);
    assert_eq!(with_token(&gateway, "POST", "/api/v1/reload", ANN).await.0, 200);

    let admin = format!("http://{}", gateway.admin());
    let files = ["wall.token", "ann.token"].map(|name| site.text_path(name));
    let (code, out, err) =
        command(&["journal", "bot", "--json", "--admin", &admin, "--admin-token-file", &files[0]]).await;
    assert_eq!(code, 0, "{err}");
    let entries: Value = serde_json::from_str(&out)?;
    let told = |cause: &str| {
        let found = entries.as_array().unwrap().iter().find(|entry| entry["cause"] == cause);
        found.unwrap_or_else(|| panic!("no {cause} in {out}"))["actor"].as_str().unwrap().to_owned()
    };
    assert_eq!(told("drained"), "token:ann");
    assert_eq!(told("reload"), "token:ann");

    let (code, _, err) = command(&["resume", "bot", "two", "--admin", &admin, "--admin-token-file", &files[0]]).await;
    assert!(code == 1 && err.contains("token:wall is a viewer"), "{code} {err}");
    let (code, _, err) = command(&["resume", "bot", "two", "--admin", &admin]).await;
    assert!(code == 1 && err.contains("--admin-token-file"), "{code} {err}");
    let (code, _, err) = command(&["resume", "bot", "two", "--admin", &admin, "--admin-token-file", &files[1]]).await;
    assert_eq!(code, 0, "{err}");
    let (code, ..) = command(&["status", "--admin", &admin, "--admin-token-file", "/nowhere"]).await;
    assert_eq!(code, 2);
    let metrics = with_token(&gateway, "GET", "/metrics", WALL).await.1;
    for reason in ["role", "unproven", "wrong-proof"] {
        let line = format!("botgate_admin_refused_total{{reason=\"{reason}\"}} ");
        let count = metrics.lines().find_map(|metric| metric.strip_prefix(&line)).unwrap_or("0");
        assert!(count.parse::<u64>()? > 0, "{reason}: {metrics}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_token_in_its_file_takes_the_place_of_the_old_one_and_ends_what_that_had_opened() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start("one").await;
    let mut gateway = start(&site, &[&one]).await;
    let admin = format!("http://{}", gateway.admin());
    let watch = |name: &'static str, file: &str| {
        let file = site.text_path(file);
        Process::start(name, &["watch", "--json", "--admin", &admin, "--admin-token-file", &file], site.dir())
    };
    let (mut of_ann, mut of_wall) = (watch("ann", "ann.token"), watch("wall", "wall.token"));
    // Both are heard of before anything is taken from one of them.
    wait_until("both streams are open", || async {
        let resume = with_token(&gateway, "POST", "/api/v1/pools/bot/backends/one/resume", ANN).await;
        assert_eq!(resume.0, 200, "{resume:?}");
        !of_ann.stdout().is_empty() && !of_wall.stdout().is_empty()
    })
    .await;

    let next = "ann-fedcba9876543210";
    site.write("ann.token", next);
    wait_until("the new token is taken", || async {
        with_token(&gateway, "GET", "/api/v1/pools", next).await.0 == 200
    })
    .await;
    assert_eq!(with_token(&gateway, "GET", "/api/v1/pools", ANN).await.0, 401);
    let ended = of_ann.exit(std::time::Duration::from_secs(20)).await;
    assert_eq!(ended.code(), Some(3), "{}", of_ann.stderr());
    assert!(of_ann.stderr().contains("no longer accepted"), "{}", of_ann.stderr());
    assert!(of_wall.ended().is_none(), "{}", of_wall.stderr());

    // What cannot be used changes nothing.
    let bad = with_admin(&site, &[&one], &TOKENS.replace("\"viewer\"", "\"boss\""));
    site.write("botgate.toml", &bad);
    let (status, said) = with_token(&gateway, "POST", "/api/v1/reload", next).await;
    assert!(status == 409 && said.contains("role"), "{status} {said}");
    assert_eq!(with_token(&gateway, "GET", "/api/v1/pools", WALL).await.0, 200);
    // A good one that wants nothing proven leaves loopback to everybody.
    site.write("botgate.toml", &with_admin(&site, &[&one], ""));
    wait_until("nothing has to be proven", || async {
        ask(&gateway, "GET", "/api/v1/pools", &[]).await.unwrap().status == 200
    })
    .await;
    gateway.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_guesses_tokens_is_soon_not_heard_and_pages_of_other_sites_never_are() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start("one").await;
    let gateway = start(&site, &[&one]).await;
    let authorization = format!("Bearer {ANN}");
    let foreign = [("authorization", authorization.as_str()), ("origin", "https://evil.example")];
    ask(&gateway, "POST", "/api/v1/reload", &foreign).await?.is_problem(StatusCode::FORBIDDEN);
    let mut answers = Vec::new();
    for at in 0..12 {
        answers.push(with_token(&gateway, "GET", "/api/v1/pools", &format!("guess-{at}")).await.0);
    }
    assert_eq!((answers[0], answers[11]), (401, 429), "{answers:?}");
    let limited = ask(&gateway, "GET", "/api/v1/pools", &[("authorization", &authorization)]).await?;
    limited.is_problem(StatusCode::TOO_MANY_REQUESTS);
    assert!(limited.header("retry-after").parse::<u64>()? <= 12);
    assert_eq!(ask(&gateway, "GET", "/readyz", &[]).await?.status, 200);
    Ok(())
}
