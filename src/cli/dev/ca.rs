//! The local CA of `botgate dev`, and the `localhost` certificates that it issues.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate, parse_x509_pem};

const DAY: Duration = Duration::from_secs(86_400);
const CA_LIFE: Duration = Duration::from_secs(3650 * 86_400);
const LEAF_LIFE: Duration = Duration::from_secs(90 * 86_400);
/// A leaf with less than this left is issued anew.
const LEAF_SPARE: Duration = Duration::from_secs(30 * 86_400);
/// By this a CA is known to be ours.
const ORGANIZATION: &str = "botgate dev";
const NAMES: [&str; 4] = ["localhost", "*.localhost", "127.0.0.1", "::1"];

/// Files for TLS on `localhost`, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DevCertificates {
    /// The CA, to be trusted by clients.
    pub ca: PathBuf,
    /// The certificate of `localhost`.
    pub chain: PathBuf,
    /// Its key, mode 0600.
    pub key: PathBuf,
    /// Whether the CA was made just now: nobody trusts it yet.
    pub created: bool,
}

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub(super) enum DevCaError {
    /// A file or folder cannot be read or written.
    #[error("cannot {what} {path}: {source}; check its permissions", path = path.display())]
    Io {
        /// `read`, `write` …
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The CA's files are there but cannot be used.
    #[error("the local CA in {dir} cannot be used: {why}; delete {dir}/ca.pem and {dir}/ca.key to have a new one made", dir = dir.display())]
    Broken {
        /// The folder.
        dir: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// There is a CA that botgate did not make; it is left alone.
    #[error("{path} was not made by botgate and is left as it is; move ca.pem and ca.key away, or use another folder", path = .0.display())]
    Foreign(PathBuf),
    /// A certificate cannot be made.
    #[error("cannot make a certificate: {0}; check the names it is for")]
    Make(#[from] rcgen::Error),
}

/// Makes sure that `dir` holds a local CA and a certificate for localhost, *.localhost, 127.0.0.1, ::1 and `names` (host
/// names or addresses), valid for a month at least. What is there and good is left as it is; starts at the same time wait
/// for each other.
///
/// Some clients (rustls, OpenSSL) take no wildcard right below a top-level name: a name such as `weu.localhost` that must
/// work with them belongs into `names`.
///
/// # Errors
/// [`DevCaError`], which says what to delete or change.
pub(super) fn ensure(dir: &Path, names: &[String]) -> Result<DevCertificates, DevCaError> {
    fs::create_dir_all(dir).map_err(failed("create", dir))?;
    let lock = dir.join(".lock");
    let held = File::create(&lock).map_err(failed("write", &lock))?;
    held.lock().map_err(failed("lock", &lock))?;
    let [ca, ca_key, chain, key] = ["ca.pem", "ca.key", "localhost.pem", "localhost.key"].map(|file| dir.join(file));

    let created = !exists(&ca)? && !exists(&ca_key)?;
    if created {
        make_ca(&ca, &ca_key)?;
    }
    let (ca_pem, issuer) = load_ca(dir, &ca, &ca_key)?;
    let mut wanted: Vec<String> = NAMES.map(str::to_owned).to_vec();
    wanted.extend(names.iter().filter(|name| !NAMES.contains(&name.as_str())).cloned());
    if !leaf_fits(&chain, &key, &ca_pem, &wanted) {
        make_leaf(&issuer, &chain, &key, wanted)?;
    }
    Ok(DevCertificates { ca, chain, key, created })
}

fn make_ca(path: &Path, key_path: &Path) -> Result<(), DevCaError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::OrganizationName, ORGANIZATION);
    params.distinguished_name.push(DnType::CommonName, "botgate dev local CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for(&mut params, CA_LIFE);
    let certificate = params.self_signed(&key)?;
    // The key first: a CA without its key could issue nothing, a key without its CA is replaced by hand.
    write(key_path, &key.serialize_pem(), 0o600)?;
    write(path, &certificate.pem(), 0o644)
}

fn load_ca(dir: &Path, path: &Path, key_path: &Path) -> Result<(String, Issuer<'static, KeyPair>), DevCaError> {
    let broken = |why: String| DevCaError::Broken { dir: dir.to_owned(), why };
    let pem = read(path)?;
    let (_, parsed) = parse_x509_pem(pem.as_bytes()).map_err(|_| broken("ca.pem is not a PEM certificate".into()))?;
    let (_, certificate) =
        X509Certificate::from_der(&parsed.contents).map_err(|_| broken("ca.pem is not a certificate".into()))?;
    let ours = certificate.subject().iter_organization().any(|name| name.as_str() == Ok(ORGANIZATION));
    if !ours {
        return Err(DevCaError::Foreign(path.to_owned()));
    }
    if !lasts(&certificate, LEAF_LIFE) {
        return Err(broken("it expires within 90 days".into()));
    }
    let key = KeyPair::from_pem(&read(key_path)?).map_err(|e| broken(format!("ca.key is not a private key: {e}")))?;
    if certificate.public_key().subject_public_key.data.as_ref() != rcgen::PublicKeyData::der_bytes(&key) {
        return Err(broken("ca.key is not the key of ca.pem".into()));
    }
    let issuer = Issuer::from_ca_cert_pem(&pem, key).map_err(|e| broken(e.to_string()))?;
    Ok((pem, issuer))
}

fn make_leaf(
    issuer: &Issuer<'static, KeyPair>,
    path: &Path,
    key_path: &Path,
    names: Vec<String>,
) -> Result<(), DevCaError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    valid_for(&mut params, LEAF_LIFE);
    let certificate = params.signed_by(&key, issuer)?;
    write(key_path, &key.serialize_pem(), 0o600)?;
    write(path, &certificate.pem(), 0o644)
}

/// Whether the leaf there is good: ours, for all names, its key with it, not near its end. Otherwise it is made anew.
fn leaf_fits(path: &Path, key_path: &Path, ca_pem: &str, names: &[String]) -> bool {
    let (Ok(pem), Ok(key)) = (fs::read_to_string(path), fs::read_to_string(key_path)) else { return false };
    let (Ok((_, leaf)), Ok((_, ca))) = (parse_x509_pem(pem.as_bytes()), parse_x509_pem(ca_pem.as_bytes())) else {
        return false;
    };
    let (Ok((_, leaf)), Ok((_, ca))) =
        (X509Certificate::from_der(&leaf.contents), X509Certificate::from_der(&ca.contents))
    else {
        return false;
    };
    let Ok(key) = KeyPair::from_pem(&key) else { return false };
    let held: Vec<String> = leaf
        .subject_alternative_name()
        .ok()
        .flatten()
        .map_or_else(Vec::new, |names| names.value.general_names.iter().filter_map(name_of).collect());
    let authority = leaf.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0.to_vec()),
        _ => None,
    });
    let subject = ca.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    });
    authority.is_some()
        && authority == subject
        && leaf.public_key().subject_public_key.data.as_ref() == rcgen::PublicKeyData::der_bytes(&key)
        && lasts(&leaf, LEAF_SPARE)
        && names.iter().all(|name| held.contains(name))
}

fn name_of(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn lasts(certificate: &X509Certificate<'_>, span: Duration) -> bool {
    let until = (since_epoch() + span).as_secs();
    u64::try_from(certificate.validity().not_after.timestamp()).is_ok_and(|end| end > until)
}

fn valid_for(params: &mut CertificateParams, life: Duration) {
    let now = date_time_ymd(1970, 1, 1) + since_epoch();
    // A day early: clocks of containers and virtual machines lag.
    params.not_before = now - DAY;
    params.not_after = now + life;
}

fn exists(path: &Path) -> Result<bool, DevCaError> {
    path.try_exists().map_err(failed("read", path))
}

fn read(path: &Path) -> Result<String, DevCaError> {
    fs::read_to_string(path).map_err(failed("read", path))
}

/// Writes beside the file, then renames: a reader sees the old file or the new one, never half.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), DevCaError> {
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let _ = fs::remove_file(&beside);
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside).map_err(failed("write", &beside))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed("write", &beside))?;
    fs::rename(&beside, path).map_err(failed("write", path))
}

fn failed<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> DevCaError + 'a {
    move |source| DevCaError::Io { what, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
