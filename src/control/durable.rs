//! Decisions on their way to the disk: a decision is published once it is durable, but never later than [`PATIENCE`].

use std::collections::VecDeque;
use std::time::Duration;

use super::handle::{ControlError, Reply};
use super::journal::{Ack, Record, Ticket};
use super::reload::Asker;
use super::{Control, views};
use crate::model::{JournalEntry, JournalQuery, Moment, OrderView, PoolName, ReloadOutcome};
use crate::steering::Decision;
use crate::telemetry::JournalCounts;

/// A slow disk delays a publication at most this long (issue of the journal: 50 ms); what is written later is marked late.
pub(super) const PATIENCE: Duration = Duration::from_millis(50);

/// Trouble that lasts is told again this often.
const REMIND: Duration = Duration::from_secs(60);

/// Who gave an order waits at most this long to hear that it is durable.
const PROMISE: Duration = Duration::from_secs(2);

/// A decision that is made and not yet published.
struct Pending {
    /// None where a successor writes the journal.
    ticket: Option<Ticket>,
    since: Moment,
    settled: bool,
    pool: PoolName,
    decision: Decision,
    entry: JournalEntry,
}

/// An order that is carried out and not yet answered.
struct Promise {
    /// None where a successor writes the journal.
    ticket: Option<Ticket>,
    until: Moment,
    /// What the journal said of it; none: nothing yet.
    durable: Option<bool>,
    pool: PoolName,
    done: String,
    reply: Reply<OrderView>,
}

/// What waits for the journal.
#[derive(Default)]
pub(super) struct Durable {
    pending: VecDeque<Pending>,
    promises: Vec<Promise>,
    /// Reloads that were applied and are not yet answered.
    reloads: Vec<(Vec<Asker>, ReloadOutcome)>,
    last: Option<Ticket>,
    /// When it was last said that something is wrong with the journal; none while nothing is.
    troubled: Option<Moment>,
}

impl Durable {
    /// Takes the journal's word about one record.
    pub(super) fn acknowledged(&mut self, ack: Ack) {
        self.pending.iter_mut().filter(|it| it.ticket == Some(ack.ticket)).for_each(|it| it.settled = true);
        let about = |promise: &&mut Promise| promise.ticket == Some(ack.ticket);
        self.promises.iter_mut().filter(about).for_each(|promise| promise.durable = Some(ack.durable));
    }

    /// Whether a publication has to wait for the disk. A publication shows all that was decided: it is the oldest decision
    /// that sets its end, or those that follow would put it off for ever.
    pub(super) fn holds(&self, now: Moment) -> bool {
        let waits = self.pending.front().is_some_and(|oldest| now < oldest.since + PATIENCE);
        waits && self.pending.iter().any(|it| !it.settled)
    }

    /// Answers a reload once requests see it.
    pub(super) fn answer_reload(&mut self, replies: Vec<Asker>, outcome: ReloadOutcome) {
        self.reloads.push((replies, outcome));
    }

    /// When waiting ends, whatever the disk does.
    pub(super) fn wakeup(&self) -> Option<Moment> {
        let pending = self.pending.front().map(|oldest| oldest.since + PATIENCE);
        // Nothing is answered before what it waits for is published.
        pending.or_else(|| self.promises.iter().map(|promise| promise.until).min())
    }
}

impl Control {
    /// Hands a decision to the journal, with the state that a restart goes on from.
    pub(super) fn record(&mut self, pool: PoolName, decision: Decision) {
        let Some(state) = self.registry.pools.iter().find(|state| state.config.name == pool) else { return };
        let now = self.time.both();
        let entry = views::entry(&state.steering, &pool, &decision, now);
        let run = state.steering.standing().drill.as_ref().map(|run| run.id.as_str());
        self.drills.decided(&pool, &decision, run, now);
        let saved = serde_json::to_string(&state.steering.saved()).unwrap_or_default();
        let (ticket, settled) = match self.retired {
            true => (None, true),
            false => (Some(self.journal.submit(Record { entry: entry.clone(), saved })), false),
        };
        self.durable.last = ticket;
        self.durable.pending.push_back(Pending { ticket, since: now.at, settled, pool, decision, entry });
    }

