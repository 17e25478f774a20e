//! TLS connections to the proxy under load.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Outcome;
use crate::arguments::Arguments;

/// A connection, its handshake done.
pub(crate) type Stream = TlsStream<TcpStream>;

/// How connections to one proxy are made.
pub(crate) struct Dial {
    address: SocketAddr,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Dial {
    /// By `--port`, `--certificate` (the PEM file that the proxy must show), and `--tls 1.2` for that version alone.
    pub(crate) fn new(arguments: &Arguments) -> Outcome<Self> {
        let certificate = CertificateDer::from_pem_file(arguments.need::<String>("certificate")?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions: &[_] = match arguments.get("tls") {
            Some("1.2") => &[&rustls::version::TLS12],
            _ => &[&rustls::version::TLS13, &rustls::version::TLS12],
        };
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.clone())?;
        let signatures = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build()?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned { certificate, signatures }))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::disabled();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.need("port")?));
        Ok(Self { address, config: Arc::new(config), name: ServerName::try_from("localhost")? })
    }

    /// The same, with a memory of sessions of its own.
    pub(crate) fn resuming(&self) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = Resumption::in_memory_sessions(8);
        Self { address: self.address, config: Arc::new(config), name: self.name.clone() }
    }

    /// A new connection, from the loopback address 127.0.0.`source`: more than one has more ports.
    pub(crate) async fn connect_from(&self, source: u8) -> std::io::Result<Stream> {
        let socket = TcpSocket::new_v4()?;
        if source > 1 {
            socket.bind((Ipv4Addr::new(127, 0, 0, source), 0).into())?;
        }
        let tcp = socket.connect(self.address).await?;
        tcp.set_nodelay(true)?;
        TlsConnector::from(self.config.clone()).connect(self.name.clone(), tcp).await
    }

    /// A new connection.
    pub(crate) async fn connect(&self) -> std::io::Result<Stream> {
        self.connect_from(1).await
    }
}

/// Takes exactly one certificate; its signatures are checked as usual.
#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    signatures: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *end_entity == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signatures.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signatures.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.supported_verify_schemes()
    }
}
