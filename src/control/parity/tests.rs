//! Real questions to real sockets, answered as the services answer.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::fetch;
use crate::config::{BackendConfig, BackendUrl, ParityRequest, Take};
use crate::control::ParityTarget;
use crate::control::tests::a_backend;
use crate::steering::Sample;
use crate::upstream::TlsClient;

fn target(address: SocketAddr, take: Take) -> ParityTarget {
    let url = BackendUrl { tls: false, host: "search.example".into(), port: 80, base_path: String::new() };
    let service = BackendConfig { url, ..a_backend("weu", 1) };
    let request = ParityRequest {
        backend: "weu".into(),
        service: Arc::new(service),
        companion: true,
        method: Method::GET,
        path: "/indexes/faq/docs/$count?api-version=2023-11-01".into(),
        headers: vec![("api-key".parse().unwrap(), HeaderValue::from_static("k3y"))],
        body: None,
    };
    ParityTarget { request, take, timeout: Duration::from_secs(20), tls: None, addresses: Arc::new([address]) }
}

/// Reads a request up to its end, answers, closes, and tells what was asked.
async fn answer_on(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: Vec<u8>) -> String {
    let mut sent = Vec::new();
    let wanted = |sent: &[u8]| {
        let text = String::from_utf8_lossy(sent).to_lowercase();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length =
            head.split("content-length: ").nth(1).map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
        Some(body.len() >= length)
    };
    while wanted(&sent) != Some(true) && stream.read_buf(&mut sent).await.unwrap() > 0 {}
    // Who asked may hang up once it has seen enough.
    let _ = stream.write_all(&answer).await;
    let _ = stream.shutdown().await;
    String::from_utf8(sent).unwrap()
}

/// A service that answers once.
async fn service(answer: impl Into<Vec<u8>>) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, answer) = (listener.local_addr().unwrap(), answer.into());
    let serving = tokio::spawn(async move { answer_on(listener.accept().await.unwrap().0, answer).await });
    (address, serving)
}

