//! Whose a client certificate is.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;

use crate::config::{AdminClient, ClientName};
use crate::model::Utc;

/// Those whose certificates a connection was ready to believe when it began: a digest of the CA certificates.
pub(super) type Realm = Arc<[u8; 32]>;

/// What a verified certificate says of whom it belongs to.
#[derive(Debug)]
pub(super) struct Identity {
    names: Vec<ClientName>,
    /// The last moment of its validity.
    pub(super) until: Utc,
    /// Who vouched for it.
    pub(super) realm: Realm,
}

impl Identity {
    /// Reads a leaf that the handshake has verified. None when it cannot be read: then it says nothing.
    pub(super) fn of(leaf: &CertificateDer<'_>, realm: Realm) -> Option<Self> {
        let (_, leaf) = x509_parser::parse_x509_certificate(leaf).ok()?;
        let subject = leaf.subject();
        // More than one common name is one too many to be sure.
        let common: Vec<_> = subject.iter_common_name().filter_map(|name| name.as_str().ok()).collect();
        let common =
            if let [only] = common.as_slice() { Some(ClientName::CommonName((*only).to_owned())) } else { None };
        let alternative = leaf.subject_alternative_name().ok()?;
        let alternative = alternative.iter().flat_map(|all| &all.value.general_names).filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(ClientName::Dns(name.to_ascii_lowercase())),
            GeneralName::RFC822Name(name) => Some(ClientName::Email((*name).to_owned())),
            GeneralName::URI(name) => Some(ClientName::Uri((*name).to_owned())),
            _ => None,
        });
        let until = Utc::from_millis(leaf.validity().not_after.timestamp().saturating_mul(1000));
        Some(Self { names: common.into_iter().chain(alternative).collect(), until, realm })
    }

    /// The first of these that it is.
    pub(super) fn find<'c>(&self, clients: &'c [AdminClient]) -> Option<&'c AdminClient> {
        clients.iter().find(|client| self.names.contains(&client.name))
    }
}
