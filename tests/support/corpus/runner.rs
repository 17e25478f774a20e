//! Runs cases against one proxy.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::super::client::tls;
use super::super::site::HOST;
use super::backend::{Recorder, Script};
use super::case::{Case, Request};
use super::judge::{Found, Witness, judge};
use super::{frames, wire};

/// How long an answer may take: what says nothing for so long waits for bytes that do not come.
const PATIENCE: Duration = Duration::from_millis(1200);
/// The same for an answer that must come.
const LONG: Duration = Duration::from_secs(10);

/// One proxy in front of a recorder.
pub struct Runner {
    pub address: SocketAddr,
    /// TLS of the client, without ALPN.
    pub tls: Arc<ClientConfig>,
    /// Whether the statuses of the cases count, and that connections end.
    pub exact: bool,
}

/// TLS that trusts the CA of this PEM.
pub fn trusting(pem: &[u8]) -> Arc<ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

impl Runner {
    async fn connect(&self, alpn: &[u8]) -> std::io::Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
        let mut config = ClientConfig::clone(&self.tls);
        config.alpn_protocols = vec![alpn.to_vec()];
        tls(self.address, HOST, Arc::new(config)).await
    }

    /// Runs one case: the client sends, both sides are heard, and then the next clients must get their own answers.
    pub async fn run(&self, case: &Case, backend: &Recorder) -> Found {
        backend.begin(Script { answer: case.answer(), early: case.early, closes: case.closes });
        let request = case.request();
        let client = match &request {
            Request::Bytes(bytes) => {
                let stream = self.connect(b"http/1.1").await.unwrap();
                wire::ask(stream, bytes, case.half_close, case.head_only, PATIENCE).await
            }
            Request::Stream { .. } => {
                let stream = self.connect(b"h2").await.unwrap();
                frames::ask(stream, &request, PATIENCE).await
            }
        };
        // As many as a proxy could keep poisoned connections: those of its workers.
        let mut after = None;
        for number in 0..4 {
            after = after.or(self.next_client(number).await);
        }
        let witness = Witness { client, backend: backend.seen().await, after };
        judge(case, witness, self.exact)
    }

    /// A client with a request of its own: what it got, if not its own answer.
    async fn next_client(&self, number: usize) -> Option<String> {
        let stream = match self.connect(b"http/1.1").await {
            Ok(stream) => stream,
            Err(error) => return Some(format!("no connection: {error}")),
        };
        let request = format!("GET /after/{number} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
        let heard = wire::ask(stream, request.as_bytes(), false, false, LONG).await;
        let own = heard.statuses() == [200] && heard.responses[0].body == format!("GET /after/{number}").as_bytes();
        (!own).then(|| format!("instead of its answer it got {:?}", String::from_utf8_lossy(&heard.bytes)))
    }
}
