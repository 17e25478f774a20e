//! A validated backend: where it is, and what it is sent.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};

use super::address;
use super::certificate::CertificateConfig;
use crate::model::BackendName;

/// One regional deployment.
#[derive(Clone, PartialEq)]
pub struct BackendConfig {
    /// Unique in its pool.
    pub name: BackendName,
    /// Where it is.
    pub url: BackendUrl,
    /// 1 is first; equal priorities stand in order of writing.
    pub priority: u32,
    /// The `Host` it is sent; none takes the URL's.
    pub host: Option<HeaderValue>,
    /// The TLS server name; none takes the URL's host.
    pub server_name: Option<String>,
    /// Headers set on every request to it: its credentials. Values are marked sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Path prefixes that are replaced, the first that fits.
    pub rewrite: Vec<RewriteConfig>,
    /// What it is asked by as a question-answering service.
    pub question: QuestionConfig,
    /// CA certificates to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// The client certificate to show.
    pub client_certificate: Option<CertificateConfig>,
    /// Whether HTTP/2 is offered by ALPN. Only with https.
    pub http2: bool,
}

impl BackendConfig {
    /// A service that is asked beside the backends (keys, tokens, a companion of a parity check): reached as they are, with
    /// nothing of its own but whom it is trusted by.
    pub(super) fn service(name: BackendName, url: BackendUrl, ca: Option<PathBuf>) -> Self {
        Self {
            name,
            priority: 1,
            host: None,
            server_name: None,
            headers: Vec::new(),
            rewrite: Vec::new(),
            question: QuestionConfig::default(),
            ca,
            client_certificate: None,
            http2: url.tls,
            url,
        }
    }
}

impl BackendConfig {
    /// A service that the command line names, over HTTP/1.1, with what it is trusted by and shown.
    ///
    /// # Errors
    /// What is wrong with the URL, without repeating it.
    pub fn service_at(
        url: &str,
        ca: Option<PathBuf>,
        client_certificate: Option<CertificateConfig>,
    ) -> Result<Self, String> {
        let url = address::backend_url(url).map_err(|fault| fault.message)?;
        let service = Self::service(url.host.as_str().into(), url, ca);
        Ok(Self { client_certificate, http2: false, ..service })
    }
}

impl std::fmt::Debug for BackendConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let headers: Vec<&HeaderName> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("BackendConfig")
            .field("name", &self.name)
            .field("url", &self.url.to_string())
            .field("priority", &self.priority)
            .field("headers", &headers)
            .finish_non_exhaustive()
    }
}

/// The URL of a backend. Without credentials, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BackendUrl {
    /// Whether the scheme is `https`.
    pub tls: bool,
    /// Host name (lower case) or address, without brackets.
    pub host: String,
    /// Port; 443 or 80 when the URL has none.
    pub port: u16,
    /// What the path begins with: empty, or `/x` without a slash at its end.
    pub base_path: String,
}

impl BackendUrl {
    /// `host` or `host:port`, as in a `Host` header: the port only when it is not the scheme's own.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

impl std::fmt::Display for BackendUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.base_path)
    }
}

/// A path prefix that is replaced on the way to a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RewriteConfig {
    /// The prefix, on segment borders.
    pub prefix: String,
    /// What takes its place.
    pub to: String,
}

/// What a question-answering service is asked by in its own region. Empty for every other service: then requests pass as they
/// are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuestionConfig {
    /// The id of its knowledge base (QnA Maker).
    pub kb: Option<String>,
    /// Its project (custom question answering).
    pub project: Option<String>,
    /// Its deployment of that project; none: the one that is asked for.
    pub deployment: Option<String>,
    /// Whether it has a key: then the backend's `headers` hold it in both spellings, and a client's own credentials do not
    /// reach it.
    pub keyed: bool,
}

impl QuestionConfig {
    /// Whether requests pass as they are sent.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
