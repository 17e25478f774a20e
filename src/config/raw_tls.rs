//! What is written about client certificates, ciphers, stapling and HSTS.

use schemars::JsonSchema;
use serde::Deserialize;

use super::raw_values::RawDuration;

/// What becomes of a client that shows no certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "ClientAuth")]
pub(super) enum RawClientAuth {
    /// Its handshake fails.
    #[default]
    Require,
    /// It is served; only who shows a bad certificate is not.
    Request,
}

/// In which order suites are taken, of those that a client offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "CipherOrder")]
pub(super) enum RawCipherOrder {
    /// AES-128 first, which costs least; ChaCha20 for who puts that first, having no AES in hardware.
    #[default]
    Fast,
    /// Keys of 256 bits first: AES-256, or ChaCha20 for who puts that first.
    Strong,
    /// As the client would have it.
    Client,
}

/// Whether OCSP responses are fetched from the certificates' issuers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Ocsp")]
pub(super) enum RawOcsp {
    /// Only what is in `ocsp` files is stapled.
    #[default]
    Off,
    /// In the background, from the responder that each certificate names.
    Fetch,
}

/// Strict-Transport-Security: how long, or a table.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Hsts", title = "a duration in quotes or a table", extend("examples" = ["365d", {"max_age": "365d", "subdomains": true}]))]
pub(super) enum RawHsts {
    MaxAge(RawDuration),
    Table(RawHstsTable),
}

/// Strict-Transport-Security.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "HstsTable")]
pub(super) struct RawHstsTable {
    /// For how long a browser comes by https only, and takes no certificate that it cannot verify.
    #[schemars(required)]
    pub(super) max_age: Option<RawDuration>,
    /// To all names below the host as well. Default false.
    pub(super) subdomains: Option<bool>,
    /// Whether browsers may have it built in: at least "365d", with subdomains. Default false.
    pub(super) preload: Option<bool>,
}
