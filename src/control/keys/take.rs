//! What control makes of a fetch that ended.

use super::disk::{self, Kept};
use super::state::Taken;
use crate::config::KeySourceConfig;
use crate::control::Control;
use crate::control::handle::OperatorKeys;

impl Control {
    /// Takes fetched keys in: requests see them with the next publication, and the disk keeps them.
    pub(in crate::control) fn take_keys(&mut self, source: &KeySourceConfig, result: Result<String, String>) {
        let now = self.time.both();
        let (text, result) = match result {
            Ok(text) => (text, Ok(())),
            Err(why) => (String::new(), Err(why)),
        };
        let taken = self.registry.keys.fetched(source, result.map(|()| text.as_str()), now);
        match &taken {
            Taken::Unwanted => return,
            Taken::Same { back: true } => {
                tracing::info!("token keys of {source} can be fetched again: they are the same")
            }
            Taken::Same { back: false } => tracing::debug!("token keys of {source}: the same"),
            Taken::Changed(count) => {
                tracing::info!("token keys of {source}: {count} are used from now on");
                self.registry.rekey();
            }
            Taken::Failed { why, stale: true, tell: true } => {
                tracing::warn!("token keys cannot be fetched, the former ones stay in use: {why}");
            }
            Taken::Failed { why, stale: false, tell: true } => {
                tracing::warn!("token keys cannot be fetched, and there are none: tokens cannot be checked: {why}");
            }
            Taken::Failed { tell: false, .. } => {}
        }
        // Keys that are new are shown when requests see them.
        if !matches!(taken, Taken::Changed(_)) {
            self.show_keys();
        }
        let kept = matches!(taken, Taken::Same { .. } | Taken::Changed(_));
        if let Some(path) = self.registry.keys.path_of(source).filter(|_| kept) {
            let kept = Kept::new(source, now.utc, text);
            // On a thread where a disk that hangs holds nothing up. Nothing waits for it.
            tokio::task::spawn_blocking(move || {
                if let Err(error) = disk::save(&path, &kept) {
                    tracing::warn!("token keys cannot be kept in {}: {error}", path.display());
                }
            });
        }
    }

    /// Has the metrics show which keys are used, and the admin listener use those of its issuer.
    pub(in crate::control) fn show_keys(&self) {
        self.stats.set_keys(self.registry.keys.stats());
        let source = self.registry.config.admin.oidc.as_ref().map(|oidc| &oidc.keys);
        let keys = source.and_then(|source| {
            Some(OperatorKeys { source: source.clone(), published: self.registry.keys.of(source)? })
        });
        self.operator_keys.send_replace(keys);
    }
}
