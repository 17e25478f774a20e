//! A listener as its connections see it, and its part in a reload.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use arc_swap::ArcSwap;

use super::limits::Addresses;
use crate::config::{Config, ListenerConfig};
use crate::control::{Participant, Prepared};
use crate::model::Source;
use crate::telemetry::ListenerStats;
use crate::tls::{CertificateBook, CertificateSet, CertificateStore, Realm, RealmError, Tickets};

/// What clients may speak within TLS, best first.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// One listener, shared by all workers.
pub(super) struct Listener {
    /// Its place in the config.
    pub(super) index: usize,
    /// Where it is bound.
    pub(super) address: SocketAddr,
    /// TLS, or none for plain HTTP.
    pub(super) tls: Option<Tls>,
    /// Its limits and deadlines; a connection keeps those that it began with.
    pub(super) config: ArcSwap<ListenerConfig>,
    /// Connections open over all workers.
    pub(super) open: AtomicUsize,
    /// Of these, how many from each address.
    pub(super) addresses: Addresses,
}

pub(super) struct Tls {
    pub(super) store: Arc<CertificateStore>,
    realm: ArcSwap<Realm>,
}

impl Tls {
    /// The realm that a new connection belongs to.
    pub(super) fn realm(&self) -> Arc<Realm> {
        self.realm.load_full()
    }
}

/// Why the TLS side of a listener could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Certificates that cannot be used, one line each.
    #[error("listener {listener}: {}", errors.join("; "))]
    Certificates {
        /// Which listener, counted from 1 in order of the config.
        listener: usize,
        /// What is wrong.
        errors: Vec<String>,
    },
    /// Its client certificates cannot be checked.
    #[error("listener {listener}: {error}")]
    Realm {
        /// Which listener, counted from 1 in order of the config.
        listener: usize,
        /// What is wrong.
        error: RealmError,
    },
    /// The TLS library refused.
    #[error("cannot set up TLS: {0}")]
    Rustls(#[from] rustls::Error),
}

/// What a listener is called where its certificates are written down.
fn owner(address: SocketAddr) -> String {
    format!("listener {address}")
}

/// An address has as many connections as it may.
#[derive(Debug, thiserror::Error)]
#[error("{0} has as many connections as max_connections_per_address allows")]
pub(super) struct Crowded(Source);

impl Listener {
    pub(super) fn new(
        index: usize,
        address: SocketAddr,
        config: ListenerConfig,
        tickets: &Tickets,
        book: &CertificateBook,
    ) -> Result<Self, TlsError> {
        let tls = match &config.certificates {
            None => None,
            Some(files) => {
                let set = CertificateSet::load(files)
                    .map_err(|errors| TlsError::Certificates { listener: index + 1, errors })?;
                let set = Arc::new(set);
                book.show(&owner(address), &set, config.ocsp_fetch);
                let store = CertificateStore::new(set);
                let (clients, order) = (config.client_auth.as_ref(), config.cipher_order);
                let realm = Realm::new(store.clone(), clients, order, tickets, &ALPN)
                    .map_err(|error| TlsError::Realm { listener: index + 1, error })?;
                Some(Tls { store, realm: ArcSwap::new(realm) })
            }
        };
        Ok(Self {
            index,
            address,
            tls,
            config: ArcSwap::from_pointee(config),
            open: AtomicUsize::new(0),
            addresses: Addresses::default(),
        })
    }

    /// Takes a place under `max_connections`, which [`Self::leave`] gives back; false when there is none.
    pub(super) fn enter(&self, max_connections: usize) -> bool {
        if self.open.fetch_add(1, Relaxed) < max_connections {
            return true;
        }
        self.leave();
        false
    }

    /// Takes a place for a connection from there: none where no cap holds for it.
    ///
    /// # Errors
    /// It has as many as it may.
    pub(super) fn enter_from(&self, config: &ListenerConfig, peer: IpAddr) -> Result<Option<Source>, Crowded> {
        let Some(most) = config.limits.per_address else { return Ok(None) };
        // Behind a trusted proxy are many clients.
        if config.trusted.iter().any(|network| network.contains(peer)) {
            return Ok(None);
        }
        let source = Source::from(peer);
        if self.addresses.enter(source, most, Instant::now()) { Ok(Some(source)) } else { Err(Crowded(source)) }
    }

