//! The admin listener, as it is written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::raw_tls::RawClientAuth;
use crate::config::raw_values::{RawCertificate, RawDuration, RawSecret};
use crate::model::Role;

/// The admin listener.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Admin")]
pub(in crate::config) struct RawAdmin {
    /// Address and port. Default "127.0.0.1:9443". Beyond loopback callers must prove who they are.
    pub(in crate::config) bind: Option<String>,
    /// The bearer token of an operator.
    pub(super) token: Option<RawSecret>,
    /// Bearer tokens with names and roles; the journal says by which one an order came.
    pub(super) tokens: Option<Vec<RawAdminToken>>,
    /// Whether TLS is spoken. Default: true when there are certificates; without any, false on loopback. Must be written to
    /// listen in plain beyond it.
    pub(super) tls: Option<bool>,
    /// Certificates of this listener, picked by SNI. Reloaded when the files change.
    pub(super) certificates: Option<Vec<RawCertificate>>,
    /// A PEM file of the CA certificates that callers' certificates must come from, relative to this file.
    pub(super) client_ca: Option<String>,
    /// Certificate revocation lists (PEM) for these, one of each CA that issues below `client_ca`. Out of date: no certificate
    /// is accepted.
    pub(super) client_crl: Option<Vec<String>>,
    /// "request" (default with `client_ca`): who shows no certificate needs a token. "require": no connection without one, not
    /// even for health checks.
    pub(super) client_auth: Option<RawClientAuth>,
    /// The callers that are known by their certificate.
    pub(super) clients: Option<Vec<RawAdminClient>>,
    /// Bearer tokens that an OpenID issuer signs: Entra ID, Keycloak and the like.
    pub(super) oidc: Option<RawOidc>,
    /// Names that this listener is asked by; any other `Host` is refused. Addresses of this machine always pass. Default:
    /// any name for callers with a token, else "localhost" and those of the certificates.
    #[schemars(length(min = 1))]
    pub(super) hosts: Option<Vec<String>>,
    /// Whether `botgate watch --activities` shows what users wrote. Default false.
    pub(super) activity_text: Option<bool>,
}

/// A bearer token with a name.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AdminToken")]
pub(super) struct RawAdminToken {
    /// Who has it, as the journal will say.
    #[schemars(required)]
    pub(super) name: Option<String>,
    /// "viewer": look at everything; "operator": give orders as well.
    #[schemars(required)]
    pub(super) role: Option<Role>,
    /// The token.
    #[schemars(required)]
    pub(super) token: Option<RawSecret>,
}

/// A caller by its certificate: one of `cn`, `dns`, `email` and `uri`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AdminClient")]
pub(super) struct RawAdminClient {
    /// The common name of its subject.
    pub(super) cn: Option<String>,
    /// A DNS name among its alternative names.
    pub(super) dns: Option<String>,
    /// A mail address among its alternative names.
    pub(super) email: Option<String>,
    /// A URI among its alternative names, such as a SPIFFE id.
    pub(super) uri: Option<String>,
    /// "viewer": look at everything; "operator": give orders as well.
    #[schemars(required)]
    pub(super) role: Option<Role>,
}

/// Bearer tokens that an OpenID issuer signs with RS256.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AdminOidc")]
pub(super) struct RawOidc {
    /// What its tokens name as `iss`, exactly: "https://login.microsoftonline.com/TENANT/v2.0".
    #[schemars(required)]
    pub(super) issuer: Option<String>,
    /// What they must name as `aud`: the id of the application that stands for botgate.
    #[schemars(required)]
    pub(super) audience: Option<String>,
    /// Where its OpenID metadata is: https, or http on this machine. Default: the issuer's well-known place.
    pub(super) metadata: Option<String>,
    /// A PEM file of CA certificates to trust for it, relative to this file. Default: the system's.
    pub(super) ca: Option<String>,
    /// Which role each value of the roles claim has here.
    #[schemars(required)]
    pub(super) roles: Option<BTreeMap<String, Role>>,
    /// The claim that holds roles: a list of texts, or one text with spaces between them. Default "roles".
    pub(super) roles_claim: Option<String>,
    /// The claim that the journal names callers by. Default "sub"; with Entra ID "oid" is the same in all applications.
    pub(super) actor_claim: Option<String>,
    /// How far the clocks of issuer and gateway may be apart. At most "15m". Default "1m".
    pub(super) skew: Option<RawDuration>,
}
