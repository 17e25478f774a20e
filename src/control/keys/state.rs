//! What is known of every issuer's keys.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Notify;

use super::disk::{self, Kept};
use super::schedule::Schedule;
use crate::bot::token::KeySet;
use crate::config::{Config, KeySourceConfig, TokensConfig};
use crate::model::{Moment, Now, Utc};
use crate::snapshot::{GuardKeys, Missed, PublishedKeys};
use crate::telemetry::KeyStat;

/// The keys of all issuers whose tokens a guard or the admin listener looks at.
#[derive(Debug)]
pub(in crate::control) struct Keys {
    sources: Vec<Source>,
    /// Where they are kept; none: nowhere.
    directory: Option<PathBuf>,
    /// Rung when a token names a key that is not known.
    bell: Arc<Notify>,
}

/// A place that publishes keys.
#[derive(Debug)]
struct Source {
    config: KeySourceConfig,
    /// As they were fetched last, by this process or a former one.
    set: Option<Arc<KeySet>>,
    fetched: Option<Utc>,
    schedule: Schedule,
    /// Why the last fetch failed; none when it did not.
    trouble: Option<String>,
    missed: Arc<Missed>,
    /// When it was last said that it cannot be reached.
    pub(super) told: Option<Moment>,
}

/// What became of a fetch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Nobody wants these keys any more.
    Unwanted,
    /// The keys are the same as before; whether they were out of reach meanwhile.
    Same { back: bool },
    /// Other keys: so many.
    Changed(usize),
    /// No keys, and why; whether it is time to say so again.
    Failed { why: String, stale: bool, tell: bool },
}

/// Trouble that lasts is told this often.
const REMIND: std::time::Duration = std::time::Duration::from_secs(60);

impl Keys {
    /// None yet; they will be kept below `directory`.
    pub(in crate::control) fn new(directory: Option<&Path>) -> Self {
        Self { sources: Vec::new(), directory: directory.map(Path::to_owned), bell: Arc::default() }
    }

    /// Rung when a token names a key that is not known.
    pub(in crate::control) fn bell(&self) -> Arc<Notify> {
        self.bell.clone()
    }

    /// Follows the issuers of this config. New ones begin with what the disk has, and are fetched at once.
    pub(in crate::control) fn follow(&mut self, config: &Config, now: Moment) {
        let mut wanted: Vec<&KeySourceConfig> = Vec::new();
        for source in config.key_sources() {
            if !wanted.contains(&source) {
                wanted.push(source);
            }
        }
        self.sources.retain(|source| wanted.contains(&&source.config));
        // A reload is an operator's way to say that the issuer has changed its keys.
        for source in self.sources.iter_mut().filter(|source| source.missed.is_said()) {
            source.schedule.hurry(now);
        }
        for config in wanted {
            if self.sources.iter().all(|source| source.config != *config) {
                self.sources.push(self.newcomer(config.clone(), now));
            }
        }
    }

    fn newcomer(&self, config: KeySourceConfig, now: Moment) -> Source {
        let missed = Arc::new(Missed::new(self.bell.clone()));
        let schedule = Schedule::new(now);
        let mut source = Source { config, set: None, fetched: None, schedule, trouble: None, missed, told: None };
        let Some(path) = self.directory.as_ref().map(|directory| disk::path_of(directory, &source.config)) else {
            return source;
        };
        let found = disk::load(&path, &source.config).and_then(|kept| {
            let read =
                |kept: Kept| Ok((KeySet::read(&kept.jwks, None).map_err(|fault| fault.to_string())?, kept.fetched));
            kept.map(read).transpose()
        });
        match found {
            Ok(None) => {}
            Ok(Some((set, fetched))) => (source.set, source.fetched) = (Some(Arc::new(set)), Some(fetched)),
            Err(why) => tracing::warn!("the keys in {} are not used: {why}", path.display()),
        }
        source
    }

    /// The places to be asked now; they count as asked.
    pub(in crate::control) fn take_due(&mut self, now: Moment) -> Vec<KeySourceConfig> {
        let due = self.sources.iter_mut().filter_map(|source| {
            if !source.schedule.begin(now, source.missed.is_said()) {
                return None;
            }
            source.missed.clear();
            Some(source.config.clone())
        });
        due.collect()
    }

    /// When the next is to be asked.
    pub(in crate::control) fn wakeup(&self) -> Option<Moment> {
        self.sources.iter().filter_map(|source| source.schedule.wakeup(source.missed.is_said())).min()
    }

