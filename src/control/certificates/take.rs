//! What control makes of an answer.

use super::disk;
use super::state::Taken;
use crate::control::Control;

impl Control {
    /// Follows what is shown, tells of what ends soon, and asks the responders that are due.
    pub(in crate::control) fn mind_certificates(&mut self) {
        let now = self.time.both();
        let changed = self.certificates.follow(now);
        for told in self.certificates.look(now) {
            tracing::warn!("{told}");
        }
        if changed {
            self.show_certificates();
        }
        let config = self.dns();
        for question in self.certificates.take_due(now.at) {
            self.errands.ocsp(&self.outside, question, &config.dns);
        }
    }

    /// Takes an OCSP response in: handshakes show it from the next one on, and the disk keeps it.
    pub(in crate::control) fn take_ocsp(&mut self, fingerprint: &[u8; 32], result: Result<Vec<u8>, String>) {
        let now = self.time.both();
        let (response, result) = match result {
            Ok(response) => (response, Ok(())),
            Err(why) => (Vec::new(), Err(why)),
        };
        let taken = self.certificates.answered(fingerprint, result.map(|()| response.as_slice()), now);
        match &taken {
            Taken::Unwanted => return,
            Taken::Stapled { chain, first: true } => {
                tracing::info!("an OCSP response is stapled to the certificate in {chain}")
            }
            Taken::Stapled { chain, first: false } => {
                tracing::debug!("a newer OCSP response for the certificate in {chain}")
            }
            Taken::Failed { chain, why, new: true } => {
                tracing::warn!(
                    "no good OCSP response for the certificate in {chain}, one that is still fresh stays: {why}"
                );
            }
            Taken::Failed { chain, why, new: false } => {
                tracing::debug!("still no good OCSP response for {chain}: {why}")
            }
        }
        self.stats.ocsp_fetched(matches!(taken, Taken::Stapled { .. }));
        self.show_certificates();
        let kept = matches!(taken, Taken::Stapled { .. });
        if let Some(path) = self.certificates.path_of(fingerprint).filter(|_| kept) {
            // On a thread where a disk that hangs holds nothing up. Nothing waits for it.
            tokio::task::spawn_blocking(move || {
                if let Err(error) = disk::save(&path, &response) {
                    tracing::warn!("an OCSP response cannot be kept in {}: {error}", path.display());
                }
            });
        }
    }

    fn show_certificates(&self) {
        self.stats.set_certificates(self.certificates.stats(self.time.both().utc));
    }
}
