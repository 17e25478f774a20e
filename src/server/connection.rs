//! The life of a client connection: PROXY header, TLS handshake, then HTTP by ALPN.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::HeaderValue;
use tokio::net::TcpStream;
use tower::ServiceBuilder;

use super::activity::Activity;
use super::edge::{EdgeLayer, Shared};
use super::encrypted::{AcceptError, Encrypted, accept};
use super::http::{Session, serve_http1, serve_http2};
use super::limits::{Outflow, Pace};
use super::listener::{Crowded, Listener};
use super::proxy_protocol::{HeaderError, read_header};
use super::serve::Serve;
use super::stream::{Place, Stream};
use super::worker::Worker;
use crate::config::ListenerConfig;
use crate::model::{Excess, Source};
use crate::proxy::{Client, ClientCertificate, Told};

/// Runs one connection from its accept to its end, in a task of its own.
pub(super) async fn run<S: Serve>(worker: Rc<Worker<S>>, io: TcpStream, peer: SocketAddr, place: Place) {
    let listener = place.listener.clone();
    let config = listener.config.load_full();
    let cell = worker.stats.cells.of(worker.id);
    // Boxed, so that an established connection does not carry the room its handshake needed.
    let outflow = Arc::new(Outflow::default());
    let handshake = Box::pin(establish(&listener, &config, io, peer, place, outflow.clone()));
    let established = match tokio::time::timeout(config.handshake_timeout, handshake).await {
        Ok(Ok(established)) => established,
        Ok(Err(HandshakeError::Crowded(crowded))) => {
            cell.crowded.increment();
            tracing::debug!(%peer, %crowded, "turned away");
            return;
        }
        Ok(Err(error)) => {
            cell.handshakes_failed.increment();
            tracing::debug!(%peer, %error, "handshake failed");
            return;
        }
        Err(_) => {
            cell.handshakes_timed_out.increment();
            tracing::debug!(%peer, after = ?config.handshake_timeout, "handshake timed out");
            return;
        }
    };
    if listener.tls.is_some() {
        cell.handshakes_ok.increment();
    }
    let Established { stream, client, source } = established;
    let (client, activity) = (Rc::new(client), Activity::new());
    let shared = Rc::new(Shared {
        client: client.clone(),
        activity: activity.clone(),
        stats: worker.stats.clone(),
        worker: worker.id,
        hsts: hsts(&config, &client),
    });
    let handler = Rc::new((worker.serve.clone(), client));
    let service = ServiceBuilder::new().layer(EdgeLayer(shared.clone())).service_fn(move |request| {
        let handler = handler.clone();
        async move {
            #[cfg(debug_assertions)]
            super::fault::strike(&request);
            let (serve, client) = &*handler;
            Ok(serve.serve(request, client).await)
        }
    });
    let pace = Pace::new(config.limits.read, config.idle_timeout);
    let (drain, tracker, stop) = (worker.drain.clone(), worker.tracker.clone(), worker.stop.clone());
    let session = Session { service, activity, shared, config, outflow, pace, drain, tracker, stop };
    match stream {
        Transport::Plain(stream) => Box::pin(serve_http1(stream, session)).await,
        Transport::Http2(stream) => {
            let overdone = Box::pin(serve_http2(stream, session)).await;
            if let (Some(source), true) = (source, overdone.is_some_and(Excess::is_flood)) {
                listener.addresses.bar(source, Instant::now());
            }
        }
        Transport::Tls(stream) => Box::pin(serve_http1(stream, session)).await,
    }
}

struct Established {
    stream: Transport,
    client: Client,
    /// The address whose connections are counted.
    source: Option<Source>,
}

enum Transport {
    Plain(Stream),
    Tls(Encrypted<Stream>),
    Http2(Encrypted<Stream>),
}

#[derive(Debug, thiserror::Error)]
enum HandshakeError {
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error(transparent)]
    Tls(#[from] AcceptError<rustls::Error>),
    #[error("the socket has no address: {0}")]
    Address(std::io::Error),
    #[error(transparent)]
    Crowded(#[from] Crowded),
}

async fn establish(
    listener: &Arc<Listener>,
    config: &ListenerConfig,
    mut io: TcpStream,
    peer: SocketAddr,
    mut place: Place,
    outflow: Arc<Outflow>,
) -> Result<Established, HandshakeError> {
    // Bound to one address, nobody has to ask at which a client came in.
    let local = if listener.address.ip().is_unspecified() { io.local_addr() } else { Ok(listener.address) };
    let mut addresses = (peer, local.map_err(HandshakeError::Address)?);
    let mut prefix = Bytes::new();
    if config.proxy_protocol {
        let header = read_header(&mut io).await?;
        addresses = header.addresses.unwrap_or(addresses);
        prefix = header.surplus;
        place.source = listener.enter_from(config, addresses.0.ip())?;
    }
    let source = place.source;
    let stream = Stream { io, prefix, outflow, _place: place };
    let mut certificate = None;
    let (stream, server_name, certificate_names) = match &listener.tls {
        None => (Transport::Plain(stream), None, Arc::default()),
        Some(tls) => {
            let realm = tls.realm();
            let (accepted, shown) = accept(stream, &realm, |agreed| realm.identify(agreed)).await?;
            let shown = shown.map(|(identity, leaf)| ClientCertificate::new(identity, &leaf, config.client_header));
            certificate = shown.map(Box::new);
            let name = accepted.server_name;
            let borne = tls.store.borne(name.as_deref());
            let transport = if accepted.http2 { Transport::Http2 } else { Transport::Tls };
            (transport(accepted.stream), name, borne)
        }
    };
    let (peer, local) = (canonical(addresses.0), canonical(addresses.1));
    let trusted = config.trusted.iter().any(|network| network.contains(peer.ip()));
    let client = Client {
        peer,
        local,
        tls: listener.tls.is_some(),
        server_name: server_name.map(String::into_boxed_str),
        certificate_names,
        trusted,
        networks: if trusted { config.trusted.clone() } else { Vec::new() },
        listener: listener.index,
        body_timeout: config.body_timeout,
        certificate,
        body_rate: config.limits.body,
        told: Told::default(),
    };
    Ok(Established { stream, client, source })
}

/// What browsers are told, over TLS alone (RFC 6797, section 7.2).
fn hsts(config: &ListenerConfig, client: &Client) -> Option<HeaderValue> {
    config.hsts.as_ref().filter(|_| client.tls).and_then(|hsts| HeaderValue::try_from(hsts.value()).ok())
}

/// IPv4 as IPv4, also where it arrived at an IPv6 socket (`::ffff:192.0.2.7`).
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
