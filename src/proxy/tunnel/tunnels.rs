//! The tunnels of one worker, and what becomes of them when their pool moves.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use slab::Slab;

use super::order::{Order, Standing};
use super::pace::{self, Pace};
use super::stance::{Stance, stance};
use crate::config::{TunnelConfig, TunnelDrainConfig};
use crate::model::{BackendId, Moment, TunnelEnd, TunnelPolicy};
use crate::proxy::target::Target;
use crate::snapshot::{Snapshot, View};

/// What is read at once, for all tunnels of a worker: a TLS record. One that its receiver does not take holds as much.
const BUFFER: usize = 16 * 1024;

/// The tunnels of one worker.
pub(in crate::proxy) struct Tunnels {
    open: RefCell<Slab<Entry>>,
    /// Whether the gateway stops.
    retired: Cell<bool>,
    pub(super) buffer: RefCell<Box<[u8]>>,
}

struct Entry {
    target: Target,
    began: Moment,
    stance: Stance,
    standing: Rc<Standing>,
}

/// A tunnel's place among those of its worker. Dropped when it ends.
pub(super) struct Place {
    tunnels: Rc<Tunnels>,
    key: usize,
    pub(super) standing: Rc<Standing>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.tunnels.open.borrow_mut().try_remove(self.key);
    }
}

impl Default for Tunnels {
    fn default() -> Self {
        let buffer = RefCell::new(vec![0; BUFFER].into_boxed_slice());
        Self { open: RefCell::default(), retired: Cell::new(false), buffer }
    }
}

impl Tunnels {
    /// A tunnel begins. Its request was sent as the target's snapshot had it: what has changed since is made up for.
    pub(super) fn enter(self: &Rc<Self>, target: Target, now: Moment, view: &View) -> Place {
        let standing = Rc::new(Standing::default());
        let (stance, _) = stance(target.snapshot(), target.backend().id);
        let changed = !target.is_of(view);
        let mut open = self.open.borrow_mut();
        let key = open.insert(Entry { target, began: now, stance, standing: standing.clone() });
        if self.retired.get() {
            standing.give(Order { at: now, end: TunnelEnd::Shutdown });
        } else if changed {
            let entered = open.get_mut(key).map(|entry| (key, entry));
            let drains = review(entered.into_iter(), view, now);
            drains.into_iter().for_each(|it| it.begin(&open, now));
        }
        Place { tunnels: self.clone(), key, standing }
    }

    /// Orders what a new snapshot means for the tunnels.
    pub(in crate::proxy) fn moved(&self, view: &Snapshot, now: Moment) {
        let mut open = self.open.borrow_mut();
        let drains = review(open.iter_mut(), view, now);
        drains.into_iter().for_each(|it| it.begin(&open, now));
    }

    /// The gateway stops: every tunnel is told within `over`, those that begin later at once.
    pub(in crate::proxy) fn retire(&self, over: Duration, now: Moment) {
        self.retired.set(true);
        let open = self.open.borrow();
        let mut drains: HashMap<BackendId, Drain> = HashMap::new();
        for (key, entry) in open.iter() {
            let rules = entry.target.pool().config.tunnel.drain;
            let rules = TunnelDrainConfig { over: rules.over.min(over), ..rules };
            let drain = drains.entry(entry.target.backend().id);
            drain.or_insert_with(|| Drain::new(TunnelEnd::Shutdown, rules)).tunnels.push(key);
        }
        drains.into_values().for_each(|it| it.begin(&open, now));
    }
}

/// Orders what a snapshot means for these tunnels, and returns what is to be drained.
fn review<'a>(tunnels: impl Iterator<Item = (usize, &'a mut Entry)>, view: &Snapshot, now: Moment) -> Vec<Drain> {
    let mut stances: HashMap<BackendId, (Stance, Option<&TunnelConfig>)> = HashMap::new();
    let mut drains: HashMap<BackendId, Drain> = HashMap::new();
    for (key, entry) in tunnels {
        let backend = entry.target.backend().id;
        let (stance, rules) = *stances.entry(backend).or_insert_with(|| {
            let (stance, pool) = stance(view, backend);
            (stance, pool.map(|pool| &pool.config.tunnel))
        });
        if stance == std::mem::replace(&mut entry.stance, stance) {
            continue;
        }
        // A pool that was taken away is followed by the rules that its tunnels were opened under.
        let rules = rules.unwrap_or(&entry.target.pool().config.tunnel);
        match stance.policy(rules) {
            Some((end, TunnelPolicy::Close)) => entry.standing.give(Order { at: now, end }),
            Some((end, TunnelPolicy::Drain)) => {
                drains.entry(backend).or_insert_with(|| Drain::new(end, rules.drain)).tunnels.push(key);
            }
            // It is where it should be, or may stay: what an earlier move ordered is void.
            Some((_, TunnelPolicy::Keep)) | None => entry.standing.withdraw(),
        }
    }
    drains.into_values().collect()
}

/// Tunnels of one backend that are to be closed one after the other.
struct Drain {
    end: TunnelEnd,
    rules: TunnelDrainConfig,
    tunnels: Vec<usize>,
}

impl Drain {
    const fn new(end: TunnelEnd, rules: TunnelDrainConfig) -> Self {
        Self { end, rules, tunnels: Vec::new() }
    }

    fn begin(self, open: &Slab<Entry>, now: Moment) {
        let entries: Vec<&Entry> = self.tunnels.iter().filter_map(|key| open.get(*key)).collect();
        let Some(first) = entries.first() else { return };
        // Each worker drains its own: together they keep the pace.
        let workers = first.target.backend().stats.cells.workers();
        let pace = Pace { over: self.rules.over, per_second: f64::from(self.rules.per_second) / workers as f64 };
        let began: Vec<Moment> = entries.iter().map(|entry| entry.began).collect();
        let moments = pace::moments(&began, pace, now, &mut Rng::new());
        let (pool, backend) = (&first.target.pool().config.name, &first.target.backend().config.name);
        tracing::info!(%pool, %backend, tunnels = entries.len(), why = self.end.as_str(), "draining tunnels");
        for (entry, at) in entries.into_iter().zip(moments) {
            entry.standing.give(Order { at, end: self.end });
        }
    }
}
