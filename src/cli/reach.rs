//! Where the admin API is, and how the command line proves who asks: the same for every command that asks it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::uri::Scheme;
use http::{HeaderValue, Uri};
use tokio::net::lookup_host;

use super::client::ClientError;
use crate::config::{BackendConfig, CertificateConfig};
use crate::upstream::{Alpn, DialError, Stream, TlsClient, dial};

/// How long a connection to the admin API may take.
const DIAL: Duration = Duration::from_secs(5);

/// Where the admin API is, and how to prove who asks.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Admin API")]
pub(super) struct AdminArgs {
    /// Where the admin API listens
    #[arg(long = "admin", value_name = "URL", env = "BOTGATE_ADMIN", default_value = "http://127.0.0.1:9443")]
    pub(super) url: String,
    /// A file that holds the token; without one it comes from the environment: BOTGATE_ADMIN_TOKEN
    #[arg(long = "admin-token-file", value_name = "FILE", env = "BOTGATE_ADMIN_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// With https: a PEM file of the CA certificates to trust instead of the system's
    #[arg(long, value_name = "FILE", env = "BOTGATE_ADMIN_CA")]
    ca: Option<PathBuf>,
    /// With https: a PEM file with the certificate to show, and its chain
    #[arg(long, value_name = "FILE", env = "BOTGATE_ADMIN_CERT", requires = "key")]
    cert: Option<PathBuf>,
    /// With https: a PEM file with the private key of that certificate
    #[arg(long, value_name = "FILE", env = "BOTGATE_ADMIN_KEY", requires = "cert")]
    key: Option<PathBuf>,
}

impl AdminArgs {
    /// An admin API at this URL, and nothing to prove anything with.
    #[cfg(test)]
    pub(super) fn at(url: &str) -> Self {
        Self { url: url.to_owned(), ..Self::default() }
    }

    /// The token that the file or the environment holds, if any.
    ///
    /// # Errors
    /// [`ClientError::BadFile`].
    pub(super) fn token(&self) -> Result<Option<String>, ClientError> {
        let Some(path) = &self.token_file else {
            return Ok(std::env::var("BOTGATE_ADMIN_TOKEN").ok().filter(|token| !token.is_empty()));
        };
        let bad = |why: String| ClientError::BadFile { path: path.clone(), why };
        let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
        // As in the config: white space at its end is not part of it.
        let token = text.trim_end();
        if token.is_empty() { Err(bad("it is empty".to_owned())) } else { Ok(Some(token.to_owned())) }
    }
}

/// An admin API, ready to be dialed.
pub(super) struct Endpoint {
    /// Host and port to dial.
    pub(super) address: (String, u16),
    /// The `Host` to send.
    pub(super) host: HeaderValue,
    /// What all paths begin with, without a slash at its end.
    pub(super) base_path: String,
    tls: Option<TlsClient>,
}

impl Endpoint {
    /// What the command line says.
    ///
    /// # Errors
    /// [`ClientError::BadUrl`], [`ClientError::BadFile`], [`ClientError::BadTls`].
    pub(super) fn new(args: &AdminArgs) -> Result<Self, ClientError> {
        let bad = |why: &str| ClientError::BadUrl { url: shown(&args.url), why: why.to_owned() };
        let uri: Uri = args.url.parse().map_err(|_| bad("it is not a URL"))?;
        let secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(bad("only http:// and https:// are spoken here")),
        };
        let authority = uri.authority().ok_or_else(|| bad("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("credentials do not belong into it"));
        }
        if authority.host().is_empty() {
            return Err(bad("it has no host"));
        }
        if !secure && (args.ca.is_some() || args.cert.is_some()) {
            return Err(bad("--ca, --cert and --key are of use with https:// only"));
        }
        let tls = if secure { Some(tls(args, &bad)?) } else { None };
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok(Self {
            address: (authority.host().trim_matches(['[', ']']).to_owned(), port),
            host: HeaderValue::try_from(authority.as_str()).map_err(|_| bad("its host is not one"))?,
            base_path: uri.path().trim_end_matches('/').to_owned(),
            tls,
        })
    }

