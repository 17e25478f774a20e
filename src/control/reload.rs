//! One path for every reload: SIGHUP, file watch and API. Build everything, then swap.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::Control;
use super::apply::Prepared;
use super::changes;
use super::handle::Reply;
use super::outside::{Loaded, Unloadable, listed};
use super::registry::{PoolState, Registry, TlsPlan};
use crate::config::Config;
use crate::model::{Cause, Moment, PoolName, ReloadOutcome};
use crate::steering::Decision;

/// A new backend is not sent requests before its name was asked for, for at most this long.
pub(super) const RESOLVE_WAIT: Duration = Duration::from_secs(2);

/// The reload under way, and those that were asked for since.
#[derive(Default)]
pub(super) struct Reloads {
    /// Who waits for the files that are being read.
    reading: Option<Vec<Asker>>,
    pending: Option<Pending>,
    /// Asked for while one was under way: the file may have changed after it was read, so all of them get another.
    again: Option<Vec<Asker>>,
}

/// Who asked for a reload.
#[derive(Debug)]
pub(super) struct Asker {
    /// By the name that the journal is to say; none: nobody who gave an order.
    pub(super) by: Option<String>,
    /// Where the outcome goes.
    pub(super) reply: Reply<ReloadOutcome>,
}

/// A config for which everything is built, that waits for the names of its new backends.
struct Pending {
    loaded: Loaded,
    tls: TlsPlan,
    prepared: Vec<Prepared>,
    hosts: Vec<String>,
    deadline: Moment,
    replies: Vec<Asker>,
}

impl Reloads {
    /// When the reload under way waits no longer.
    pub(super) fn wakeup(&self) -> Option<Moment> {
        self.pending.as_ref().map(|pending| pending.deadline)
    }
}

impl Control {
    /// Reads the config again, now or after the reload under way.
    pub(super) fn reload(&mut self, asker: Option<Asker>) {
        if self.reloads.reading.is_some() || self.reloads.pending.is_some() {
            let again = self.reloads.again.get_or_insert_default();
            // Files that cannot be read may take for ever, and who asks again and again goes away in between.
            again.retain(|asker| !asker.reply.is_closed());
            again.extend(asker);
        } else {
            self.begin_reload(asker.into_iter().collect());
        }
    }

    fn begin_reload(&mut self, replies: Vec<Asker>) {
        self.reloads.reading = Some(replies);
        self.errands.load(&self.outside);
    }

    /// The config by which names are resolved: the next one as soon as its new backends wait for their addresses, which
    /// perhaps only its name servers know.
    pub(super) fn dns(&self) -> Arc<Config> {
        let pending = self.reloads.pending.as_ref().map(|pending| &pending.loaded.config);
        pending.unwrap_or(&self.registry.config).clone()
    }

    /// Goes on with a reload that waits, if it may.
    pub(super) fn continue_reload(&mut self) {
        let now = self.time.now();
        let Some(pending) = &mut self.reloads.pending else { return };
        pending.hosts.retain(|host| !self.names.settled(host));
        if !pending.hosts.is_empty() && now < pending.deadline {
            return;
        }
        if let Some(pending) = self.reloads.pending.take() {
            self.commit_reload(pending);
        }
        self.end_reload();
    }

    fn end_reload(&mut self) {
        if let Some(replies) = self.reloads.again.take() {
            self.begin_reload(replies);
        }
    }

    /// Goes on with a reload whose files were read.
    pub(super) fn build_reload(&mut self, loaded: Result<Loaded, Unloadable>) {
        let replies = self.reloads.reading.take().unwrap_or_default();
        match loaded.and_then(|loaded| self.prepare_reload(loaded)) {
            Err(Unloadable { errors, files }) => {
                // What mends it may be a file that only the rejected config names.
                self.files.also(&files);
                self.stats.reloaded(false);
                tracing::error!(?errors, "reload rejected, nothing changed: {}", errors.join("; "));
                answer(replies, &ReloadOutcome::Rejected { errors });
                self.end_reload();
            }
            Ok((loaded, tls, prepared)) => {
                let now = self.time.now();
                let mut hosts: Vec<String> = Registry::hosts(&loaded.config).map(str::to_owned).collect();
                hosts.retain(|host| self.names.add(host, now));
                if loaded.config.dns != self.registry.config.dns {
                    self.names.ask_again(now);
                }
                let deadline = now + RESOLVE_WAIT;
                self.reloads.pending = Some(Pending { loaded, tls, prepared, hosts, deadline, replies });
                self.continue_reload();
            }
        }
    }

