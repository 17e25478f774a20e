//! Explains a pool: what steering says of it, and its last decisions out of the journal.

use super::handle::Reply;
use super::{Control, views};
use crate::model::{BackendName, ExplainView, JournalEntry, JournalQuery, PoolName};
use crate::steering::Setting;

/// Decisions that are shown.
const SHOWN: usize = 5;
/// Decisions that are looked through for the last switch.
const LOOKED: usize = 50;

impl Control {
    /// Explains one pool. The journal is asked beside the loop; an explanation without it is better than none.
    pub(super) fn explain(&self, name: &PoolName, reply: Reply<ExplainView>) {
        let index = match self.pool_index(name) {
            Ok(index) => index,
            Err(error) => {
                let _ = reply.send(Err(error));
                return;
            }
        };
        let pool = &self.registry.pools[index];
        let setting = Setting {
            pool: name,
            interval: pool.config.probe.as_ref().map(|probe| probe.interval),
            follows: pool.config.follow.as_ref().map(|follow| &follow.pool),
        };
        let mut view = pool.steering.explained(setting, self.time.both());
        view.trouble.extend(self.trouble());
        let query = JournalQuery { pool: Some(name.clone()), limit: LOOKED, ..JournalQuery::default() };
        let answer = self.journal.query(query);
        tokio::spawn(async move {
            match answer.await {
                Ok(entries) => remember(&mut view, &entries),
                Err(error) => view.trouble.push(format!("its last decisions are not known: {error}")),
            }
            // Who asked may have gone.
            let _ = reply.send(Ok(view));
        });
    }
}

/// Adds what the journal tells of a pool, newest first.
fn remember(view: &mut ExplainView, entries: &[JournalEntry]) {
    let arrival = |entry: &&JournalEntry| entry.before != entry.after && entry.after == view.active;
    let arrived = entries.iter().find(arrival);
    view.active_since = arrived.map(|entry| entry.at);
    view.active_because = arrived.map(|entry| entry.reason.clone());
    view.decisions = entries.iter().take(SHOWN).map(|entry| views::decision(entry, words(entry))).collect();
}

/// A decision in one line, without its time.
fn words(entry: &JournalEntry) -> String {
    let name = |name: &Option<BackendName>| name.as_ref().map_or("none", BackendName::as_str).to_owned();
    let what = match entry.direction {
        Some(direction) => format!("{} {} → {}", direction.as_str(), name(&entry.before), name(&entry.after)),
        None => format!("{} on {}", entry.phase, name(&entry.after)),
    };
    // The reason of an order names who gave it.
    match entry.reason.contains(&entry.actor) {
        true => format!("{what}: {}", entry.reason),
        false => format!("{what}, by {}: {}", entry.actor, entry.reason),
    }
}
