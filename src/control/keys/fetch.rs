//! One fetch of an issuer's keys: OpenID metadata, then the set that it names.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue};
use http::{Method, StatusCode};

use crate::bot::token::jwks_uri;
use crate::config::KeySourceConfig;
use crate::control::exchange::{self, Answer, Question};
use crate::upstream::{Alpn, Resolver, TlsClient, dial};

/// Most bytes that are read of an answer. The connector's keys take about 40 KiB.
const BODY: usize = 1 << 20;

/// Bounds one dial.
const DIAL: Duration = Duration::from_secs(5);

/// Fetches the text of a key set. The error says in words why there is none.
pub(in crate::control) async fn fetch(source: KeySourceConfig, resolver: &Resolver) -> Result<String, String> {
    let metadata = get(&source, resolver).await.map_err(|error| format!("{source}: {error}"))?;
    let uri = jwks_uri(&metadata).map_err(|error| format!("{source}: {error}"))?;
    let keys = source.beside(&uri).map_err(|error| format!("{source}: {error}"))?;
    get(&keys, resolver).await.map_err(|error| format!("{keys}: {error}"))
}

async fn get(source: &KeySourceConfig, resolver: &Resolver) -> Result<String, String> {
    let url = &source.service.url;
    let addresses: Vec<IpAddr> = match url.host.parse() {
        Ok(address) => vec![address],
        Err(_) => resolver.lookup(&url.host).await.map_err(|error| error.to_string())?.addresses,
    };
    let addresses: Vec<SocketAddr> = addresses.into_iter().map(|address| (address, url.port).into()).collect();
    // Made anew each time: a `ca` file may have been replaced since, and this happens once a day.
    let tls = TlsClient::new(&source.service).map_err(|error| error.to_string())?;
    let dialed = dial(&addresses, tls.as_ref(), Alpn::Any, DIAL).await.map_err(|error| error.to_string())?;
    let headers = [
        (ACCEPT, HeaderValue::from_static("application/json")),
        (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
    ];
    let question = Question {
        backend: &source.service,
        method: &Method::GET,
        path: &source.path,
        headers: &headers,
        body: None,
        agent: concat!("botgate-keys/", env!("CARGO_PKG_VERSION")),
    };
    read(exchange::ask(dialed, &question).await?).await
}

async fn read(mut response: Answer) -> Result<String, String> {
    let status = response.status();
    if status != StatusCode::OK {
        let more = if status.is_redirection() { "; redirects are not followed" } else { "" };
        return Err(format!("status {}, expected 200{more}", status.as_u16()));
    }
    if let Some(coding) = response.headers().get(CONTENT_ENCODING).filter(|coding| *coding != "identity") {
        return Err(format!("the answer is encoded ({coding:?}), although that was not asked for"));
    }
    let (body, complete) = exchange::body(&mut response, BODY).await?;
    if !complete {
        return Err(format!("the answer is longer than {} MiB", BODY >> 20));
    }
    String::from_utf8(body.into()).map_err(|_| "the answer is no UTF-8 text".to_owned())
}
