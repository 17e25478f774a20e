//! Bad configs: `botgate check` and `botgate run` say what is wrong, where, and what to do.

use crate::support::backend::Backend;
use crate::support::process::run;
use crate::support::site::{PROBE, Site};
use crate::support::wait::together;
use crate::support::{Gateway, Outcome};

/// Runs `botgate check` on a text.
async fn check(site: &Site, text: &str) -> (Option<i32>, String) {
    let path = site.write("checked.toml", text).to_str().unwrap().to_owned();
    let (code, out, err) = tokio::task::spawn_blocking(move || run(&["check", "--config", &path])).await.unwrap();
    (code, out + &err)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_names_every_mistake_with_its_line_and_a_hint() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start("one").await;
    let good = site.config(PROBE, &[&one]);
    let (code, said) = check(&site, &good).await;
    assert_eq!(code, Some(0), "{said}");
    let table = [
        ("[[pool]]", "[[pool]]\nreplai = \"safe\"", vec!["replai", "replay"]),
        ("[[pool]]", "[[pool]]\ndeadline = \"soon\"", vec!["deadline", "soon"]),
        (
            "[[pool]]",
            "[[pool]]\nfailback = { mode = \"window\" }",
            vec!["needs at least one window", "Sat 02:00-04:00"],
        ),
        ("[[pool]]", "[[pool]]\nfollow = \"bott\"", vec!["there is no pool", "did you mean \"bot\"?"]),
        ("[[pool]]", "[[pool]]\ndrill = { schedule = [\"Sat 2-4\"] }", vec!["Sat 2-4", "UTC"]),
        ("[[pool]]", "[journal]\nmax_age = \"5m\"\n[[pool]]", vec!["5m is out of range", "400d"]),
        ("pool = \"bot\"", "pool = \"bott\"", vec!["bott", "bot"]),
        ("url = \"http://", "url = \"ftp://", vec!["ftp"]),
        ("bot.pem", "missing.pem", vec!["missing.pem"]),
        ("bot.key", "other.key", vec!["other.key"]),
        ("127.0.0.1:0\"\ncert", "nowhere\"\ncert", vec!["nowhere"]),
    ];
    for (from, to, wanted) in table {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "the mistake {to:?} was not made");
        let (code, said) = check(&site, &text).await;
        assert_eq!(code, Some(2), "{to}: {said}");
        for word in wanted {
            assert!(said.contains(word), "{to}: {word} is not named in:\n{said}");
        }
    }
    let both = good.replacen("[[pool]]", "[[pool]]\nreplai = 1\ndeadline = \"soon\"", 1);
    let (_, said) = check(&site, &both).await;
    let line = both.lines().position(|line| line.starts_with("replai")).unwrap() + 1;
    assert!(said.contains("replai") && said.contains("soon"), "one error at a time:\n{said}");
    assert!(said.contains(&format!(":{line}:")), "line {line} is not named in:\n{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_allowed_but_unwise_is_a_warning_in_words_and_as_json() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let keys = "[[pool]]\nfailback = { mode = \"never\", windows = [\"Sat 02:00-04:00\"] }\n\
        drill = { schedule = [\"Wed 03:00-03:05\"], for = \"10m\" }";
    let text = site.config(PROBE, &[&one, &two]).replacen("[[pool]]", keys, 1);
    let (code, said) = check(&site, &text).await;
    assert_eq!(code, Some(0), "{said}");
    for word in ["no effect while the mode is \"never\"", "10m is longer than the window", "is good, "] {
        assert!(said.contains(word), "{word} is not said in:\n{said}");
    }
    let path = site.path("checked.toml").to_str().unwrap().to_owned();
    let (_, out, _) = tokio::task::spawn_blocking(move || run(&["check", "--json", "--config", &path])).await?;
    let json: serde_json::Value = serde_json::from_str(&out)?;
    let keys = json["problems"].as_array().into_iter().flatten().filter_map(|problem| problem["key"].as_str());
    // The test's own keys can be read by others, which is told as well.
    let keys: Vec<&str> = keys.filter(|key| key.starts_with("pool")).collect();
    assert_eq!(keys, ["pool[0].failback.windows", "pool[0].drill.for"]);
    assert_eq!((&json["ok"], &json["errors"]), (&true.into(), &0.into()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_or_broken_file_is_named_and_ends_with_2() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    for (name, text) in [("missing.toml", None), ("broken.toml", Some("[[listener\nbind = ")), ("empty.toml", Some(""))]
    {
        let path = text.map_or_else(|| site.path(name), |text| site.write(name, text));
        for command in ["check", "run"] {
            let path = path.to_str().unwrap().to_owned();
            let ran = tokio::task::spawn_blocking(move || run(&[command, "--config", &path])).await?;
            assert_eq!(ran.0, Some(2), "{command} {name}: {}{}", ran.1, ran.2);
            assert!((ran.1 + &ran.2).contains(name), "{command} does not name {name}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_certificate_is_a_warning() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start("one").await;
    site.authority
        .issue_with(&["bot.test"], |params| {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        })
        .write(site.dir(), "bot");
    let text = site.config(PROBE, &[&one]);
    let (code, said) = check(&site, &text).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("expired") && said.contains("bot.pem"), "{said}");
    let gateway = Gateway::start(&site, &text).await;
    assert_eq!(gateway.active("bot").await, "one");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_come_from_the_environment_and_are_never_printed() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start("one").await;
    let text = site.config(PROBE, &[&one]) + "headers = { Authorization = \"Bearer ${BOTGATE_TEST_NOT_SET}\" }\n";
    let (code, said) = check(&site, &text).await;
    assert_eq!(code, Some(2));
    assert!(said.contains("BOTGATE_TEST_NOT_SET"), "{said}");
    site.write("secret.txt", "very-secret-value\n");
    let file = site.text_path("secret.txt");
    let text = site.config(PROBE, &[&one]) + &format!("headers = {{ Authorization = {{ file = \"{file}\" }} }}\n");
    let gateway = Gateway::start(&site, &text).await;
    let mut client = gateway.client(&site, crate::support::Protocol::H1).await;
    client.get("/").await?;
    assert_eq!(one.log().last().header("authorization"), "very-secret-value");
    let printed = gateway.pools().await.to_string() + &gateway.process.stderr() + &gateway.process.stdout().join("\n");
    assert!(!printed.contains("very-secret"), "{printed}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_whose_name_does_not_resolve_leaves_the_others_serving() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let names = crate::support::dns::NameServer::start().await;
    let two = Backend::start("two").await;
    let backends = [("one", "http://nowhere.invalid:1".to_owned(), String::new()), ("two", two.url(), String::new())];
    let dns = format!("[dns]\nservers = [\"{}\"]\n\n", names.address);
    let gateway =
        Gateway::start(&site, &(site.head("") + &dns + &crate::support::site::pool_of("bot", PROBE, &backends, "")))
            .await;
    let mut client = gateway.client(&site, crate::support::Protocol::H1).await;
    assert_eq!(client.get("/").await?.header("x-backend"), "two");
    Ok(())
}
