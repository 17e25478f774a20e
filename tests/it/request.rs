//! One request, in and out: routing, headers, what is passed on and what is not.

use http::StatusCode;

use crate::support::backend::{Answer, Backend, Behaviour};
use crate::support::client::{Client, Protocol, full};
use crate::support::raw::Raw;
use crate::support::sim::Region;
use crate::support::site::{HOST, PROBE, Site, pool_of};
use crate::support::wait::together;
use crate::support::{Gateway, Outcome};

/// A gateway with one plain backend.
async fn simple(site: &Site) -> (Gateway, Backend) {
    let backend = Backend::start("one").await;
    let gateway = Gateway::start(site, &site.config(PROBE, &[&backend])).await;
    (gateway, backend)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_host_is_misdirected_and_an_unknown_path_not_found() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start("one").await;
    let route = format!("host = \"{HOST}\"\npath = \"/api\"\n");
    let config = site.head("") + &pool_of("bot", PROBE, &[("one", one.url(), String::new())], &route);
    let gateway = Gateway::start(&site, &config).await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = gateway.client(&site, protocol).await;
        client.get("/nowhere").await?.is_problem(StatusCode::NOT_FOUND);
        client.get("/apis").await?.is_problem(StatusCode::NOT_FOUND);
        assert_eq!(client.get("/api").await?.status, 200);
        assert_eq!(client.get("/api/x").await?.status, 200);
        let mut stranger = Client::open(gateway.address(), "other.test", &site.authority, protocol).await?;
        stranger.get("/api").await?.is_problem(StatusCode::MISDIRECTED_REQUEST);
    }
    assert_eq!(one.log().count(), 4, "a request without a route reached the backend");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_in_odd_case_with_a_port_or_a_dot_is_the_same_host() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, _backend) = simple(&site).await;
    for host in ["BOT.test", "bot.test:443", "bot.test."] {
        let mut raw = Raw::tls(gateway.address(), &site).await;
        let heard = raw.ask(format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await;
        assert_eq!(heard.status(), 200, "{host}: {heard:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hop_by_hop_headers_end_here_and_forwarding_headers_are_the_gateways_own() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = simple(&site).await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    let headers = [
        ("connection", "x-mine, x-forwarded-for"),
        ("x-mine", "1"),
        ("keep-alive", "timeout=5"),
        ("te", "gzip"),
        ("proxy-authorization", "Basic x"),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-host", "evil"),
        ("x_forwarded_for", "6.6.6.6"),
        ("forwarded", "for=6.6.6.6"),
        ("authorization", "Bearer kept"),
        ("x-kept", "kept"),
    ];
    client.post("/p", &headers, "x").await?;
    let seen = backend.log().last();
    for gone in ["x-mine", "keep-alive", "te", "proxy-authorization", "x_forwarded_for"] {
        assert!(!seen.has(gone), "{gone} reached the backend");
    }
    assert_eq!((seen.header("authorization").as_str(), seen.header("x-kept").as_str()), ("Bearer kept", "kept"));
    assert_eq!(seen.header("x-forwarded-for"), "127.0.0.1");
    assert_eq!(seen.header("x-forwarded-proto"), "https");
    assert_eq!(seen.header("x-forwarded-host"), HOST);
    assert!(!seen.header("forwarded").contains("6.6.6.6"), "{}", seen.header("forwarded"));
    assert!(seen.header("via").contains("1.1"), "via: {}", seen.header("via"));
    assert_eq!(seen.header("host"), backend.address().to_string());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_peer_may_extend_the_forwarding_headers() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let config = site.head("trusted = [\"127.0.0.0/8\"]") + &site.pool(PROBE, &[&backend]);
    let gateway = Gateway::start(&site, &config).await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    client.post("/p", &[("x-forwarded-for", "9.9.9.9")], "x").await?;
    assert_eq!(backend.log().last().header("x-forwarded-for"), "9.9.9.9, 127.0.0.1");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_id_is_kept_or_made_and_the_trace_passed_on() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = simple(&site).await;
    let mut client = gateway.client(&site, Protocol::H2).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let reply = client.post("/", &[("x-request-id", "mine-1"), ("traceparent", trace)], "x").await?;
    let seen = backend.log().last();
    assert_eq!((seen.header("x-request-id").as_str(), reply.header("x-request-id")), ("mine-1", "mine-1"));
    assert_eq!(seen.header("traceparent"), trace);
    let reply = client.post("/", &[], "x").await?;
    let made = backend.log().last().header("x-request-id");
    assert!(made.len() >= 16, "made: {made:?}");
    assert_eq!(reply.header("x-request-id"), made);
    assert!(!backend.log().last().header("botgate-epoch").is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_request_has_the_length_and_no_body() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = simple(&site).await;
    backend.always(Answer::with(200, "0123456789").into());
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = gateway.client(&site, protocol).await;
        let request = client.request("HEAD", "/").body(full(""))?;
        let reply = client.send(request).await?;
        assert_eq!((reply.status, reply.header("content-length"), reply.body.len()), (200, "10", 0));
        // The connection is fit for the next.
        assert_eq!(client.get("/").await?.text(), "0123456789");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn path_and_query_pass_byte_for_byte() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = simple(&site).await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    for target in [
        "/a?x=%2F1&y=%20&x=2",
        "/language/:query-knowledgebases?api-version=2021-10-01",
        "/a;b=c/~d'(e)?",
        "/%E2%82%AC?q=a+b",
    ] {
        assert_eq!(client.get(target).await?.status, 200, "{target}");
        assert_eq!(backend.log().last().target, target);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_backend_gets_its_own_path_credentials_and_host() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (one, two) = (Backend::start("one").await, Backend::start("two").await);
    let keys = |id: &str| {
        format!(
            "host = \"{id}.example\"\nheaders = {{ Authorization = \"EndpointKey {id}\" }}\n\
             rewrite = [{{ prefix = \"/qnamaker/knowledgebases/main\", to = \"/qnamaker/knowledgebases/{id}\" }}]\n"
        )
    };
    let backends = [("one", one.url() + "/base", keys("k1")), ("two", two.url(), keys("k2"))];
    let config = site.head("") + &pool_of("bot", PROBE, &backends, "");
    let gateway = Gateway::start(&site, &config).await;
    let mut client = gateway.client(&site, Protocol::H1).await;
    client.post("/qnamaker/knowledgebases/main/generateAnswer?x=1", &[("authorization", "the client's")], "{}").await?;
    let seen = one.log().last();
    assert_eq!(seen.target, "/base/qnamaker/knowledgebases/k1/generateAnswer?x=1");
    assert_eq!((seen.header("authorization").as_str(), seen.header("host").as_str()), ("EndpointKey k1", "k1.example"));
    one.refuse().await;
    client.get("/qnamaker/knowledgebases/main").await?;
    let seen = two.log().last();
    assert_eq!(seen.target, "/qnamaker/knowledgebases/k2");
    assert_eq!((seen.header("authorization").as_str(), seen.header("host").as_str()), ("EndpointKey k2", "k2.example"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http1_and_http2_meet_on_either_side() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (h1, h2) = (Backend::start_tls("h1", &site).await, Backend::start_h2("h2", &site).await);
    let mut config = site.head("");
    for backend in [&h1, &h2] {
        let entry = (backend.name(), backend.url(), site.trust(backend));
        config += &pool_of(backend.name(), PROBE, &[entry], &format!("path = \"/{}\"\n", backend.name()));
    }
    let gateway = Gateway::start(&site, &config).await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = gateway.client(&site, protocol).await;
        for backend in [&h1, &h2] {
            let body = format!("{protocol:?} to {}", backend.name());
            let reply = client.post(&format!("/{}", backend.name()), &[], body.clone()).await?;
            assert_eq!((reply.status, reply.text()), (200, body));
            let seen = backend.log().last();
            assert_eq!(seen.http2, backend.http2());
            assert_eq!(seen.header("host"), backend.address().to_string());
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_certificates_are_picked_by_name_over_tls_1_2_and_1_3() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, _backend) = simple(&site).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = site.authority.client_of(version);
        for host in [HOST, "other.test", "x.bot.test"] {
            let stream = crate::support::client::tls(gateway.address(), host, config.clone()).await?;
            assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version), "{host}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_the_backend_is_the_backends_answer() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let (gateway, backend) = simple(&site).await;
    let mut client = gateway.client(&site, Protocol::H2).await;
    for status in [201, 204, 304, 400, 401, 500, 501, 503] {
        backend.once(
            Answer::status(status).header("x-own", "1").header("connection", "x-drop").header("x-drop", "1").into(),
        );
        let reply = client.post("/", &[], "{}").await?;
        assert_eq!((reply.status, reply.header("x-own"), reply.header("x-drop")), (status, "1", ""));
    }
    backend.once(Behaviour::Echo);
    assert_eq!(gateway.active("bot").await, "one");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_as_large_as_is_taken_fits_into_a_server_that_takes_a_hundred_fields() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let region = Region::start(&site, "one", "127.0.0.1:0").await;
    let pool = pool_of("bot", &format!("kind = \"bot\"\n{PROBE}"), &[("one", region.url(), String::new())], "");
    let gateway = Gateway::start(&site, &(site.head("") + &pool)).await;
    let body = r#"{"type":"message","id":"1","channelId":"test","conversation":{"id":"c"}}"#;
    let more: Vec<String> = (0..80).map(|n| format!("x-{n}")).collect();
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = gateway.client(&site, protocol).await;
        // Beside Content-Type; and HTTP/1 has Host and Content-Length.
        let taken = if protocol == Protocol::H1 { 77 } else { 78 };
        for (fields, status) in [(taken, 200), (80, 431)] {
            let mut headers = vec![("content-type", "application/json")];
            headers.extend(more[..fields].iter().map(|name| (name.as_str(), "1")));
            assert_eq!(client.post("/api/messages", &headers, body).await?.status, status, "{protocol:?} {fields}");
        }
    }
    Ok(())
}
