//! All of a listener's TLS; who may resume a session, and where.
//!
//! A **realm** is where a session ticket is good: all listeners that ask for no client certificate share one, and each that
//! asks for one has its own, which ends when the CA, the revocation lists or the mode change. So no ticket of one realm lets
//! anybody into another (CVE-2025-23419 and its like), whatever keys or names they have in common.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::{CommonState, ServerConfig};

use super::clients::{ClientError, ClientVerifier};
use super::hello::prefers_chacha20;
use super::provider::{Cipher, VERSIONS, in_order};
use super::set::CertificateStore;
use crate::config::{CipherOrder, ClientAuthConfig};
use crate::pki::Identity;

/// The ticket keys of all listeners that ask for no client certificate. They are made anew every six hours, and a ticket is
/// good for twelve at most.
#[derive(Clone, Debug)]
pub struct Tickets(Arc<dyn ProducesTickets>);

impl Tickets {
    /// New keys.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn new() -> Result<Self, rustls::Error> {
        Ok(Self(aws_lc_rs::Ticketer::new()?))
    }
}

/// Most tickets that a client gets for a connection when it asks for a number (RFC 9149).
const MOST_TICKETS: usize = 4;

/// Why a realm cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RealmError {
    /// Client certificates cannot be checked.
    #[error("client_ca: {0}")]
    Clients(#[from] ClientError),
    /// The TLS library refused.
    #[error("cannot set up TLS: {0}")]
    Rustls(#[from] rustls::Error),
}

/// All of a listener's TLS.
#[derive(Debug)]
pub struct Realm {
    config: Arc<ServerConfig>,
    /// The same for clients that prefer ChaCha20.
    chacha20: Arc<ServerConfig>,
    order: CipherOrder,
    clients: Option<ClientVerifier>,
}

impl Realm {
    /// The TLS of a listener that shows what is in `store`, takes suites in this order, offers these protocols by ALPN, and asks
    /// for client certificates as `clients` says. TLS 1.2 and 1.3, no early data, no renegotiation, no compression.
    ///
    /// # Errors
    /// [`RealmError`].
    pub fn new(
        store: Arc<CertificateStore>,
        clients: Option<&ClientAuthConfig>,
        order: CipherOrder,
        shared: &Tickets,
        alpn: &[&[u8]],
    ) -> Result<Arc<Self>, RealmError> {
        let clients = clients.map(ClientVerifier::load).transpose()?;
        let ticketer = if clients.is_some() { aws_lc_rs::Ticketer::new()? } else { shared.0.clone() };
        let made = |ciphers| -> Result<Arc<ServerConfig>, rustls::Error> {
            let builder = ServerConfig::builder_with_provider(in_order(ciphers)).with_protocol_versions(&VERSIONS)?;
            let builder = match &clients {
                Some(clients) => builder.with_client_cert_verifier(clients.inner()),
                None => builder.with_no_client_auth(),
            };
            let mut config = builder.with_cert_resolver(store.clone());
            config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
            config.ticketer = ticketer.clone();
            // Each connection earns the ticket of another one. Who wants more says so (RFC 9149).
            (config.send_tls13_tickets, config.max_tls13_tickets) = (1, MOST_TICKETS);
            config.ignore_client_order = order != CipherOrder::Client;
            // Tickets carry the sessions: nothing is kept here per client.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            Ok(Arc::new(config))
        };
        let config = made(Cipher::order(order, false))?;
        let chacha20 = made(Cipher::order(order, true))?;
        Ok(Arc::new(Self { config, chacha20, order, clients }))
    }

    /// Whether the same clients are let in as in another one, by the same order: then it goes on, and so do its tickets.
    pub fn is_same(&self, other: &Self) -> bool {
        let of = |realm: &Self| (realm.order, realm.clients.as_ref().map(|clients| *clients.fingerprint()));
        of(self) == of(other)
    }

    /// What connections are accepted with, of clients that nothing is known of.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    /// What the connection is accepted with whose first bytes are these; none while they are too few to tell.
    pub fn config_for(&self, came: &[u8]) -> Option<Arc<ServerConfig>> {
        Some(if prefers_chacha20(came)? { self.chacha20.clone() } else { self.config.clone() })
    }

    /// Who the client of a connection is, once its handshake is done, and the leaf that it has shown (DER); none when it has
    /// shown no certificate. Checks the certificate of a resumed session as if it were shown now.
    ///
    /// # Errors
    /// Its certificate is no longer accepted: the connection is to be closed.
    pub fn identify(&self, connection: &CommonState) -> Result<Option<(Identity, Vec<u8>)>, rustls::Error> {
        let Some(clients) = &self.clients else { return Ok(None) };
        match connection.peer_certificates() {
            Some(chain @ [leaf, ..]) => Ok(Some((clients.identify(chain)?, leaf.to_vec()))),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::fixture::certificate_files;
    use crate::tls::set::CertificateSet;

    fn realm(clients: Option<&ClientAuthConfig>, shared: &Tickets) -> Arc<Realm> {
        ordered(clients, CipherOrder::Fast, shared)
    }

    fn ordered(clients: Option<&ClientAuthConfig>, order: CipherOrder, shared: &Tickets) -> Arc<Realm> {
        let folder = tempfile::tempdir().unwrap();
        let set = CertificateSet::load(&[certificate_files(folder.path(), &["bot.test"])]).unwrap();
        Realm::new(CertificateStore::new(Arc::new(set)), clients, order, shared, &[b"h2"]).unwrap()
    }

    #[test]
    fn tickets_are_shared_by_listeners_that_let_everybody_in_and_by_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let ca = certificate_files(folder.path(), &["ca.test"]).chain;
        let clients = ClientAuthConfig { ca, crls: Vec::new(), required: true };
        let shared = Tickets::new().unwrap();
        let (open, another) = (realm(None, &shared), realm(None, &shared));
        let (one, two) = (realm(Some(&clients), &shared), realm(Some(&clients), &shared));
        let opens = |realm: &Realm, ticket: &[u8]| realm.config.ticketer.decrypt(ticket).is_some();
        let ticket = |realm: &Realm| realm.config.ticketer.encrypt(b"session").unwrap();
        assert!(opens(&another, &ticket(&open)));
        assert!(!opens(&one, &ticket(&open)) && !opens(&open, &ticket(&one)));
        assert!(opens(&one, &ticket(&one)) && !opens(&two, &ticket(&one)));
        assert!(one.is_same(&two) && !one.is_same(&open));
        let request = realm(Some(&ClientAuthConfig { required: false, ..clients }), &shared);
        assert!(!request.is_same(&one), "another mode is another realm");
        let strong = ordered(None, CipherOrder::Strong, &shared);
        assert!(!strong.is_same(&open) && opens(&strong, &ticket(&open)), "another order is, but tickets stay good");
    }

    #[test]
    fn tickets_end_after_half_a_day_and_there_is_no_early_data() {
        let realm = realm(None, &Tickets::new().unwrap());
        assert!(realm.config.ticketer.enabled());
        assert!(realm.config.ticketer.lifetime() <= 12 * 3600);
        assert_eq!(realm.config.max_early_data_size, 0);
        assert!(realm.config.ignore_client_order);
        assert_eq!((realm.config.send_tls13_tickets, realm.config.max_tls13_tickets), (1, MOST_TICKETS));
        assert!(!realm.config.session_storage.can_cache());
    }
}