    /// Takes in what the journal has said since.
    pub(super) fn hear_journal(&mut self) {
        while let Some(ack) = self.journal.try_acknowledged() {
            self.durable.acknowledged(ack);
        }
        let trouble = self.journal.trouble();
        let counts = JournalCounts {
            written: self.journal.written(),
            late: self.journal.late(),
            lost: self.journal.lost(),
            damage: self.damage.len() as u64,
        };
        self.stats.set_journal(counts, trouble.is_none());
        let now = self.time.now();
        match (trouble, self.durable.troubled) {
            // Its text has an age in it, which changes each second.
            (Some(trouble), told) if told.is_none_or(|told| now.since(told) >= REMIND) => {
                tracing::error!("{trouble}");
                self.durable.troubled = Some(now);
            }
            (None, Some(_)) => {
                tracing::info!("the journal is well again: all that waited is written");
                self.durable.troubled = None;
            }
            _ => {}
        }
    }

    /// Answers an order once the decision that was handed over last is durable, and published.
    pub(super) fn promise(&mut self, pool: PoolName, done: String, reply: Reply<OrderView>) {
        let (ticket, until) = (self.durable.last, self.time.now() + PROMISE);
        let durable = if ticket.is_none() { Some(false) } else { None };
        self.durable.promises.push(Promise { ticket, until, durable, pool, done, reply });
    }

    /// Tells of the decisions that were published, and answers the reloads and orders among them.
    pub(super) fn tell(&mut self) {
        for pending in std::mem::take(&mut self.durable.pending) {
            if let Some(ticket) = pending.ticket.filter(|_| !pending.settled) {
                self.journal.went_ahead(ticket);
            }
            self.announce(&pending.pool, &pending.decision, &pending.entry);
        }
        for (replies, outcome) in std::mem::take(&mut self.durable.reloads) {
            super::reload::answer(replies, &outcome);
        }
        let now = self.time.now();
        let kept = self.durable.promises.extract_if(.., |promise| promise.durable.is_some() || promise.until <= now);
        for promise in kept.collect::<Vec<_>>() {
            let journalled = promise.durable == Some(true);
            self.acknowledge(&promise.pool, promise.done, journalled, promise.reply);
        }
    }

    /// Looks entries of the journal up, beside the loop.
    pub(super) fn ask_journal(&self, query: JournalQuery, reply: Reply<Vec<JournalEntry>>) {
        let answer = self.journal.query(query);
        tokio::spawn(async move {
            // Who asked may have gone.
            let _ = reply.send(answer.await.map_err(ControlError::Unreadable));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Now;
    use crate::steering::Steering;

    fn at(ms: u64) -> Moment {
        Moment::from_origin(Duration::from_millis(ms))
    }

    fn pending(since: Moment) -> Pending {
        let pool = crate::control::tests::a_pool();
        let now = Now { at: since, utc: crate::model::Utc::from_millis(0) };
        let (steering, decision) = Steering::start((&pool).into(), now);
        let entry = views::entry(&steering, &pool.name, &decision, now);
        Pending { ticket: None, since, settled: false, pool: pool.name, decision, entry }
    }

    #[test]
    fn decisions_that_follow_one_another_hold_the_first_no_longer_than_its_patience() {
        let mut durable = Durable::default();
        durable.pending.push_back(pending(at(0)));
        for ms in [10, 20, 30, 40] {
            // On a disk that takes its time, each is durable when the next has come.
            durable.pending.push_back(pending(at(ms)));
            durable.pending.iter_mut().rev().skip(1).for_each(|it| it.settled = true);
            assert!(durable.holds(at(ms)));
        }
        assert!(durable.holds(at(49)));
        assert_eq!(durable.wakeup(), Some(at(50)));
        assert!(!durable.holds(at(50)), "the first has waited 50 ms");
    }
}
