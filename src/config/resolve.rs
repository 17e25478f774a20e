//! What a config refers to outside its text: environment variables, secret files, paths.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rustls::pki_types::UnixTime;

use super::certificate;
use super::certificate::CertificateConfig;
use super::findings::{Fault, Place, fault};
use super::raw_values::{RawCertificate, RawHeaders, RawSecret};

/// The world around a config.
pub(super) struct Outside<'a> {
    base: &'a Path,
    env: &'a dyn Fn(&str) -> Option<String>,
    files: RefCell<BTreeSet<PathBuf>>,
    /// Whether keys may be read by their group, as with the Debian group `ssl-cert`.
    group_reads: Cell<bool>,
}

impl<'a> Outside<'a> {
    /// Paths are relative to `base`, variables come from `env`.
    pub(super) fn new(base: &'a Path, env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { base, env, files: RefCell::default(), group_reads: Cell::default() }
    }

    /// From here on, a key that its group can read is as it should be: the config names a group to read it by.
    pub(super) fn group_reads_keys(&self) {
        self.group_reads.set(true);
    }

    /// A path as written, relative to the config file.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        self.base.join(text)
    }

    /// A path to a file that is part of the config.
    fn file(&self, text: &str) -> PathBuf {
        let path = self.path(text);
        self.files.borrow_mut().insert(path.clone());
        path
    }

    /// Every file that the config was made of.
    pub(super) fn into_files(self) -> BTreeSet<PathBuf> {
        self.files.into_inner()
    }

    /// The value of a secret. Whatever is wrong with it, no message holds any of it.
    pub(super) fn secret(&self, place: &Place<'_>, raw: &RawSecret) -> Option<String> {
        match raw {
            RawSecret::Text(text) => place.take(self.interpolate(text)),
            RawSecret::File(named) => {
                let path = self.file(named.file.as_ref()?);
                let place = place.key("file");
                match std::fs::read_to_string(&path) {
                    Ok(text) if text.trim_end().is_empty() => {
                        place.error(format!("the secret file {} is empty", path.display()), "write the secret into it");
                        None
                    }
                    Ok(text) => Some(text.trim_end().to_owned()),
                    Err(error) => {
                        let hint = "the path is relative to the config file; the file is UTF-8 text";
                        place.error(format!("cannot read the secret file {}: {error}", path.display()), hint);
                        None
                    }
                }
            }
        }
    }

    /// A file of text that is part of the config.
    pub(super) fn text(&self, place: &Place<'_>, path: &str) -> Option<String> {
        let path = self.file(path);
        match std::fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) => {
                let hint = "the path is relative to the config file; the file is UTF-8 text";
                place.error(format!("cannot read {}: {error}", path.display()), hint);
                None
            }
        }
    }

    fn interpolate(&self, text: &str) -> Result<String, Fault> {
        let mut value = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, after) = rest.split_at(at);
            if let Some(before) = before.strip_suffix('$') {
                value.push_str(before);
                value.push_str("${");
                rest = &after[2..];
                continue;
            }
            value.push_str(before);
            let close =
                after.find('}').ok_or_else(|| fault("a ${ has no closing }", "${NAME}, or $${ for a plain ${"))?;
            let name = &after[2..close];
            if !is_variable(name) {
                // What stands between the braces may be part of a secret, so it is not repeated.
                return Err(fault("a ${…} does not name an environment variable", "${NAME}, or $${ for a plain ${"));
            }
            match (self.env)(name) {
                Some(found) if !found.is_empty() => value.push_str(&found),
                Some(_) => {
                    let message = format!("the environment variable {name} is empty");
                    return Err(fault(message, format!("set {name}, or take the secret from {{ file = \"…\" }}")));
                }
                None => {
                    let message = format!("the environment variable {name} is not set");
                    return Err(fault(message, format!("set {name}, or take the secret from {{ file = \"…\" }}")));
                }
            }
            rest = &after[close + 1..];
        }
        value.push_str(rest);
        if value.is_empty() {
            Err(fault("the secret is empty", "\"${NAME}\" or { file = \"…\" }"))
        } else {
            Ok(value)
        }
    }

    /// Header names and secret values, values marked sensitive.
    pub(super) fn headers(
        &self,
        place: &Place<'_>,
        raw: Option<&RawHeaders>,
    ) -> Vec<(http::HeaderName, http::HeaderValue)> {
        let mut headers = Vec::new();
        for (name, secret) in raw.into_iter().flatten() {
            let place = place.key(name);
            let Ok(header) = name.parse::<http::HeaderName>() else {
                place.error("this is no header name", "letters, digits and \"-\"");
                continue;
            };
            if is_forbidden_header(&header) {
                place.error("this header belongs to the connection and is set by botgate", "leave it out");
                continue;
            }
            if headers.iter().any(|(known, _)| *known == header) {
                place.error("this header is given twice", "header names do not differ by case");
                continue;
            }
            let Some(value) = self.secret(&place, secret) else { continue };
            match http::HeaderValue::try_from(value) {
                Ok(mut value) => {
                    value.set_sensitive(true);
                    headers.push((header, value));
                }
                Err(_) => place.error("its value cannot be sent in a header", "no line breaks or control characters"),
            }
        }
        headers
    }

    /// A chain and a key that can be read and belong together, to be shown to servers.
    pub(super) fn certificate(&self, place: &Place<'_>, raw: &RawCertificate) -> Option<CertificateConfig> {
        if raw.ocsp.is_some() {
            place.key("ocsp").error("only a listener staples OCSP responses", "leave it out");
        }
        self.certificate_for(place, raw, None)
    }

    /// The same, to be shown to clients; `fetch` is whether OCSP responses are fetched for it.
    pub(super) fn server_certificate(
        &self,
        place: &Place<'_>,
        raw: &RawCertificate,
        fetch: bool,
    ) -> Option<CertificateConfig> {
        self.certificate_for(place, raw, Some(fetch))
    }

    fn certificate_for(
        &self,
        place: &Place<'_>,
        raw: &RawCertificate,
        fetch: Option<bool>,
    ) -> Option<CertificateConfig> {
        let chain = raw.chain.as_ref().map(|path| self.file(path));
        let key = raw.key.as_ref().map(|path| self.file(path));
        let ocsp = raw.ocsp.as_ref().map(|path| self.file(path));
        let config = CertificateConfig { chain: chain?, key: key?, ocsp };
        match certificate::load_certified_key(&config) {
            Ok(loaded) => {
                let mut worries = certificate::worries(&config, &loaded.cert, UnixTime::now(), self.group_reads.get());
                if let Some(fetch) = fetch {
                    worries.extend(certificate::staple_worries(&config, &loaded.cert, fetch, UnixTime::now()));
                }
                for (message, hint) in worries {
                    place.warning(message, hint);
                }
                Some(config)
            }
            Err(error) => {
                place.error(error.to_string(), error.hint());
                None
            }
        }
    }

    /// A file of certificate revocation lists that can be read.
    pub(super) fn crls(&self, place: &Place<'_>, raw: &str) -> Option<PathBuf> {
        let path = self.file(raw);
        match certificate::load_crls(&path) {
            Ok(_) => Some(path),
            Err(error) => {
                place.error(error.to_string(), error.hint());
                None
            }
        }
    }

    /// A file of CA certificates that can be read.
    pub(super) fn roots(&self, place: &Place<'_>, raw: &str) -> Option<PathBuf> {
        let path = self.file(raw);
        match certificate::load_roots(&path) {
            Ok(_) => Some(path),
            Err(error) => {
                place.error(error.to_string(), error.hint());
                None
            }
        }
    }
}

fn is_variable(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Headers that frame a message or belong to one connection (RFC 9110, section 7.6.1), and the one that `host` sets.
pub(super) fn is_forbidden_header(name: &http::HeaderName) -> bool {
    use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
    [CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE].contains(name)
        || name.as_str() == "keep-alive"
        || name.as_str() == "proxy-connection"
}