    fn prepare_reload(&self, loaded: Loaded) -> Result<(Loaded, TlsPlan, Vec<Prepared>), Unloadable> {
        let mut errors = Vec::new();
        let mut keep = |more: Vec<String>| errors.extend(more);
        let tls = self.registry.plan_tls(&loaded.config).map_err(&mut keep).ok();
        let prepared = self.participants.iter().filter_map(|part| part.prepare(&loaded.config).map_err(&mut keep).ok());
        let prepared: Vec<Prepared> = prepared.collect();
        match tls {
            Some(tls) if errors.is_empty() => Ok((loaded, tls, prepared)),
            _ => Err(Unloadable { errors, files: loaded.files }),
        }
    }

    /// Swaps. Nothing here can fail.
    fn commit_reload(&mut self, pending: Pending) {
        let Pending { loaded, tls, prepared, replies, .. } = pending;
        let now = self.time.now();
        let changes = changes::changes(&self.registry.config, &loaded.config);
        let mut needs_restart = changes::needs_restart(&self.started, &loaded.config);
        let companions = Registry::companions(&loaded.config);
        self.names.follow(Registry::hosts(&loaded.config).chain(companions), now);
        self.part_with_pools(&loaded.config);
        let decisions = self.registry.apply(loaded.config, tls, &self.names, &self.former, self.time.both());
        self.take_over(decisions);
        self.journal.set_rules(&self.registry.config.journal);
        // Before the parts that check tokens learn of their new rules.
        self.show_keys();
        for part in prepared {
            (part.commit)();
            needs_restart.extend(part.needs_restart);
        }
        needs_restart.sort_unstable();
        needs_restart.dedup();
        self.files.set_files(&loaded.files);
        let config = &self.registry.config;
        self.stats.retain_backends(|pool, backend| {
            let pool = config.pools.iter().find(|known| known.name == *pool);
            pool.is_some_and(|pool| pool.backends.iter().any(|known| known.name == *backend))
        });
        self.stats.retain_pools(|name| config.pools.iter().any(|pool| pool.name == *name));
        self.stats.reloaded(true);
        let orders: BTreeSet<&String> = replies.iter().filter_map(|asker| asker.by.as_ref()).collect();
        for by in orders {
            self.record_reload(by, &changes);
        }
        let files = listed(&loaded.files);
        tracing::info!(files, "reload applied: {}", summary(&changes));
        loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        if !needs_restart.is_empty() {
            tracing::warn!("changed, but only a restart can apply it: {}", needs_restart.join(", "));
        }
        let outcome = ReloadOutcome::Applied { changes, needs_restart, warnings: loaded.warnings };
        self.durable.answer_reload(replies, outcome);
        self.publish();
    }

    /// Has the journal say of every pool who ordered a reload, and what it changed.
    fn record_reload(&mut self, by: &str, changes: &[String]) {
        let now = self.time.both();
        let reason = format!("the config was read again: {}", summary(changes));
        let note = |pool: &PoolState| {
            (pool.config.name.clone(), pool.steering.note(Cause::Reload, by.to_owned(), reason.clone(), now))
        };
        let notes: Vec<_> = self.registry.pools.iter().map(note).collect();
        notes.into_iter().for_each(|(pool, decision)| self.record(pool, decision));
    }

    /// Keeps what is known of pools that `next` has no more: should one come back, its epoch must not fall, and what an
    /// operator ordered holds, as it would across a restart.
    fn part_with_pools(&mut self, next: &Config) {
        let gone = |name: &PoolName| next.pools.iter().all(|pool| pool.name != *name);
        let pools = self.registry.pools.iter().filter(|pool| gone(&pool.config.name));
        self.former.extend(pools.map(|pool| (pool.config.name.clone(), pool.steering.saved())));
    }

    /// Goes on with the pools of a config that the registry has just taken in.
    pub(super) fn take_over(&mut self, decisions: Vec<(PoolName, Decision)>) {
        for (pool, decision) in decisions {
            self.record(pool, decision);
        }
        for pool in 0..self.registry.pools.len() {
            self.registry.pools[pool].show(&self.stats);
            self.compare_parity(pool);
        }
        let config = &self.registry.config;
        self.former.retain(|name, _| config.pools.iter().all(|pool| pool.name != *name));
    }
}

/// Tells all who asked.
pub(super) fn answer(replies: Vec<Asker>, outcome: &ReloadOutcome) {
    for asker in replies {
        // Who asked may have gone; the outcome is in the log.
        let _ = asker.reply.send(Ok(outcome.clone()));
    }
}

/// Most changes that the log lists.
const LISTED: usize = 8;

/// What changed, in one line however much it was; the reply to whoever asked has it all.
fn summary(changes: &[String]) -> String {
    match changes.len() {
        0 => "nothing changed".to_owned(),
        count if count > LISTED => format!("{}; and {} more", changes[..LISTED].join("; "), count - LISTED),
        _ => changes.join("; "),
    }
}