    pub(super) fn leave(&self) {
        self.open.fetch_sub(1, Relaxed);
    }
}

/// All listeners, as a reload meets them.
#[derive(Clone)]
pub(super) struct Listeners {
    pub(super) all: Arc<[Arc<Listener>]>,
    /// `workers` as the process was started with it.
    pub(super) workers: Option<usize>,
    /// The ticket keys of those that ask for no client certificate.
    pub(super) tickets: Tickets,
    /// Where the certificates that are shown are written down.
    pub(super) book: CertificateBook,
    /// Holds the budget of held bytes.
    pub(super) stats: Arc<ListenerStats>,
}

/// What a reload swaps in one listener's TLS.
struct NextTls {
    set: Arc<CertificateSet>,
    /// None: the one that is there goes on, and its tickets stay good.
    realm: Option<Arc<Realm>>,
}

impl Listeners {
    /// Reads what the TLS of a listener is made of.
    fn next_tls(&self, listener: &Listener, wanted: &ListenerConfig) -> Result<Option<NextTls>, Vec<String>> {
        let Some(files) = &wanted.certificates else { return Ok(None) };
        let set = Arc::new(CertificateSet::load(files)?);
        let Some(tls) = &listener.tls else { return Ok(Some(NextTls { set, realm: None })) };
        let (clients, order) = (wanted.client_auth.as_ref(), wanted.cipher_order);
        let realm = Realm::new(tls.store.clone(), clients, order, &self.tickets, &ALPN)
            .map_err(|error| vec![format!("listener {}: {error}", wanted.bind)])?;
        let realm = Some(realm).filter(|realm| !realm.is_same(&tls.realm()));
        Ok(Some(NextTls { set, realm }))
    }
}

impl Participant for Listeners {
    fn prepare(&self, next: &Config) -> Result<Prepared, Vec<String>> {
        let (mut swaps, mut errors, mut needs_restart) = (Vec::new(), Vec::new(), Vec::new());
        if next.workers != self.workers {
            needs_restart.push("workers".to_owned());
        }
        if next.listeners.len() != self.all.len() {
            needs_restart.push("listener: their number".to_owned());
        }
        for (number, wanted) in next.listeners.iter().enumerate() {
            // Found by address, so that moving a [[listener]] up or down in the file changes nothing.
            let same = |listener: &&Arc<Listener>| listener.config.load().bind == wanted.bind;
            let Some(listener) = self.all.iter().find(same) else {
                needs_restart.push(format!("listener {}: bind = {}", number + 1, wanted.bind));
                // Its certificates are still read: a file that will not start must not be called good.
                if let Some(files) = &wanted.certificates
                    && let Err(found) = CertificateSet::load(files)
                {
                    errors.extend(found);
                }
                continue;
            };
            if listener.config.load().proxy_protocol != wanted.proxy_protocol {
                needs_restart.push(format!("listener {}: proxy_protocol", number + 1));
            }
            if listener.tls.is_some() != wanted.certificates.is_some() {
                needs_restart.push(format!("listener {}: tls", number + 1));
            }
            let tls = match self.next_tls(listener, wanted) {
                Ok(tls) => tls,
                Err(found) => {
                    errors.extend(found);
                    continue;
                }
            };
            // What takes a restart stays as it is even where a connection would read it from the new config.
            let mut config = wanted.clone();
            config.proxy_protocol = listener.config.load().proxy_protocol;
            swaps.push((listener.clone(), tls, config));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let (book, stats, held) = (self.book.clone(), self.stats.clone(), next.held_bodies);
        let commit = Box::new(move || {
            stats.held.set_limit(held);
            for (listener, next, config) in swaps {
                if let (Some(tls), Some(NextTls { set, realm })) = (&listener.tls, next) {
                    book.show(&owner(listener.address), &set, config.ocsp_fetch);
                    tls.store.swap(set);
                    if let Some(realm) = realm {
                        tls.realm.store(realm);
                    }
                }
                listener.config.store(Arc::new(config));
            }
        });
        Ok(Prepared { commit, needs_restart })
    }
}
