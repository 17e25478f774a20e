//! Question answering in two regions: each is asked by its own key, knowledge base, project and deployment, on every attempt.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::backend::{Answer, Backend, Behaviour, Seen};
use crate::support::client::{self, Client, Protocol, Reply};
use crate::support::process;
use crate::support::site::{HOST, Site, pool_of};
use crate::support::wait::{together, wait_until};
use crate::support::{Gateway, Outcome};

const MAKER: &str = "/qnamaker/knowledgebases/the-clients-kb/generateanswer";
const LANGUAGE: &str =
    "/language/:query-knowledgebases?projectName=the-clients&deploymentName=its-own&api-version=2021-10-01";
const QUESTION: &str = r#"{"question":"When are you open?","top":1}"#;
const CLIENTS_KEY: &str = "0f-the-clients-own-key";
const PROBE: &str = r#"probe = { path = "/healthz", interval = "250ms", timeout = "200ms", fall = 2, rise = 2 }"#;

/// The key of a region: a text that nothing else holds.
fn key(region: &str) -> String {
    format!("s3cr3t-{region}-9d41c7")
}

struct Regions {
    gateway: Gateway,
    one: Backend,
    two: Backend,
    config: String,
    site: Site,
}

/// Two regions behind one gateway that logs all it can.
async fn regions(more: &str) -> Regions {
    let site = Site::new();
    let (one, two) = (Backend::start_tls("one", &site).await, Backend::start_h2("two", &site).await);
    let keys = |backend: &Backend| {
        let name = backend.name();
        let secret = if name == "one" {
            "\"${QNA_KEY_ONE}\"".to_owned()
        } else {
            site.write("two.key", &format!("{}\n", key("two")));
            "{ file = \"two.key\" }".to_owned()
        };
        let trust = site.trust(backend);
        format!("kb = \"kb-{name}\"\nproject = \"faq {name}\"\ndeployment = \"live-{name}\"\nkey = {secret}\n{trust}")
    };
    let backends = [("one", one.url(), keys(&one)), ("two", two.url(), keys(&two))];
    let pool = format!("kind = \"question-answering\"\nattempt_timeout = \"600ms\"\n{PROBE}\n{more}");
    let log = format!("[access_log]\ntarget = \"{}\"\n\n", site.text_path("access.log"));
    let config = site.head("") + &log + &pool_of("qna", &pool, &backends, &format!("host = \"{HOST}\"\n"));
    let env = [("QNA_KEY_ONE", &*key("one")), ("BOTGATE_LOG", "debug")];
    let gateway = Gateway::start_in(&site, &config, &env).await;
    Regions { gateway, one, two, config, site }
}

impl Regions {
    /// Asks as the SDKs do: with its key in both headers, however often it changes region.
    async fn ask(&self, client: &mut Client, path: &str) -> Outcome<Reply> {
        let bearer = format!("EndpointKey {CLIENTS_KEY}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("ocp-apim-subscription-key", CLIENTS_KEY),
            ("api-key", CLIENTS_KEY),
            ("cookie", CLIENTS_KEY),
            ("content-type", "application/json"),
        ];
        client.post(path, &headers, QUESTION).await
    }
}

/// Asserts that a region was asked by its own identity, and by nobody else's.
fn is_own(seen: &Seen, region: &str, other: &str) {
    assert_eq!(seen.header("authorization"), format!("EndpointKey {}", key(region)));
    assert_eq!(seen.header("ocp-apim-subscription-key"), key(region));
    let own_target = if seen.target.contains("/qnamaker/") {
        format!("/qnamaker/knowledgebases/kb-{region}/generateanswer")
    } else {
        format!(
            "/language/:query-knowledgebases?projectName=faq%20{region}&deploymentName=live-{region}&api-version=2021-10-01"
        )
    };
    assert!(seen.target.ends_with(&own_target), "{}", seen.target);
    let everything = format!("{seen:?}");
    for stranger in [key(other).as_str(), CLIENTS_KEY, &format!("kb-{other}"), &format!("faq%20{other}")] {
        assert!(!everything.contains(stranger), "{stranger} reached {region}: {everything}");
    }
    assert_eq!(seen.body, QUESTION.as_bytes());
}

