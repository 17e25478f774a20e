//! All that control does beyond its own memory, behind one seam, so that its logic runs in virtual time in tests.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::probe::Kept;
use crate::config::{
    BackendConfig, Config, DnsConfig, KeySourceConfig, ParityRequest, ProbeConfig, ResponderConfig, Take,
};
use crate::steering::Sample;
use crate::upstream::TlsClient;

/// A config that was read and is valid.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The config.
    pub config: Arc<Config>,
    /// What is allowed but unwise, as `botgate check` prints it.
    pub warnings: Vec<String>,
    /// The files it was read from: what a file watch watches.
    pub files: Vec<PathBuf>,
}

/// A config that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unloadable {
    /// Every error, as `botgate check` prints it.
    pub errors: Vec<String>,
    /// The files it was read from, and those that it names: a change of any of them may mend it.
    pub files: Vec<PathBuf>,
}

/// The addresses of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// At least one, in order of preference.
    pub addresses: Vec<IpAddr>,
    /// How long they may be used.
    pub ttl: Duration,
}

/// Where a probe goes, and what it asks.
#[derive(Clone, Debug)]
pub struct ProbeTarget {
    /// What is asked.
    pub probe: ProbeConfig,
    /// Of whom.
    pub backend: Arc<BackendConfig>,
    /// TLS to it; none for plain HTTP.
    pub tls: Option<TlsClient>,
    /// Where it is now; empty when its name was never resolved.
    pub addresses: Arc<[SocketAddr]>,
    /// Whether it is to be asked over a new connection.
    pub fresh: bool,
    /// Where one that may be used again is kept.
    pub kept: Kept,
}

/// Why a probe was not good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeError {
    /// The backend did not do what it should; in words.
    Bad(String),
    /// It was not asked, for want of what this machine lacks; in words. It says nothing about the backend.
    Unmade(String),
}

/// Where a question of a parity check goes, and what is taken of the answer.
#[derive(Clone, Debug)]
pub struct ParityTarget {
    /// What is asked, of whom.
    pub request: ParityRequest,
    /// What is taken.
    pub take: Take,
    /// How long it may take.
    pub timeout: Duration,
    /// TLS to the service; none for plain HTTP.
    pub tls: Option<TlsClient>,
    /// Where it is now; empty when its name was never resolved.
    pub addresses: Arc<[SocketAddr]>,
}

/// What control needs of the world.
pub trait Outside: Send + Sync + 'static {
    /// Reads the config again. May take as long as the file system likes: control calls it on a thread of its own.
    ///
    /// # Errors
    /// [`Unloadable`].
    fn load(&self) -> Result<Loaded, Unloadable>;

    /// Probes a backend once; control bounds the time it takes.
    ///
    /// # Errors
    /// [`ProbeError`].
    fn probe(&self, target: ProbeTarget) -> BoxFuture<'static, Result<(), ProbeError>>;

    /// Asks one question of a parity check, for no longer than its timeout. The error says why there is no value.
    fn parity(&self, target: ParityTarget) -> BoxFuture<'static, Result<Sample, String>>;

    /// Fetches the keys that are published at this place, resolving its name in the way that `dns` says; control bounds the
    /// time it takes. Gives the text of the set (JWKS); the error says why there is none.
    fn keys(&self, source: KeySourceConfig, dns: &DnsConfig) -> BoxFuture<'static, Result<String, String>>;

    /// Asks an OCSP responder, resolving its name in the way that `dns` says; control bounds the time it takes, and judges the
    /// answer. The error says why there is none.
    fn ocsp(
        &self,
        responder: ResponderConfig,
        request: Vec<u8>,
        dns: &DnsConfig,
    ) -> BoxFuture<'static, Result<Vec<u8>, String>>;

    /// Asks for the addresses of a name once, in the way that `dns` says. The error says what was wrong.
    fn lookup(&self, host: String, dns: &DnsConfig) -> BoxFuture<'static, Result<Addresses, String>>;
}

/// Tells when the files of the config changed.
pub trait Watch: Send {
    /// Waits until they did. Cancel-safe.
    fn changed(&mut self) -> BoxFuture<'_, ()>;

    /// Watches these files from now on.
    fn set_files(&mut self, files: &[PathBuf]);
}

/// No file watch.
#[derive(Debug)]
pub struct NoWatch;

impl Watch for NoWatch {
    fn changed(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    fn set_files(&mut self, _: &[PathBuf]) {}
}

/// Files as a list for people.
pub(super) fn listed(files: &[PathBuf]) -> String {
    files.iter().map(|file: &PathBuf| Path::display(file).to_string()).collect::<Vec<_>>().join(", ")
}