fn ok(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

async fn taken(answer: impl Into<Vec<u8>>, take: Take) -> Result<Sample, String> {
    let (address, _serving) = service(answer).await;
    fetch(target(address, take)).await
}

#[tokio::test]
async fn a_question_carries_its_path_credentials_and_no_wish_for_compression() {
    let (address, serving) = service(ok("", "5")).await;
    fetch(target(address, Take::Body)).await.unwrap();
    let sent = serving.await.unwrap();
    assert!(sent.starts_with("GET /indexes/faq/docs/$count?api-version=2023-11-01 HTTP/1.1\r\n"), "{sent}");
    for header in ["host: search.example", "api-key: k3y", "accept-encoding: identity", "user-agent: botgate-parity/"] {
        assert!(sent.contains(header), "{header} in {sent}");
    }
}

#[tokio::test]
async fn a_known_answer_is_asked_for_with_a_body() {
    let (address, serving) = service(ok("", r#"{"answers":[{"answer":"9 to 5"}]}"#)).await;
    let mut target = target(address, Take::Json("/answers/0/answer".into()));
    target.request.method = Method::POST;
    target.request.body = Some(Bytes::from_static(br#"{"question":"When?"}"#));
    assert_eq!(fetch(target).await, Ok(Sample::text("9 to 5")));
    let sent = serving.await.unwrap();
    assert!(sent.starts_with("POST ") && sent.ends_with("\r\n\r\n{\"question\":\"When?\"}"), "{sent}");
}

#[tokio::test]
async fn the_telling_value_is_taken_of_each_service_s_answer() {
    let stats =
        r#"{"@odata.context":"https://x/$metadata","documentCount":13002,"storageSize":8842,"vectorIndexSize":0}"#;
    let deployments = r#"{"value":[{"deploymentName":"production","lastDeployedDateTime":"2021-10-01T10:11:12Z"},
        {"deploymentName":"test","lastDeployedDateTime":"2021-10-02T10:11:12Z"}]}"#;
    let knowledge_base = r#"{"id":"2f8c","name":"FAQ","lastChangedTimestamp":"2019-05-03T21:10:30Z",
        "lastPublishedTimestamp":"2019-05-03T21:11:45Z","urls":[],"sources":["Editorial"]}"#;
    let blob = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><StorageServiceStats><GeoReplication><Status>live</Status>\
        <LastSyncTime>Mon, 12 Jan 2026 10:11:12 GMT</LastSyncTime></GeoReplication></StorageServiceStats>";
    let bootstrap = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><StorageServiceStats><GeoReplication>\
        <Status>bootstrap</Status><LastSyncTime /></GeoReplication></StorageServiceStats>";
    let cosmos = r#"{"_self":"","id":"acct","writableLocations":[{"name":"West Europe","databaseAccountEndpoint":"https://a"}],
        "readableLocations":[{"name":"West Europe"},{"name":"North Europe"}]}"#;
    let sync = || Take::Xml("GeoReplication/LastSyncTime".into());
    for (body, take, expected) in [
        ("\u{feff}12480", Take::Body, json!("12480")),
        ("12480", Take::Body, json!("12480")),
        (stats, Take::Json("/documentCount".into()), json!(13002)),
        (
            deployments,
            Take::Json("/value/*/lastDeployedDateTime".into()),
            json!(["2021-10-01T10:11:12Z", "2021-10-02T10:11:12Z"]),
        ),
        (r#"{"value":[]}"#, Take::Json("/value/*/lastDeployedDateTime".into()), json!([])),
        (knowledge_base, Take::Json("/lastPublishedTimestamp".into()), json!("2019-05-03T21:11:45Z")),
        (blob, sync(), json!("Mon, 12 Jan 2026 10:11:12 GMT")),
        (bootstrap, sync(), json!("")),
        (cosmos, Take::Json("/readableLocations/*/name".into()), json!(["West Europe", "North Europe"])),
    ] {
        assert_eq!(taken(ok("", body), take).await, Ok(Sample(expected)), "{body}");
    }
    let etag = Take::Header(http::header::ETAG);
    assert_eq!(taken(ok("etag: \"0x8D\"\r\n", "x"), etag).await, Ok(Sample::text("\"0x8D\"")));
}

#[tokio::test]
async fn what_is_no_answer_is_said_in_words() {
    let json = || Take::Json("/documentCount".into());
    let status = |line: &str, more: &str| format!("HTTP/1.1 {line}\r\n{more}content-length: 0\r\n\r\n");
    for (answer, take, expected) in [
        (status("403 Forbidden", ""), json(), "status 403, expected 200-299"),
        (
            status("302 Found", "location: https://login.example/\r\n"),
            json(),
            "status 302, expected 200-299; redirects are not followed",
        ),
        (ok("", "{}"), json(), "the answer has nothing at \"/documentCount\""),
        (ok("", "<html>"), json(), "the answer is no JSON: expected value at line 1 column 1"),
        (ok("", "12"), Take::Xml("a".into()), "the answer is no XML: unknown token at 1:1"),
        (ok("", "x"), Take::Header(http::header::ETAG), "the answer has no header etag"),
        (
            ok("content-encoding: gzip\r\n", "x"),
            Take::Body,
            "the answer is encoded (\"gzip\"), although that was not asked for",
        ),
    ] {
        assert_eq!(taken(answer.clone(), take).await, Err(expected.into()), "{answer}");
    }
    let broken = taken("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", Take::Body).await.unwrap_err();
    assert!(broken.starts_with("the response body broke off: "), "{broken}");
    let silent = taken("", Take::Body).await.unwrap_err();
    assert!(silent.starts_with("no response: "), "{silent}");
}

#[tokio::test]
async fn an_answer_is_read_up_to_a_mebibyte() {
    let padded = |spaces: usize| ok("", &format!("{}7", " ".repeat(spaces)));
    assert_eq!(taken(padded((1 << 20) - 1), Take::Body).await, Ok(Sample::text("7")));
    assert_eq!(taken(padded(1 << 20), Take::Body).await, Err("the answer is longer than 1 MiB".into()));
}

#[tokio::test]
async fn a_service_that_hangs_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut target = target(listener.local_addr().unwrap(), Take::Body);
    target.timeout = Duration::from_millis(50);
    let (asked, hanging) = tokio::join!(fetch(target.clone()), listener.accept());
    assert_eq!(asked, Err("no answer within 50ms".into()));
    drop((hanging, listener));
    target.timeout = Duration::from_secs(20);
    assert!(fetch(target.clone()).await.unwrap_err().contains("refused"));
    target.addresses = Arc::new([]);
    assert_eq!(fetch(target).await, Err("its name has no address".into()));
}

#[tokio::test]
async fn no_error_holds_what_a_url_may_hide() {
    let (address, _serving) = service(ok("", "x")).await;
    let mut target = target(address, Take::Body);
    target.request.path = "/a b?sig=hunter2".into();
    let error = fetch(target.clone()).await.unwrap_err();
    assert!(!error.contains("hunter2"), "{error}");
    assert!(!format!("{target:?}").contains("hunter2") && !format!("{target:?}").contains("k3y"));
}

/// A service with a certificate of its own: asked over TLS by the name it bears, and by no other.
#[tokio::test]
async fn a_service_is_asked_over_tls_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["search.example".to_owned()]).unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, made.cert.pem()).unwrap();
    for (name, good) in [("search.example", true), ("other.example", false)] {
        let (address, serving) =
            tls_service(&made.cert.pem(), &made.signing_key.serialize_pem(), &ok("", "\u{feff}7")).await;
        let mut target = target(address, Take::Body);
        let service = Arc::make_mut(&mut target.request.service);
        trust(service, name, &ca);
        target.tls = TlsClient::new(service).unwrap();
        let asked = fetch(target).await;
        if good {
            assert_eq!(asked, Ok(Sample::text("7")));
            assert!(serving.await.unwrap().unwrap().contains("api-key: k3y"));
        } else {
            let error = asked.unwrap_err();
            assert!(error.starts_with("TLS handshake with "), "{error}");
        }
    }
}

fn trust(service: &mut BackendConfig, name: &str, ca: &Path) {
    service.url.tls = true;
    service.url.host = name.to_owned();
    service.ca = Some(ca.to_owned());
}

async fn tls_service(certificate: &str, key: &str, answer: &str) -> (SocketAddr, JoinHandle<Option<String>>) {
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, answer) = (listener.local_addr().unwrap(), answer.as_bytes().to_vec());
    let serving = tokio::spawn(async move {
        let stream = acceptor.accept(listener.accept().await.unwrap().0).await.ok()?;
        Some(answer_on(stream, answer).await)
    });
    (address, serving)
}
