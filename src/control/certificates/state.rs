//! What is known of every certificate that this process shows.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::UnixTime;

use super::disk;
use super::schedule::Schedule;
use crate::config::ResponderConfig;
use crate::model::{Moment, Now, Utc};
use crate::pki::{Phase, ocsp};
use crate::telemetry::CertificateStat;
use crate::tls::{Certificate, CertificateBook};

/// What ends soon is told this often.
const REMIND: Duration = Duration::from_secs(24 * 3600);

/// A question for a responder.
#[derive(Debug)]
pub(in crate::control) struct Question {
    /// Of the certificate in question.
    pub(in crate::control) fingerprint: [u8; 32],
    /// Who is asked.
    pub(in crate::control) responder: ResponderConfig,
    /// DER.
    pub(in crate::control) request: Vec<u8>,
}

/// All certificates that this process shows.
#[derive(Debug)]
pub(in crate::control) struct Certificates {
    book: CertificateBook,
    /// The edition of the book that `all` is made of; none: of none yet.
    edition: Option<u64>,
    all: Vec<Known>,
    /// Where answers are kept; none: nowhere.
    directory: Option<PathBuf>,
    next_look: Moment,
}

/// A certificate.
#[derive(Debug)]
struct Known {
    certificate: Arc<Certificate>,
    /// Who is asked about it; none: nobody.
    responder: Option<ResponderConfig>,
    schedule: Schedule,
    /// Why there was no good answer the last time.
    trouble: Option<String>,
}

/// What became of a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Nobody shows the certificate any more.
    Unwanted,
    /// The answer is stapled; whether there was none before.
    Stapled { chain: String, first: bool },
    /// It is not, and why; whether that is new.
    Failed { chain: String, why: String, new: bool },
}

impl Certificates {
    /// Those of this book; answers are kept below `directory`.
    pub(in crate::control) fn new(book: CertificateBook, directory: Option<&Path>) -> Self {
        let directory = directory.map(Path::to_owned);
        Self { book, edition: None, all: Vec::new(), directory, next_look: Moment::ZERO }
    }

    /// Follows the book, and tells whether something else is shown than before. What is asked about for the first time begins
    /// with what the disk has.
    pub(in crate::control) fn follow(&mut self, now: Now) -> bool {
        let edition = self.book.edition();
        if self.edition.replace(edition) == Some(edition) {
            return false;
        }
        let mut old = std::mem::take(&mut self.all);
        for shown in self.book.all() {
            let certificate = shown.certificate;
            if self.all.iter().any(|known| known.certificate.fingerprint == certificate.fingerprint) {
                continue;
            }
            let url = certificate.facts.responder.as_ref().filter(|_| shown.fetch && certificate.request().is_some());
            let (responder, trouble) = match url.map(|url| ResponderConfig::at(url)).transpose() {
                Ok(responder) => (responder, None),
                Err(why) => (None, Some(why)),
            };
            let same = |known: &Known| {
                known.certificate.fingerprint == certificate.fingerprint && known.responder == responder
            };
            let known = match old.iter().position(same) {
                Some(at) => Known { certificate, ..old.swap_remove(at) },
                None => {
                    let kept = self.directory.as_ref().filter(|_| responder.is_some());
                    let kept =
                        kept.and_then(|directory| disk::load(&disk::path_of(directory, &certificate.fingerprint)));
                    if let Some(kept) = kept {
                        // What is no longer good is asked for anew, as if it had not been kept.
                        let _ = self.book.staple(&certificate.fingerprint, &kept, wall(now.utc));
                    }
                    Known { certificate, responder, schedule: Schedule::new(now.at), trouble }
                }
            };
            self.all.push(known);
        }
        self.next_look = now.at;
        true
    }

    /// The questions that are due; they count as asked.
    pub(in crate::control) fn take_due(&mut self, now: Moment) -> Vec<Question> {
        let due = self.all.iter_mut().filter_map(|known| {
            let responder = known.responder.clone().filter(|_| known.schedule.begin(now))?;
            let request = known.certificate.request()?;
            Some(Question { fingerprint: known.certificate.fingerprint, responder, request })
        });
        due.collect()
    }