    /// Whether it is asked by TLS.
    pub(super) const fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether what is sent can be read on the way: neither by TLS nor to this machine.
    pub(super) fn is_open_to_the_network(&self) -> bool {
        let host = self.address.0.as_str();
        let address = host.parse::<IpAddr>().map(|address| address.to_canonical());
        let local = host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback());
        self.tls.is_none() && !local
    }

    /// Connects. The error says why not, and what to do where that is known.
    pub(super) async fn dial(&self) -> Result<Stream, String> {
        let (host, port) = (self.address.0.as_str(), self.address.1);
        let late = || format!("no connection within {} s", DIAL.as_secs());
        let found = tokio::time::timeout(DIAL, lookup_host((host, port))).await.map_err(|_| late())?;
        let addresses: Vec<_> = found.map_err(|error| error.to_string())?.collect();
        match dial(&addresses, self.tls.as_ref(), Alpn::Http1, DIAL).await {
            Ok(dialed) => Ok(dialed.stream),
            Err(DialError::Connect { error, .. }) => Err(error.to_string()),
            Err(DialError::TimedOut(_)) => Err(late()),
            Err(error @ DialError::Tls { .. }) => Err(format!("{error} (--ca FILE says whom to trust)")),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// A URL as a message may repeat it: without credentials, which are somebody's secret even where they do not belong.
fn shown(url: &str) -> String {
    let Some((before, after)) = url.rsplit_once('@') else { return url.to_owned() };
    let scheme = before.find("://").map_or("", |end| &before[..end + 3]);
    format!("{scheme}…@{after}")
}

fn tls(args: &AdminArgs, bad: &dyn Fn(&str) -> ClientError) -> Result<TlsClient, ClientError> {
    let pair = args.cert.clone().zip(args.key.clone()).map(|(chain, key)| CertificateConfig { chain, key, ocsp: None });
    for path in [&args.ca, &args.cert, &args.key].into_iter().flatten() {
        readable(path)?;
    }
    let service = BackendConfig::service_at(&args.url, args.ca.clone(), pair).map_err(|why| bad(&why))?;
    let tls = TlsClient::new(&service).map_err(|error| ClientError::BadTls(error.to_string()))?;
    tls.ok_or_else(|| bad("it is no https:// URL"))
}

fn readable(path: &Path) -> Result<(), ClientError> {
    let bad = |error: std::io::Error| ClientError::BadFile { path: path.to_owned(), why: error.to_string() };
    std::fs::File::open(path).map(drop).map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Exit;

    #[test]
    fn urls_are_taken_apart_or_refused() {
        let endpoint = Endpoint::new(&AdminArgs::at("http://[::1]:9443/behind/")).unwrap();
        assert_eq!((endpoint.address, endpoint.base_path.as_str()), (("::1".into(), 9443), "/behind"));
        for bad in ["ftp://localhost", "localhost:9443", "http://a:b@c", "https://a:b@c", "http://", "::", ""] {
            let error = Endpoint::new(&AdminArgs::at(bad)).err().unwrap();
            assert_eq!(error.exit(), Exit::Usage, "{bad}");
            assert!(error.to_string().contains("BOTGATE_ADMIN"), "{error}");
            assert!(!error.to_string().contains("a:b@"), "{error}");
        }
    }

    #[test]
    fn what_a_network_can_read_is_told_from_what_it_cannot() {
        let open = |url: &str| Endpoint::new(&AdminArgs::at(url)).unwrap().is_open_to_the_network();
        for url in ["http://localhost:9443", "http://127.0.0.1", "http://[::1]:9443", "https://gate.example:9443"] {
            assert!(!open(url), "{url}");
        }
        for url in ["http://gate.example:9443", "http://10.0.0.1", "http://localhost.example", "http://[2001:db8::1]"] {
            assert!(open(url), "{url}");
        }
    }

    #[test]
    fn what_is_of_no_use_without_tls_is_refused_and_files_that_are_not_there_are_named() {
        let ca = AdminArgs { ca: Some("/nowhere/ca.pem".into()), ..AdminArgs::at("http://localhost") };
        assert!(Endpoint::new(&ca).err().unwrap().to_string().contains("https"));
        let ca = AdminArgs { url: "https://localhost".into(), ..ca };
        let error = Endpoint::new(&ca).err().unwrap();
        assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
        assert_eq!(error.exit(), Exit::Usage);
    }

    #[test]
    fn a_token_comes_from_its_file_without_the_line_break_at_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let args = AdminArgs { token_file: Some(path.clone()), ..AdminArgs::at("http://localhost") };
        assert!(args.token().unwrap_err().to_string().contains(path.to_str().unwrap()));
        std::fs::write(&path, "s3cret\n").unwrap();
        assert_eq!(args.token().unwrap().as_deref(), Some("s3cret"));
        std::fs::write(&path, "\n").unwrap();
        assert_eq!(args.token().unwrap_err().exit(), Exit::Usage);
    }
}
