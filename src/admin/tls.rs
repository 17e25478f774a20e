//! TLS of the admin listener: its certificates, and the callers' whose CA it believes.

use std::sync::Arc;

use rustls::server::ServerConnection;

use crate::config::{AdminTls, CipherOrder};
use crate::pki::Identity;
use crate::tls::{CertificateSet, CertificateStore, Realm, Tickets};

/// What connections are begun with, from one config. A reload makes another one.
pub(super) struct Tls {
    pub(super) set: Arc<CertificateSet>,
    realm: Arc<Realm>,
}

/// Whose certificate a connection was begun with.
pub(super) struct Shown {
    pub(super) identity: Identity,
    /// Who vouched for it.
    realm: Arc<Realm>,
}

impl Tls {
    /// Reads the files. What speaks h2 finds nothing here that is worth it.
    ///
    /// # Errors
    /// Which file is bad, and why.
    pub(super) fn load(config: &AdminTls) -> Result<Self, String> {
        let set = CertificateSet::load(&config.certificates).map_err(|errors| errors.join("; "))?;
        let set = Arc::new(set);
        let tickets = Tickets::new().map_err(|error| error.to_string())?;
        let store = CertificateStore::new(set.clone());
        let realm = Realm::new(store, config.client_auth.as_ref(), CipherOrder::Fast, &tickets, &[b"http/1.1"]);
        Ok(Self { set, realm: realm.map_err(|error| error.to_string())? })
    }

    /// What new connections are begun with.
    pub(super) fn realm(&self) -> Arc<Realm> {
        self.realm.clone()
    }

    /// Whether the same callers are believed as by another one.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.realm.is_same(&other.realm)
    }

    /// Whether a certificate that was shown earlier would be believed now: a connection outlives the rules it began with.
    pub(super) fn still_believes(&self, shown: &Shown) -> bool {
        self.realm.is_same(&shown.realm)
    }
}

impl Shown {
    /// Who a new connection is with; none when it has shown no certificate.
    ///
    /// # Errors
    /// Its certificate is not accepted any more: the connection is to be closed.
    pub(super) fn of(connection: &ServerConnection, realm: Arc<Realm>) -> Result<Option<Arc<Self>>, rustls::Error> {
        let found = realm.identify(connection)?;
        Ok(found.map(|(identity, _)| Arc::new(Self { identity, realm })))
    }
}
