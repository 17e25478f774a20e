//! The corpus of smuggling and framing cases, against the real gateway: both sides are watched, the strictest reading wins.

use std::collections::HashSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::corpus::{Case, Found, Recorder, Runner, Verdict, all, trusting};
use crate::support::site::{HOST, PROBE, Site, pool_of};
use crate::support::wait::together;
use crate::support::{Gateway, Outcome};

/// Cases in which botgate differs from the strictest reading, and why that is right.
const DIFFERS: [(&str, &str); 2] = [
    ("h2: a fragment in the path", "it is cut off before a route is looked for: what is routed is what is forwarded"),
    ("h2: a pseudo-header field in trailers", "it is dropped with the trailers' block and reaches nobody"),
];

#[test]
fn the_corpus_is_large_and_each_case_has_a_name_of_its_own_and_a_reason() {
    let cases = all();
    assert!(cases.len() >= 150, "{}", cases.len());
    let names: HashSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len(), "two cases of one name");
    for case in &cases {
        assert!(!case.why.is_empty(), "{}", case.name);
        let _ = (case.request(), case.answer());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_that_can_be_read_in_two_ways_gets_through() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Recorder::start("127.0.0.1:0").await;
    let url = format!("http://{}", backend.address());
    let pool = pool_of("bot", PROBE, &[("one", url, String::new())], &format!("host = \"{HOST}\"\n"));
    let other = "[[route]]\nhost = \"other.test\"\npool = \"bot\"\n\n";
    let gateway = Gateway::start(&site, &(site.head("") + other + &pool)).await;
    let runner = Runner { address: gateway.address(), tls: trusting(site.authority.pem().as_bytes()), exact: true };
    let mut failed = String::new();
    for case in chosen() {
        let found = runner.run(&case, &backend).await;
        let differs = DIFFERS.iter().any(|(name, _)| *name == case.name);
        if (found.verdict == Verdict::Strict) == differs {
            writeln!(failed, "{:?}: {}: {} ({})\n    {}", found.verdict, case.class, case.name, case.why, found.why)?;
        }
    }
    assert!(failed.is_empty(), "cases that differ from the strictest reading, or no longer do:\n{failed}");
    Ok(())
}

/// Several servers in one run, for `tests/safety/run`, which starts them:
/// `BOTGATE_CORPUS={"backend": ADDRESS, "ca": FILE, "servers": {NAME: ADDRESS}, "out": FILE}`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tests/safety/run starts the servers"]
async fn the_corpus_against_servers_that_run_already() -> Outcome<()> {
    let told: Value = serde_json::from_str(&std::env::var("BOTGATE_CORPUS")?)?;
    let text = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
    let backend = Recorder::start(&text("backend")).await;
    let tls = trusting(&std::fs::read(text("ca"))?);
    let mut rows = Vec::new();
    for case in chosen() {
        for (server, address) in told["servers"].as_object().ok_or("no servers")? {
            let address = address.as_str().ok_or("no address")?.parse()?;
            let runner = Runner { address, tls: tls.clone(), exact: false };
            let found = runner.run(&case, &backend).await;
            println!("{server:8} {:10} {}: {}", format!("{:?}", found.verdict), case.class, case.name);
            rows.push(row(server, &case, &found));
        }
    }
    std::fs::write(text("out"), serde_json::to_vec_pretty(&rows)?)?;
    Ok(())
}

/// All cases, or those with this text in class or name: `BOTGATE_CASES`.
fn chosen() -> Vec<Case> {
    let wanted = std::env::var("BOTGATE_CASES").unwrap_or_default();
    all().into_iter().filter(|case| format!("{}: {}", case.class, case.name).contains(&wanted)).collect()
}

fn row(server: &str, case: &Case, found: &Found) -> Value {
    json!({
        "server": server,
        "class": case.class,
        "case": case.name,
        "reason": case.why,
        "verdict": found.verdict,
        "because": found.why,
        "client": found.client.statuses(),
        "backend": found.backend.iter().flat_map(|seen| &seen.requests).map(|request| request.target()).collect::<Vec<_>>(),
    })
}
