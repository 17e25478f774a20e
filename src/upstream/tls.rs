//! TLS towards backends.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

/// How to speak TLS to one backend: what to trust, what to show, which name to ask for.
#[derive(Clone, Debug)]
pub struct TlsClient {
    /// Trust, client certificate and ALPN.
    pub config: Arc<ClientConfig>,
    /// The same, offering only HTTP/1.1: for upgrades, which HTTP/2 connections do not carry here.
    pub config_http1: Arc<ClientConfig>,
    /// SNI, and the name that the certificate must bear.
    pub server_name: ServerName<'static>,
}
