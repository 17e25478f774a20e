//! The values of a config that have more than one way to be written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// A time span: a number and a unit (ms, s, m, h, d), or several.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(rename = "Duration", title = "a duration in quotes", extend("examples" = ["250ms", "2s", "1h30m"]))]
pub(super) struct RawDuration(pub(super) String);

/// A span of time that comes again each week, in UTC: days and hours. One that ends at or before its beginning goes on
/// into the next day; the days are those on which it begins.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(
    rename = "Window",
    title = "a weekly UTC window in quotes",
    extend("examples" = ["Sat 02:00-04:00", "Mon-Fri 22:00-04:00", "02:00-04:00"])
)]
pub(super) struct RawWindow(pub(super) String);

/// A number of bytes, or a number and a unit (B, KiB, MiB, GiB).
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Size", title = "a number of bytes or a size in quotes", extend("examples" = [65536, "256KiB", "1MiB"]))]
pub(super) enum RawSize {
    Bytes(u64),
    Text(String),
}

/// A percentage, or a number from 0 to 1.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Share", title = "a percentage in quotes or a number from 0 to 1", extend("examples" = ["20%", 0.2]))]
pub(super) enum RawShare {
    Number(f64),
    Text(String),
}

/// A set of HTTP statuses: one, a range, several ranges, or an array of those.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Status", title = "a status, a range, or an array of them", extend("examples" = [503, "200-299,304", [502, "503-504"]]))]
pub(super) enum RawStatus {
    One(u64),
    Text(String),
    Many(Vec<RawStatusItem>),
}

/// A status or a range of statuses.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "StatusItem", title = "a status or a range", extend("examples" = [503, "200-299"]))]
pub(super) enum RawStatusItem {
    One(u64),
    Text(String),
}

/// A secret: text in which ${NAME} stands for an environment variable ("$${" for a plain "${"), or a file that holds it.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(
    rename = "Secret",
    title = "a string or a table that names a file",
    extend("examples" = ["${NAME}", {"file": "secrets/token"}], "x-secret" = true)
)]
pub(super) enum RawSecret {
    Text(String),
    File(RawSecretFile),
}

/// A file that holds a secret; white space at its end is not part of it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SecretFile")]
pub(super) struct RawSecretFile {
    /// The path, relative to the config file.
    #[schemars(required)]
    pub(super) file: Option<String>,
}

/// A certificate chain and its private key, as PEM files, relative to this file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Certificate")]
pub(super) struct RawCertificate {
    /// The chain, leaf first.
    #[schemars(required)]
    pub(super) chain: Option<String>,
    /// The private key of the leaf (PKCS#8, PKCS#1 or SEC1).
    #[schemars(required)]
    pub(super) key: Option<String>,
    /// An OCSP response (DER) to staple while it is good and fresh; of a listener's certificate only.
    pub(super) ocsp: Option<String>,
}

/// Header names and values; a value may be a secret.
pub(super) type RawHeaders = BTreeMap<String, RawSecret>;