fn all_own(regions: &Regions) {
    for (backend, own, other) in [(&regions.one, "one", "two"), (&regions.two, "two", "one")] {
        backend.log().all().iter().for_each(|seen| is_own(seen, own, other));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_configured_once_works_with_either_region() -> Outcome<()> {
    let _machine = together().await;
    let it = regions("").await;
    let mut client = it.gateway.client(&it.site, Protocol::H1).await;
    for path in [MAKER, LANGUAGE] {
        assert_eq!(it.ask(&mut client, path).await?.header("x-backend"), "one");
    }
    // A client's key in the query goes nowhere either; the escape is another spelling of the same colon.
    let path = format!("{}&subscription-key={CLIENTS_KEY}", LANGUAGE.replace(':', "%3A"));
    it.ask(&mut client, &path).await?;
    let last = it.one.log().all().pop().unwrap();
    assert!(last.target.starts_with("/language/%3Aquery-knowledgebases?projectName=faq%20one&"), "{}", last.target);
    assert!(last.target.ends_with("&api-version=2021-10-01"), "{}", last.target);
    let before = it.one.log().count() - 1;

    // Each way in which the first region can fail, and every attempt at each region is its own.
    let failures: [(&str, Behaviour); 4] = [
        ("429", Answer::status(429).header("retry-after", "1").into()),
        ("500", Answer::status(500).into()),
        ("a reset", Behaviour::Reset),
        ("silence", Behaviour::Stall),
    ];
    for (what, behaviour) in failures {
        for path in [MAKER, LANGUAGE] {
            it.one.always(behaviour.clone());
            let reply = it.ask(&mut client, path).await?;
            assert_eq!((reply.status, reply.header("x-backend")), (200, "two"), "{what}");
            let attempt = it.two.log().last().header("botgate-attempt");
            // A kept connection that breaks is dialed again before another region is tried.
            assert!(attempt == "2" || what == "a reset" && attempt == "3", "{what}: {attempt}");
        }
    }
    assert!(it.one.log().count() > before + 8);
    it.one.always(Behaviour::Echo);

    it.one.refuse().await;
    for path in [MAKER, LANGUAGE] {
        assert_eq!(it.ask(&mut client, path).await?.header("x-backend"), "two");
    }
    it.gateway.until_active("qna", "two").await;
    assert_eq!(it.ask(&mut client, MAKER).await?.header("x-backend"), "two");
    let mut ones = it.one.log().all();
    ones.remove(before);
    ones.iter().for_each(|seen| is_own(seen, "one", "two"));
    it.two.log().all().iter().for_each(|seen| is_own(seen, "two", "one"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_every_region_wants_patience_the_client_is_told_how_much() -> Outcome<()> {
    let _machine = together().await;
    let it = regions("").await;
    it.one.always(Answer::status(429).header("retry-after", "7").into());
    it.two.always(Answer::with(429, r#"{"error":{"code":"429"}}"#).header("retry-after", "3").into());
    let mut client = it.gateway.client(&it.site, Protocol::H2).await;
    let reply = it.ask(&mut client, MAKER).await?;
    assert_eq!((reply.status, reply.header("retry-after")), (429, "3"));
    assert_eq!(reply.json(), json!({"error": {"code": "429"}}), "the last region's own words");
    // That it is busy says nothing against its health.
    assert_eq!(it.gateway.active("qna").await, "one");
    all_own(&it);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deadline_bounds_the_search_for_a_region_that_answers() -> Outcome<()> {
    let _machine = together().await;
    let it = regions("deadline = \"1s\"").await;
    it.one.always(Behaviour::Stall);
    it.two.always(Behaviour::Stall);
    let mut client = it.gateway.client(&it.site, Protocol::H1).await;
    let begun = std::time::Instant::now();
    let reply = it.ask(&mut client, LANGUAGE).await?;
    assert_eq!((reply.status, reply.header("content-type")), (504, "application/json"));
    assert_eq!(reply.json()["error"]["code"], "GatewayTimeout");
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(3), "{took:?}");
    all_own(&it);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parity_checks_ask_each_region_by_its_own_identity() -> Outcome<()> {
    let _machine = together().await;
    let check = format!(
        "[[pool.parity]]\nname = \"known answer\"\npath = \"{MAKER}\"\nbody = {{ question = \"When?\" }}\n\
         interval = \"1s\"\ntimeout = \"1s\"\ncontains = \"When?\"\n"
    );
    let it = regions(&check).await;
    wait_until("both regions were asked", || async { it.one.log().count() > 0 && it.two.log().count() > 0 }).await;
    for (backend, own) in [(&it.one, "one"), (&it.two, "two")] {
        let seen = backend.log().last();
        assert!(seen.target.ends_with(&format!("/qnamaker/knowledgebases/kb-{own}/generateanswer")), "{}", seen.target);
        assert_eq!(seen.header("authorization"), format!("EndpointKey {}", key(own)));
    }
    wait_until("both are in step", || async {
        it.gateway.metric("botgate_parity", &["check=\"known answer\""]).await == 2.0
    })
    .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_is_found_in_anything_that_botgate_says() -> Outcome<()> {
    let _machine = together().await;
    let it = regions("").await;
    let mut client = it.gateway.client(&it.site, Protocol::H1).await;
    for behaviour in [Behaviour::Reset, Answer::status(429).into(), Behaviour::Stall] {
        it.one.once(behaviour);
        it.ask(&mut client, LANGUAGE).await?;
    }
    it.one.refuse().await;
    it.ask(&mut client, MAKER).await?;
    it.gateway.until_active("qna", "two").await;
    it.one.listen_again().await;
    it.gateway.until_health("qna", "one", "healthy").await;

    let mut said: Vec<(String, Vec<u8>)> = Vec::new();
    let admin = it.gateway.admin();
    let mut paths = vec!["/metrics", "/readyz", "/api/v1/pools", "/api/v1/pools/qna", "/api/v1/pools/qna/explain"];
    paths.extend(["/api/v1/journal?limit=1000", "/api/v1/openapi.json", "/api/v1/drills", "/"]);
    for path in paths {
        said.push((path.to_owned(), client::get(admin, path).await?.body.to_vec()));
    }
    let (url, config) = (format!("http://{admin}"), it.gateway.config.to_str().unwrap().to_owned());
    let commands: [&[&str]; 7] = [
        &["status", "--json", "--admin", &url],
        &["status", "qna", "--admin", &url],
        &["explain", "qna", "--admin", &url],
        &["explain", "qna", "--json", "--admin", &url],
        &["journal", "--json", "--admin", &url],
        &["schema"],
        // The environment lacks one key here: what it says of that is said without the other.
        &["check", "--config", &config],
    ];
    for command in commands {
        let (_, out, err) = process::run(command);
        said.push((command.join(" "), format!("{out}{err}").into_bytes()));
    }
    // A config that has the key in plain text, and a mistake in the line beside it.
    let plain = it.config.replace("\"${QNA_KEY_ONE}\"", &format!("\"{}\"", key("one"))) + "\nkeey = 1\n";
    let broken = it.site.write("broken.toml", &plain);
    for arguments in [vec!["check", "--config"], vec!["check", "--json", "--config"]] {
        let (code, out, err) = process::run(&[&arguments[..], &[broken.to_str().unwrap()]].concat());
        assert_eq!(code, Some(2), "{out}{err}");
        said.push((arguments.join(" "), format!("{out}{err}").into_bytes()));
    }
    wait_until("the access log is written", || async {
        std::fs::read_to_string(it.site.path("access.log")).is_ok_and(|text| text.lines().count() >= 4)
    })
    .await;
    let stderr = it.gateway.process.stderr();
    assert!(stderr.contains("DEBUG") || stderr.contains("attempt failed"), "debug is on: {stderr}");
    said.push(("stderr".into(), stderr.into_bytes()));
    said.push(("stdout".into(), it.gateway.process.stdout().join("\n").into_bytes()));
    let mut files: Vec<_> = std::fs::read_dir(it.site.path("state"))?.map(|entry| entry.unwrap().path()).collect();
    files.push(it.site.path("access.log"));
    assert!(files.iter().any(|file| file.ends_with("journal.db")), "{files:?}");
    for file in files.iter().filter(|file| file.is_file()) {
        said.push((file.display().to_string(), std::fs::read(file)?));
    }
    for (place, bytes) in &said {
        assert!(
            !bytes.is_empty() || place.ends_with("-shm") || place.ends_with("-wal") || place.contains("lock"),
            "{place} says nothing"
        );
        for secret in [key("one"), key("two"), CLIENTS_KEY.to_owned()] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} in {place}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_identity_is_seen_by_the_simulated_service_and_warned_of_by_check() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let mut sims = Vec::new();
    for name in ["one", "two"] {
        let config = format!(
            "control = \"127.0.0.1:0\"\n[[region]]\nname = \"{name}\"\nqna = \"127.0.0.1:0\"\n\
             identity = {{ key = \"k-{name}\", kb = \"kb-{name}\", project = \"p {name}\", deployment = \"live\" }}\n"
        );
        let path = site.write(&format!("{name}.sim.toml"), &config);
        let arguments = ["sim", "--config", path.to_str().unwrap(), "--json"];
        let mut sim = process::Process::start(&format!("qna-{name}"), &arguments, site.dir());
        let said = sim.announcement("control").await;
        let address = said["regions"][0]["qna"].as_str().unwrap().trim_start_matches("http://").to_owned();
        sims.push((sim, format!("http://{}", address.trim_end_matches('/'))));
    }
    let write = |second: &str| {
        let keys = |name: &str| {
            format!("kb = \"kb-{name}\"\nproject = \"p {name}\"\ndeployment = \"live\"\nkey = \"k-{name}\"")
        };
        let backends = [("one", sims[0].1.clone(), keys("one")), ("two", sims[1].1.clone(), second.to_owned())];
        site.head("") + &pool_of("qna", &format!("kind = \"question-answering\"\n{PROBE}"), &backends, "")
    };
    let own = "kb = \"kb-two\"\nproject = \"p two\"\ndeployment = \"live\"\nkey = \"k-two\"";
    let gateway = Gateway::start(&site, &write(own)).await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    let answers = |reply: &Reply| reply.json()["answers"][0]["answer"].as_str().unwrap_or_default().to_owned();
    for (region, order) in [("one", ""), ("two", "failover")] {
        if !order.is_empty() {
            let reply = gateway.post("/api/v1/pools/qna/failover", &json!({"reason": "a test says so"})).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        for path in [MAKER, LANGUAGE] {
            let reply = client.post(path, &[], QUESTION).await?;
            assert_eq!(answers(&reply), format!("{region}: the answer to 'When are you open?'"), "{}", reply.text());
        }
    }
    drop((client, gateway));
    // With one region's identity left out, the service says so, and check says it beforehand.
    let config = write("key = \"k-one\"");
    let path = site.write("uneven.toml", &config);
    let (_, out, err) = process::run(&["check", "--config", path.to_str().unwrap()]);
    assert!(format!("{out}{err}").contains("\"two\" has no `kb`, and \"one\" has one"), "{out}{err}");
    let gateway = Gateway::start_with(&site, "uneven.toml", &config, &[]).await;
    let reply = gateway.post("/api/v1/pools/qna/pin", &json!({"backend": "two", "reason": "a test says so"})).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let mut client = gateway.client(&site, Protocol::H1).await;
    let reply = client.post(MAKER, &[], QUESTION).await?;
    let error: Value = reply.json();
    assert_eq!((reply.status, &error["error"]["code"]), (401, &json!("Unauthorized")));
    Ok(())
}