    /// Takes in how a fetch ended. What cannot be used does not take the place of what can.
    pub(super) fn fetched(&mut self, from: &KeySourceConfig, result: Result<&str, String>, now: Now) -> Taken {
        let Some(source) = self.sources.iter_mut().find(|source| source.config == *from) else {
            return Taken::Unwanted;
        };
        let read = |jwks: &str| {
            let set = KeySet::read(jwks, source.set.as_deref());
            set.map_err(|fault| format!("{from}: {fault}"))
        };
        let result = result.and_then(read);
        source.schedule.ended(now.at, result.is_ok(), fastrand::f64());
        match result {
            Ok(set) => {
                // Said during the fetch, of a set that was older. What is not in this one either is missed again soon.
                source.missed.clear();
                let back = source.trouble.take().is_some();
                (source.fetched, source.told) = (Some(now.utc), None);
                if source.set.as_deref() == Some(&set) {
                    return Taken::Same { back };
                }
                let count = set.len();
                source.set = Some(Arc::new(set));
                Taken::Changed(count)
            }
            Err(why) => {
                let tell = source.told.is_none_or(|told| now.at.since(told) >= REMIND);
                if tell {
                    source.told = Some(now.at);
                }
                source.trouble = Some(why.clone());
                Taken::Failed { why, stale: source.set.is_some(), tell }
            }
        }
    }

    /// Where the keys of a place are kept.
    pub(super) fn path_of(&self, source: &KeySourceConfig) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| disk::path_of(directory, source))
    }

    /// What a guard checks tokens with.
    pub(in crate::control) fn published(&self, tokens: &TokensConfig) -> Option<GuardKeys> {
        let entra = tokens.entra.as_ref().and_then(|issuer| self.of(&issuer.keys));
        Some(GuardKeys { channel: self.of(&tokens.channel.keys)?, entra })
    }

    /// The keys of one issuer.
    pub(in crate::control) fn of(&self, wanted: &KeySourceConfig) -> Option<PublishedKeys> {
        let source = self.sources.iter().find(|source| source.config == *wanted)?;
        Some(PublishedKeys { set: source.set.clone(), missed: source.missed.clone() })
    }

    /// What does not work as it should, one sentence for each issuer.
    pub(in crate::control) fn trouble(&self) -> impl Iterator<Item = String> {
        self.sources.iter().filter_map(|source| {
            let Some(why) = source.trouble.as_ref() else {
                return source.schedule.is_spent(source.missed.is_said()).then(|| {
                    let of = &source.config;
                    format!(
                        "tokens name a key that {of} does not publish, and they are refused; the keys are fetched for such \
                         a one once an hour: if they have changed since, `botgate reload` fetches them at once"
                    )
                });
            };
            Some(match source.fetched {
                Some(fetched) => format!("token keys cannot be fetched, those of {fetched} are used: {why}"),
                None => format!("token keys were never fetched, tokens cannot be checked: {why}"),
            })
        })
    }

    /// As the metrics show them.
    pub(super) fn stats(&self) -> Vec<KeyStat> {
        let stat = |source: &Source| KeyStat {
            metadata: source.config.to_string(),
            count: source.set.as_ref().map_or(0, |set| set.len()),
            fetched: source.fetched,
            fresh: source.set.is_some() && source.trouble.is_none(),
        };
        self.sources.iter().map(stat).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bot::token::IssuerKind;

    const JWKS: &str = r#"{"keys":[{"kty":"RSA","kid":"k","e":"AQAB","n":"N"}]}"#;

    #[test]
    fn a_key_that_was_missed_while_it_was_being_fetched_is_not_fetched_twice() {
        let text = "[[listener]]\nbind = \"127.0.0.1:0\"\ntls = false\n[[route]]\npool = \"p\"\n[route.guard]\napp_ids = [\"a\"]\n\
                    [[pool]]\nname = \"p\"\n[[pool.backend]]\nname = \"weu\"\nurl = \"http://a\"\n";
        let config = crate::config::parse("botgate.toml", text, "".as_ref(), &|_| None).unwrap().config;
        let tokens = config.routes[0].guard.as_ref().unwrap().tokens.as_deref().unwrap();
        let now = Now { at: Moment::ZERO, utc: Utc::from_millis(0) };
        let mut keys = Keys::new(None);
        keys.follow(&config, now.at);
        let source = keys.take_due(now.at).remove(0);
        keys.published(tokens).unwrap().miss(IssuerKind::Channel);
        let jwks = JWKS.replace("N", &format!("w{}", "A".repeat(340) + "Q"));
        assert_eq!(keys.fetched(&source, Ok(&jwks), now), Taken::Changed(1));
        assert!(
            keys.wakeup().unwrap() > now.at + Duration::from_secs(3600),
            "its one fetch in an hour is still to have"
        );
        keys.published(tokens).unwrap().miss(IssuerKind::Channel);
        assert!(keys.wakeup().unwrap() <= now.at, "what is still missing says so again");
    }
}
