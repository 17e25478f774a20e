//! What the server's tests share: certificates, a handler, clients over real sockets.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Running, Serve, Server, Takeover};
use crate::config::{AdminConfig, CertificateConfig, Config, DnsConfig, ListenerConfig, ListenerLimits, MinRate};
use crate::model::Clock;
use crate::proxy::{Client, ClientBody};
use crate::telemetry::{ClientCell, Counter, Heartbeats, ListenerStats, WorkerId};
use crate::tls::CertificateBook;
pub(super) use crate::tls::fixture::certificate_files;
use crate::wire::{Request, Response};

/// Long enough to never decide a test that passes.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A listener on a free port of loopback, with patient deadlines.
pub(super) fn listener(certificates: Option<Vec<CertificateConfig>>) -> ListenerConfig {
    ListenerConfig {
        bind: SocketAddr::from(([127, 0, 0, 1], 0)),
        certificates,
        proxy_protocol: false,
        trusted: Vec::new(),
        max_connections: 100,
        handshake_timeout: PATIENCE,
        header_timeout: PATIENCE,
        body_timeout: PATIENCE,
        idle_timeout: PATIENCE * 3,
        max_header_size: 16 * 1024,
        client_auth: None,
        client_header: false,
        cipher_order: crate::config::CipherOrder::default(),
        ocsp_fetch: false,
        hsts: None,
        limits: ListenerLimits { per_address: None, body: MinRate::NONE, read: MinRate::NONE },
    }
}

pub(super) fn config(listeners: Vec<ListenerConfig>) -> Config {
    Config {
        state_dir: "state".into(),
        journal: crate::config::JournalConfig::default(),
        workers: None,
        account: None,
        shutdown_grace: PATIENCE,
        held_bodies: 1 << 20,
        listeners,
        admin: AdminConfig::open(SocketAddr::from(([127, 0, 0, 1], 0))),
        access_log: None,
        dns: DnsConfig {
            servers: Vec::new(),
            min_ttl: Duration::from_secs(1),
            max_ttl: Duration::from_secs(60),
            timeout: Duration::from_secs(1),
        },
        routes: Vec::new(),
        pools: Vec::new(),
    }
}

/// `/client` tells who the client is, `/panic` panics, `/wait` answers once the gate opens, `/endless` never ends, anything
/// else says hello.
#[derive(Clone)]
pub(super) struct Hello {
    gate: watch::Receiver<bool>,
    waiting: watch::Sender<usize>,
}

impl Serve for Hello {
    type Body = UnsyncBoxBody<Bytes, Infallible>;

    async fn serve(&self, request: Request<ClientBody>, client: &Rc<Client>) -> Response<Self::Body> {
        let text = match request.head.uri.path() {
            "/client" => format!("{client:?}"),
            "/panic" => panic!("on purpose"),
            "/wait" => {
                self.waiting.send_modify(|waiting| *waiting += 1);
                self.gate.clone().wait_for(|open| *open).await.unwrap();
                "waited".to_owned()
            }
            "/endless" => {
                let part = || Ok(Frame::data(Bytes::from_static(&[b'x'; 32 * 1024])));
                return Response::new(StreamBody::new(futures_util::stream::repeat_with(part)).boxed_unsync());
            }
            _ => "hello".to_owned(),
        };
        Response::new(Full::new(text.into()).boxed_unsync())
    }
}

/// A running server and what its tests look at.
pub(super) struct Fixture {
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) running: Running,
    pub(super) stats: Arc<ListenerStats>,
    pub(super) participant: Arc<dyn crate::control::Participant>,
    pub(super) gate: watch::Sender<bool>,
    pub(super) waiting: watch::Receiver<usize>,
}

impl Fixture {
    pub(super) fn start(config: &Config) -> Self {
        Self::start_as(config, Takeover::Never)
    }

    /// Starts where another one still listens.
    pub(super) fn start_beside(config: &Config) -> Self {
        Self::start_as(config, Takeover::FromPredecessor)
    }

    fn start_as(config: &Config, takeover: Takeover) -> Self {
        let stats = ListenerStats::new(2);
        let server = Server::bind(config, 2, takeover, &stats, CertificateBook::default()).unwrap();
        let (gate, opened) = watch::channel(false);
        let (arrived, waiting) = watch::channel(0);
        let (addresses, participant) = (server.addresses(), server.participant());
        let hello = Hello { gate: opened, waiting: arrived };
        let running = server.start(&Heartbeats::new(2, Clock::start()), move |_: WorkerId| hello.clone()).unwrap();
        Self { addresses, running, stats, participant, gate, waiting }
    }

    pub(super) fn count(&self, counter: impl Fn(&ClientCell) -> &Counter) -> u64 {
        self.stats.cells.sum(counter)
    }

    /// Waits until a counter has reached `wanted`.
    pub(super) async fn counted(&self, wanted: u64, counter: impl Fn(&ClientCell) -> &Counter) {
        until(|| self.count(&counter) >= wanted).await;
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addresses[0]).await.unwrap()
    }
}

/// Waits for a condition that another thread brings about.
pub(super) async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the condition never came true");
}

/// A TLS client that trusts these certificates and offers this protocol; its resumption store is its own.
pub(super) fn tls_client(trusted: &[&CertificateConfig], alpn: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for files in trusted {
        roots.add(CertificateDer::from_pem_file(&files.chain).unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    Arc::new(config)
}

pub(super) async fn handshake(
    config: &Arc<ClientConfig>,
    address: SocketAddr,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(config.clone()).connect(name, TcpStream::connect(address).await?).await
}