    /// When something is due next.
    pub(in crate::control) fn wakeup(&self) -> Option<Moment> {
        let asked = self.all.iter().filter(|known| known.responder.is_some());
        asked.filter_map(|known| known.schedule.wakeup()).chain([self.next_look]).min()
    }

    /// Takes an answer in. Only a good one is shown.
    pub(super) fn answered(&mut self, fingerprint: &[u8; 32], result: Result<&[u8], String>, now: Now) -> Taken {
        let Some(known) = self.all.iter_mut().find(|known| known.certificate.fingerprint == *fingerprint) else {
            return Taken::Unwanted;
        };
        let (chain, time) = (known.certificate.files.chain.display().to_string(), wall(now.utc));
        let before = known.certificate.stapled(time);
        let stapled = result.and_then(|response| {
            let stapled = self.book.staple(fingerprint, response, time).and_then(|()| {
                // One that holds longer may be shown already: what counts is that this one is good.
                known.certificate.stapled(time).ok_or(ocsp::Fault::Stale)
            });
            stapled.map_err(|fault| fault.to_string())
        });
        match stapled {
            Ok(span) => {
                let left = span.until.saturating_sub(i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
                let left = Duration::from_secs(u64::try_from(left).unwrap_or(0));
                known.schedule.answered(now.at, left, fastrand::f64());
                known.trouble = None;
                Taken::Stapled { chain, first: before.is_none() }
            }
            Err(why) => {
                known.schedule.failed(now.at, fastrand::f64());
                let new = known.trouble.replace(why.clone()).as_ref() != Some(&why);
                Taken::Failed { chain, why, new }
            }
        }
    }

    /// Where the answer about a certificate is kept.
    pub(super) fn path_of(&self, fingerprint: &[u8; 32]) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| disk::path_of(directory, fingerprint))
    }

    /// Once a day, or when something else is shown: what has ended or ends soon.
    pub(super) fn look(&mut self, now: Now) -> Vec<String> {
        if now.at < self.next_look {
            return Vec::new();
        }
        self.next_look = now.at + REMIND;
        self.all.iter().filter_map(|known| ending(&known.certificate, now.utc)).collect()
    }

    /// What does not work as it should, one sentence each.
    pub(in crate::control) fn trouble(&self, now: Utc) -> Vec<String> {
        let ending = self.all.iter().filter_map(|known| ending(&known.certificate, now));
        let files = self.book.faults();
        let bare = self.all.iter().filter_map(|known| {
            let certificate = &known.certificate;
            let wanted = known.responder.is_some() || known.trouble.is_some() || certificate.files.ocsp.is_some();
            if !wanted || certificate.stapled(wall(now)).is_some() {
                return None;
            }
            let of_file = certificate.files.ocsp.as_ref().and_then(|path| {
                let path = path.display().to_string();
                Some(files.iter().find(|fault| fault.file == path)?.to_string())
            });
            let why = known.trouble.clone().or(of_file).unwrap_or_else(|| "there was no answer yet".to_owned());
            let chain = certificate.files.chain.display();
            Some(format!("no OCSP response is stapled to the certificate in {chain}: {why}"))
        });
        ending.chain(bare).collect()
    }

    /// As the metrics show them.
    pub(super) fn stats(&self, now: Utc) -> Vec<CertificateStat> {
        let stat = |known: &Known| CertificateStat {
            chain: known.certificate.files.chain.display().to_string(),
            not_after: known.certificate.facts.not_after,
            stapled_until: known.certificate.stapled(wall(now)).map(|span| span.until),
            staple_wanted: known.responder.is_some() || known.certificate.files.ocsp.is_some(),
        };
        self.all.iter().map(stat).collect()
    }
}

fn ending(certificate: &Certificate, now: Utc) -> Option<String> {
    let (file, until) = (certificate.files.chain.display(), Utc::from_millis(certificate.facts.not_after * 1000));
    match certificate.facts.phase(wall(now)) {
        Phase::Valid => None,
        Phase::Ending => Some(format!("the certificate in {file} ends at {until}: renew it")),
        Phase::Expired => Some(format!("the certificate in {file} expired at {until}: clients refuse it; renew it")),
        Phase::Early => Some(format!("the certificate in {file} is not valid yet: is this machine's clock right?")),
    }
}

/// The wall clock, as certificates read it.
fn wall(utc: Utc) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(utc.millis()).unwrap_or(0)))
}
