//! Every certificate that this process shows, for control to look after: what ends soon, and what is to be stapled.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::pki_types::UnixTime;

use super::certificate::Certificate;
use super::set::CertificateSet;
use crate::pki::ocsp::Fault;

/// Largest OCSP response that is read from a file: real ones take one or two KiB.
const LARGEST: u64 = 64 << 10;

/// Every certificate that this process shows. Cheap to clone. No lock is taken by a handshake.
#[derive(Clone, Debug, Default)]
pub struct CertificateBook(Arc<Book>);

#[derive(Debug, Default)]
struct Book {
    /// By who shows them.
    pages: Mutex<BTreeMap<String, Page>>,
    edition: AtomicU64,
}

#[derive(Debug)]
struct Page {
    set: Arc<CertificateSet>,
    fetch: bool,
    faults: Vec<StapleFault>,
}

/// A certificate, and who shows it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The certificate.
    pub certificate: Arc<Certificate>,
    /// Whether OCSP responses are to be fetched for it.
    pub fetch: bool,
}

/// Why the response in an `ocsp` file is not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the OCSP response in {file} is not stapled: {why}")]
pub struct StapleFault {
    /// The file.
    pub file: String,
    /// Why.
    pub why: String,
}

impl CertificateBook {
    /// Writes down what `owner` (`listener 0.0.0.0:443`) shows from now on, in place of what it showed before; `fetch` says
    /// whether OCSP responses are fetched. Staples what the `ocsp` files hold, and what was fetched before for the same
    /// certificate. Reads files.
    pub fn show(&self, owner: &str, set: &Arc<CertificateSet>, fetch: bool) {
        let now = UnixTime::now();
        let mut faults = Vec::new();
        for certificate in &set.all {
            let Some(path) = &certificate.files.ocsp else { continue };
            let stapled =
                read(path).and_then(|response| certificate.staple(&response, now).map_err(|fault| fault.to_string()));
            if let Err(why) = stapled {
                faults.push(StapleFault { file: path.display().to_string(), why });
            }
        }
        let mut pages = self.pages();
        for certificate in &set.all {
            let known = pages.values().flat_map(|page| &page.set.all);
            let same = known.filter(|known| known.fingerprint == certificate.fingerprint);
            for response in same.filter_map(|known| known.response(now)) {
                // What is not fresh any more is left out.
                let _ = certificate.staple(&response, now);
            }
        }
        pages.insert(owner.to_owned(), Page { set: set.clone(), fetch, faults });
        drop(pages);
        self.0.edition.fetch_add(1, Relaxed);
    }

    /// Grows whenever something else is shown.
    pub fn edition(&self) -> u64 {
        self.0.edition.load(Relaxed)
    }

    /// Every certificate, by who shows it, in order of the config. One that is shown twice is here twice.
    pub fn all(&self) -> Vec<Shown> {
        let pages = self.pages();
        let shown = |page: &Page| {
            let fetch = page.fetch;
            page.set.all.iter().map(move |certificate| Shown { certificate: certificate.clone(), fetch }).collect()
        };
        pages.values().flat_map(|page: &Page| -> Vec<Shown> { shown(page) }).collect()
    }

    /// What is wrong with `ocsp` files, as of when they were read.
    pub fn faults(&self) -> Vec<StapleFault> {
        self.pages().values().flat_map(|page| page.faults.clone()).collect()
    }

    /// Staples a response (DER) to every certificate with this fingerprint.
    ///
    /// # Errors
    /// [`Fault`]: why it is not shown.
    pub fn staple(&self, fingerprint: &[u8; 32], response: &[u8], now: UnixTime) -> Result<(), Fault> {
        for shown in self.all().iter().filter(|shown| shown.certificate.fingerprint == *fingerprint) {
            shown.certificate.staple(response, now)?;
        }
        Ok(())
    }

    // A panic while the lock was held leaves a page as it was.
    fn pages(&self) -> MutexGuard<'_, BTreeMap<String, Page>> {
        self.0.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &std::path::Path) -> Result<Vec<u8>, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !size.is_file() || size.len() > LARGEST {
        return Err(format!("it is no file of at most {} KiB", LARGEST >> 10));
    }
    std::fs::read(path).map_err(|error| error.to_string())
}
