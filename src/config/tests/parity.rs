use std::time::Duration;

use super::*;
use crate::config::{Against, Difference, ParityConfig, ParityRule, Take};
use crate::model::ParityGate;

/// Two backends, and a parity check of these lines.
fn two(check: &str) -> String {
    format!("{LEAST}  [[pool.backend]]\n  name = \"b\"\n  url = \"https://b.example/base\"\n[[pool.parity]]\n{check}\n")
}

fn good(check: &str) -> ParityConfig {
    let loaded = bare(&two(check)).unwrap_or_else(|report| panic!("{check}\n{report}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    loaded.config.pools[0].parity[0].clone()
}

/// Who is asked for what: `backend method scheme://authority/path-and-query`.
fn asked(check: &ParityConfig) -> Vec<String> {
    let one = |request: &crate::config::ParityRequest| {
        format!("{} {} {} {}", request.backend, request.method, request.service.url, request.path)
    };
    check.requests.iter().map(one).collect()
}

#[test]
fn the_common_case_is_a_preset_a_subject_and_two_keys() {
    let check = good(
        r#"
name = "index size"
preset = "ai-search-count"
of = "faq & more"
backends.a = { url = "https://search-a.example", headers = { api-key = "${KEY_A}" } }
backends.b = { url = "https://search-b.example/", headers = { api-key = "${KEY_B}" } }
"#,
    );
    let path = "/indexes/faq%20%26%20more/docs/$count?api-version=2023-11-01";
    let expected = [("a", "https://search-a.example"), ("b", "https://search-b.example")];
    assert_eq!(asked(&check), expected.map(|(name, url)| format!("{name} GET {url} {path}")));
    assert_eq!((check.take.clone(), check.unit), (Take::Body, "documents"));
    assert_eq!(check.rule, ParityRule::MaxDifference(Difference::Share(0.01)));
    assert_eq!((check.interval, check.timeout), (Duration::from_secs(300), Duration::from_secs(10)));
    assert_eq!(check.gate, ParityGate::Prefer);
    assert_eq!(check.hosts().collect::<Vec<_>>(), ["search-a.example", "search-b.example"]);
    let key = &check.requests[1].headers[0];
    assert_eq!((key.0.as_str(), key.1.as_bytes(), key.1.is_sensitive()), ("api-key", &b"value-of-KEY_B"[..], true));
}

#[test]
fn every_preset_knows_its_service() {
    let both = "backends = { a = { url = \"https://x\" }, b = { url = \"https://y\" } }";
    let lag = |minutes: u64, against| ParityRule::MaxLag { lag: Duration::from_secs(60 * minutes), against };
    for (preset, of, take, rule) in [
        (
            "ai-search-stats",
            "of = \"i\"",
            Take::Json("/documentCount".into()),
            ParityRule::MaxDifference(Difference::Share(0.01)),
        ),
        (
            "custom-question-answering",
            "of = \"p\"",
            Take::Json("/value/*/lastDeployedDateTime".into()),
            lag(60, Against::Active),
        ),
        ("qna-maker", "of = \"k\"", Take::Json("/lastPublishedTimestamp".into()), lag(60, Against::Active)),
        ("blob-geo-replication", "", Take::Xml("GeoReplication/LastSyncTime".into()), lag(15, Against::Now)),
        ("cosmos-regions", "", Take::Json("/readableLocations/*/name".into()), ParityRule::Equal),
    ] {
        let check = good(&format!("name = \"c\"\npreset = \"{preset}\"\n{of}\n{both}"));
        assert_eq!((check.take, check.rule), (take, rule), "{preset}");
    }
}

#[test]
fn what_a_preset_fills_can_be_said_otherwise() {
    let both = "backends = { a = { url = \"https://x\", of = \"1\" }, b = { url = \"https://y\", of = \"2\" } }";
    let check = good(&format!("name = \"c\"\npreset = \"qna-maker\"\nmax_lag = \"2h\"\ngate = \"require\"\n{both}"));
    assert_eq!(check.rule, ParityRule::MaxLag { lag: Duration::from_secs(7200), against: Against::Active });
    assert!(asked(&check)[1].ends_with("/qnamaker/v4.0/knowledgebases/2"), "{check:?}");
    let check = good(&format!("name = \"c\"\npreset = \"ai-search-count\"\nmax_difference = 5\n{both}"));
    assert_eq!(check.rule, ParityRule::MaxDifference(Difference::Absolute(5.0)));
    let check = good(&format!(
        "name = \"c\"\npreset = \"blob-geo-replication\"\nmax_lag = \"30m\"\n{}",
        both.replace(", of = \"1\"", "").replace(", of = \"2\"", "")
    ));
    assert_eq!(check.rule, ParityRule::MaxLag { lag: Duration::from_secs(1800), against: Against::Now });
}

#[test]
fn a_url_with_a_path_is_asked_as_it_stands_and_a_bare_one_adds_its_query() {
    let check = good(
        r#"
name = "c"
path = "/p?x=1"
equal = true
backends.a.url = "https://x?${SAS}"
backends.b.url = "http://y:8080/own/path/?q=2"
"#,
    );
    assert_eq!(asked(&check), ["a GET https://x /p?x=1&value-of-SAS", "b GET http://y:8080 /own/path/?q=2"]);
    assert!(check.requests.iter().all(|request| request.companion));
    let check = good("name = \"c\"\ncontains = \"x\"\nbackends.a.url = \"https://x\"");
    assert_eq!(asked(&check), ["a GET https://x /"], "b is not looked at: each value is judged alone");
}

#[test]
fn where_no_companion_is_named_the_backend_is_asked_itself() {
    let check = good(
        r#"
name = "known answer"
path = "/ask"
body = { question = "When are you open?", top = 1 }
take = { json = "/answers/0/answer" }
contains = "9 to 5"
backends.b.headers = { x-key = "${KEY}" }
"#,
    );
    assert_eq!(asked(&check), ["a POST https://a.example /ask", "b POST https://b.example/base /ask"]);
    assert!(check.requests.iter().all(|request| !request.companion));
    let sent = check.requests[0].body.as_ref().unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(sent).unwrap()["top"], 1);
    let names = |at: usize| check.requests[at].headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
    assert_eq!((names(0), names(1)), (vec!["content-type"], vec!["x-key", "content-type"]));
    // A language resource that serves questions serves its own deployments too.
    let check = good("name = \"c\"\npreset = \"custom-question-answering\"\nof = \"faq\"");
    assert!(!check.requests[0].companion && check.requests.len() == 2);
}

#[test]
fn the_checks_of_the_shipped_sample_are_good_when_they_are_uncommented() {
    let at = SAMPLE.find("  # [[pool.parity]]").unwrap();
    let (before, checks) = SAMPLE.split_at(at);
    let checks = checks.lines().map(|line| match line.strip_prefix("  # ") {
        Some(line) if !line.starts_with("Equal counts") => line,
        _ => "",
    });
    let text = format!("{before}{}", checks.collect::<Vec<_>>().join("\n"));
    let directory = directory();
    let loaded = in_directory(&text, directory.path()).unwrap_or_else(|report| panic!("{report}"));
    let checks = &loaded.config.pools[1].parity;
    assert_eq!(checks.iter().map(|check| check.requests.len()).collect::<Vec<_>>(), [2, 2]);
    assert!(checks[0].requests[0].companion && !checks[1].requests[0].companion);
}

/// The problems of a check, without their line and column.
fn wrong(check: &str) -> Vec<String> {
    problems(&two(check)).into_iter().map(|line| line.splitn(3, ':').nth(2).unwrap().trim().to_owned()).collect()
}

#[test]
fn mistakes_in_a_parity_check_are_placed_and_hinted() {
    let one = "one of equal = true, max_lag = \"15m\", max_difference = 100, contains = \"…\"";
    let path = "name = \"c\"\npath = \"/x\"\n";
    let p = "pool[0].parity[0]";
    for (check, expected) in [
        (format!("{path}equal = true\nmax_lag = \"1m\""), vec![format!("{p}.max_lag: a parity check compares in one way (keep {one})")]),
        (path.to_owned(), vec![format!("{p}: the parity check compares nothing ({one})")]),
        (format!("{path}equal = false"), vec![format!("{p}.equal: an `equal` that is false compares nothing ({one})")]),
        (
            "name = \"c\"\nequal = true".to_owned(),
            ["a", "b"]
                .map(|b| format!("{p}.backends.{b}: the parity check does not say whom to ask about {b} (url = \"https://…\", or a `path` of the check, which is then asked of the backend itself)"))
                .into(),
        ),
        (
            "name = \"c\"\ncontains = \"x\"".to_owned(),
            vec![format!("{p}: the parity check asks nobody (give it a `path`, or a table `backends` with a `url` for each)")],
        ),
        (
            format!("{path}equal = true\nbackends.aa.url = \"https://x\""),
            vec![format!("{p}.backends.aa: the pool has no backend \"aa\" (did you mean \"a\"?)")],
        ),
        (
            format!("{path}equal = true\nbackends.north.url = \"https://x\""),
            vec![format!("{p}.backends.north: the pool has no backend \"north\" (its backends are: a, b)")],
        ),
        (
            format!("{path}equal = true\ntake = {{ json = \"a\" }}"),
            vec![format!("{p}.take.json: a JSON pointer begins with a slash (RFC 6901) (\"/a\")")],
        ),
        (
            format!("{path}equal = true\ntake = {{ json = \"/a~2\" }}"),
            vec![format!("{p}.take.json: a ~ in a JSON pointer is written ~0, and a slash in a name ~1 (RFC 6901) (\"/a~1b\")")],
        ),
        (
            format!("{path}equal = true\ntake = {{ xml = \"/a\" }}"),
            vec![format!("{p}.take.xml: \"/a\" is no path of element names (names of elements below the root element, without namespaces: \"GeoReplication/LastSyncTime\")")],
        ),
        (
            format!("{path}equal = true\ntake = {{ json = \"/a\", header = \"etag\" }}"),
            vec![format!("{p}.take: one value is taken of an answer (\"body\", or one of {{ json = \"/a/b\" }}, {{ xml = \"a/b\" }}, {{ header = \"etag\" }})")],
        ),
        (
            format!("{path}equal = true\ntake = \"bdy\""),
            vec![format!("{p}.take: \"bdy\" is nothing to take (\"body\", or one of {{ json = \"/a/b\" }}, {{ xml = \"a/b\" }}, {{ header = \"etag\" }})")],
        ),
        (
            format!("{path}max_difference = \"5 %%\""),
            vec![format!("{p}.max_difference: \"5 %%\" is no difference (a number, or a percentage of the active's: 100, \"5%\")")],
        ),
        (
            format!("{path}max_difference = true"),
            vec![format!("{p}.max_difference: expected a number or a string, found a boolean (a number or a percentage in quotes, such as 100, \"5%\")")],
        ),
        (
            format!("{path}equal = true\nagainst = \"now\""),
            vec![format!("{p}.against: `against` belongs to `max_lag` (leave it out, or compare times by max_lag)")],
        ),
        (
            format!("{path}equal = true\nof = \"x\""),
            vec![format!("{p}.of: nothing here is `of` something (leave it out: it fills the path of a preset that has a place for it)")],
        ),
        (
            format!("{path}equal = true\nbackends.b.of = \"x\""),
            vec![format!("{p}.backends.b.of: nothing here is `of` something (leave it out: it fills the path of a preset that has a place for it)")],
        ),
        (
            "name = \"c\"\npreset = \"custom-question-answering\"\nbackends.a.of = \"x\"".to_owned(),
            vec![format!("{p}.backends.b.of: the preset does not know which project to ask for (of = \"…\" in the check, or here where each backend has a project of its own)")],
        ),
        (
            format!("{path}equal = true\nmethod = \"GET\"\nbody = \"x\""),
            vec![format!("{p}.body: GET sends no body (method = \"POST\", or leave `method` out)")],
        ),
        (
            format!("{path}equal = true\nmethod = \"HEAD\""),
            vec![format!("{p}.method: an answer to HEAD has no body (take = {{ header = \"…\" }}, or method = \"GET\")")],
        ),
        (
            format!("{path}equal = true\ninterval = \"100ms\"\ntimeout = \"100ms\""),
            vec![format!("{p}.interval: 100ms between rounds is shorter than 1s (\"5m\" is the default)")],
        ),
        (
            format!("{path}equal = true\ninterval = \"5s\""),
            vec![format!("warning: {p}.interval: timeout (10s) is longer than interval (5s) (a service that hangs is asked more rarely than the interval says)")],
        ),
        (
            format!("{path}equal = true\n[[pool.parity]]\n{path}equal = true"),
            vec![format!("pool[0].parity[1].name: there is another parity check named \"c\" (names are unique in a pool)")],
        ),
        (
            format!("{path}equal = true\npreset = \"ai-search\""),
            vec![format!("{p}.preset: \"ai-search\" is no choice here (did you mean \"ai-search-stats\"? It is one of \"ai-search-count\", \"ai-search-stats\", \"custom-question-answering\", \"qna-maker\", \"blob-geo-replication\", \"cosmos-regions\")")],
        ),
        (
            format!("{path}equal = true\nbackends.a = {{ url = \"http://x\", ca = \"ca.pem\" }}"),
            vec![format!("{p}.backends.a.ca: this needs TLS, and the URL says http (use https, or leave the key out)")],
        ),
        ("path = \"/x\"\nequal = true".to_owned(), vec![format!("{p}.name: the key `name` is missing (`name`: Unique in its pool)")]),
        (
            "name = \"c\"\npath = \"x\"\nequal = true".to_owned(),
            vec![format!("{p}.path: \"x\" does not begin with a slash (\"/x\")")],
        ),
        (
            format!("{path}contains = \"\""),
            vec![format!("{p}.contains: every value contains nothing (give a text that the right answer holds)")],
        ),
    ] {
        assert_eq!(wrong(&check), expected, "{check}");
    }
}

#[test]
fn a_pool_of_one_backend_is_told_that_nothing_can_be_compared() {
    let text = format!("{LEAST}[[pool.parity]]\nname = \"c\"\npath = \"/x\"\nequal = true\n");
    let seen = problems(&text);
    assert!(matches!(&seen[..], [one] if one.contains("there is nothing to compare it with")), "{seen:?}");
}

#[test]
fn a_secret_of_a_parity_check_is_never_shown() {
    const SECRET: &str = "hunter2-s3cr3t";
    for check in [
        "equal = true\nbackends.a.url = \"https://x/?sig=hunter2-s3cr3t\"\nbackends.b.url = \"https://x?${SECRET}\"",
        "equal = true\nbackends.a.url = \"https://user:hunter2-s3cr3t@x\"",
        "equal = true\nbackends.a.url = \"hunter2-s3cr3t\"",
        "equal = true\nbackends.a.url = \"https://x/hunter2-s3cr3t\\\\ \"",
        "equal = true\nbackends.a.url = \"https://x/${SECRET}#\"",
        "equal = true\nbackends.a.urll = \"https://x/hunter2-s3cr3t\"",
        "equal = true\nbackends.a = \"https://x/hunter2-s3cr3t\"",
        "equal = true\nbackends.a.headers.api-key = \"hunter2-s3cr3t",
        "equal = true\npath = \"/x\"\nheaders = { api-key = \"${SECRET}\", b = 1 }\ninterval = 5",
        "equal = true\npath = \"/x\"\nheaders = { api-key = \"hunter2-s3cr3t\" }",
    ] {
        let env = |name: &str| (name == "SECRET").then(|| SECRET.to_owned());
        let seen = super::secrets::visible(&parse(
            "botgate.toml",
            &two(&format!("name = \"c\"\n{check}")),
            Path::new(""),
            &env,
        ));
        assert!(!seen.contains(SECRET), "{check}\n---\n{seen}");
    }
}
