//! The loop: one thread, the only writer of the snapshot.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::apply::Participant;
use super::certificates::Certificates;
use super::drill::Drills;
use super::durable::Durable;
use super::errands::Errands;
use super::files::Files;
use super::handle::{Command, Handle, OperatorKeys};
use super::journal::{Journal, Restored};
use super::keys::Keys;
use super::names::Names;
use super::outside::{Loaded, Outside, Watch};
use super::registry::Registry;
use super::reload::{RESOLVE_WAIT, Reloads};
use super::time::Time;
use crate::config::Config;
use crate::model::{Clock, DecisionView, Evidence, Moment, PoolName};
use crate::snapshot::SnapshotCell;
use crate::steering::{Observation, SAMPLE, Saved};
use crate::telemetry::{ControlStats, Heartbeats, Part};
use crate::tls::CertificateBook;

/// Commands that may wait.
const COMMANDS: usize = 64;
/// Evidence that may wait; workers drop and count what comes on top.
const EVIDENCE: usize = 4096;
/// Decisions that a slow listener may lag behind.
const EVENTS: usize = 256;
/// Shortest pause for what time alone brings. Something may be due that cannot be done yet: a hold that is over while a
/// better backend is still unknown. Without a pause, waiting for that would take all of this thread's time.
const LEAST: Duration = Duration::from_millis(1);
/// Evidence and results taken in before the next publication.
const BATCH: usize = 256;

/// What control is started with.
pub struct Setup {
    /// The config to begin with.
    pub loaded: Loaded,
    /// The world.
    pub outside: Arc<dyn Outside>,
    /// The file watch.
    pub watch: Box<dyn Watch>,
    /// Parts of higher rank that take part in a reload.
    pub participants: Vec<Arc<dyn Participant>>,
    /// How many workers will count.
    pub workers: usize,
    /// The process's clock.
    pub clock: Clock,
    /// Where the journal lives; none: in memory, until the process ends.
    pub state_dir: Option<PathBuf>,
    /// The certificates that this process shows.
    pub book: CertificateBook,
    /// Where control says that it comes round.
    pub hearts: Arc<Heartbeats>,
}

/// Control, ready to run, and the ways to it.
pub struct Started {
    /// For orders and questions.
    pub handle: Handle,
    /// What requests read.
    pub snapshots: Arc<SnapshotCell>,
    /// Where workers send evidence: `try_send`, and count what is not taken.
    pub evidence: mpsc::Sender<Evidence>,
    /// What control counts.
    pub stats: Arc<ControlStats>,
    /// The loop, to be run on the control thread.
    pub control: Control,
}

/// The control plane.
pub struct Control {
    pub(super) time: Time,
    pub(super) outside: Arc<dyn Outside>,
    pub(super) files: Files,
    pub(super) participants: Vec<Arc<dyn Participant>>,
    commands: mpsc::Receiver<Command>,
    evidence: mpsc::Receiver<Evidence>,
    pub(super) events: broadcast::Sender<DecisionView>,
    pub(super) cell: Arc<SnapshotCell>,
    pub(super) stats: Arc<ControlStats>,
    pub(super) registry: Registry,
    pub(super) names: Names,
    pub(super) errands: Errands,
    pub(super) reloads: Reloads,
    pub(super) journal: Journal,
    /// What was wrong with the journal when this process opened it.
    pub(super) damage: Vec<String>,
    pub(super) durable: Durable,
    pub(super) drills: Drills,
    pub(super) certificates: Certificates,
    pub(super) next_sample: Moment,
    pub(super) generation: u64,
    pub(super) ready: bool,
    /// Whether a successor writes the journal.
    pub(super) retired: bool,
    /// What is known of pools that the config does not have: some may come back.
    pub(super) former: HashMap<PoolName, Saved>,
    /// The config that the process was started with.
    pub(super) started: Arc<Config>,
    /// Where the admin listener finds the keys of its issuer.
    pub(super) operator_keys: watch::Sender<Option<OperatorKeys>>,
    hearts: Arc<Heartbeats>,
}

/// Sets control up: resolves all names (for at most two seconds) and builds the first snapshot. Call it on the runtime
/// that will run [`Control::run`].
///
/// # Errors
/// One line for each backend whose TLS cannot be set up.
pub async fn start(setup: Setup) -> Result<Started, Vec<String>> {
    let Setup { loaded, outside, watch, participants, workers, clock, state_dir, book, hearts } = setup;
    let time = Time::tied_to(&clock);
    let config = loaded.config;
    let mut registry = Registry::new(workers, config.clone(), Keys::new(state_dir.as_deref()));
    let tls = registry.plan_tls(&config)?;

    let (mut names, mut errands) = (Names::default(), Errands::default());
    names.follow(Registry::hosts(&config), time.now());
    for host in names.take_due(time.now()) {
        errands.lookup(&outside, host, &config.dns);
    }
    let resolve = async {
        while let Some(done) = errands.next().await {
            if let super::errands::Done::Lookup { host, answer } = done {
                names.answered(&host, answer, &config.dns, time.now());
            }
        }
    };
    // What has no answer by then is reached later: its look-up goes on in the loop.
    let _ = timeout(RESOLVE_WAIT, resolve).await;
    // Nothing waits for whom parity checks ask.
    for host in Registry::companions(&config) {
        names.add(host, time.now());
    }

    let (journal, restored) = match &state_dir {
        Some(dir) => Journal::open(dir, &config.journal),
        None => Journal::in_memory(),
    };
    // A journal that cannot be opened tells of that itself, for as long as it is so.
    let damage = if journal.trouble().is_none() { restored.notes.clone() } else { Vec::new() };
    let saved = restore(restored);
    let decided = registry.apply(config.clone(), tls, &names, &saved, time.both());
    registry.refresh();
    let cell = SnapshotCell::new(registry.snapshot(1));
    let files = Files::follow(watch, loaded.files);
    let (to_commands, commands) = mpsc::channel(COMMANDS);
    let (to_evidence, evidence) = mpsc::channel(EVIDENCE);
    let (events, _) = broadcast::channel(EVENTS);
    let stats = ControlStats::new();
    let (operator_keys, keys) = watch::channel(None);
    let mut control = Control {
        time,
        outside,
        files,
        participants,
        commands,
        evidence,
        events: events.clone(),
        cell: cell.clone(),
        stats: stats.clone(),
        registry,
        names,
        errands,
        reloads: Reloads::default(),
        journal,
        damage,
        durable: Durable::default(),
        drills: Drills::default(),
        certificates: Certificates::new(book, state_dir.as_deref()),
        next_sample: time.now() + SAMPLE,
        generation: 1,
        ready: false,
        retired: false,
        former: saved,
        started: config,
        operator_keys,
        hearts,
    };
    control.take_over(decided);
    control.show_keys();
    control.restore_drills().await;
    let handle = Handle::new(to_commands, events).with_keys(keys);
    Ok(Started { handle, snapshots: cell, evidence: to_evidence, stats, control })
}

/// What a former process left, as far as it can be read.
fn restore(restored: Restored) -> HashMap<PoolName, Saved> {
    for note in &restored.notes {
        tracing::error!("{note}");
    }
    let read = |(pool, saved): (PoolName, String)| match serde_json::from_str(&saved) {
        Ok(saved) => Some((pool, saved)),
        Err(error) => {
            tracing::error!(%error, "{pool}: its state in the journal cannot be read: it starts anew");
            None
        }
    };
    restored.pools.into_iter().filter_map(read).collect()
}

impl Control {
    /// Runs until `stop` is cancelled.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH);
        let missed = self.registry.keys.bell();
        loop {
            // Something is due at least once per second: a sample.
            self.hearts.beat(Part::Control);
            self.turn();
            let wakeup = self.time.instant(self.wakeup().max(self.time.now() + LEAST));
            tokio::select! {
                () = stop.cancelled() => return,
                Some(command) = self.commands.recv() => {
                    self.obey(command);
                    self.registry.agenda.mark_all();
                }
                1.. = self.evidence.recv_many(&mut batch, BATCH) => {
                    self.take_evidence(&batch);
                    batch.clear();
                }
                Some(done) = self.errands.next() => {
                    self.take_done(done);
                    for _ in 1..BATCH {
                        let Some(done) = self.errands.try_next() else { break };
                        self.take_done(done);
                    }
                }
                ack = self.journal.acknowledged() => self.durable.acknowledged(ack),
                // A token named a key that is not known: the next turn sees to it.
                () = missed.notified() => {}
                () = self.files.changed() => self.reload(None),
                () = sleep_until(wakeup) => {}
            }
        }
    }

    /// Does all that is due, and publishes what came of it and of what was taken in before: once for all.
    fn turn(&mut self) {
        let now = self.time.now();
        self.continue_reload();
        self.sample(now);
        let both = self.time.both();
        let Registry { agenda, pools, .. } = &mut self.registry;
        agenda.mark_due(now);
        let timed = |pool: &&usize| pools[**pool].steering.next_wakeup(both).is_some_and(|at| at <= now);
        let due: Vec<usize> = agenda.marked().iter().filter(timed).copied().collect();
        for pool in due {
            self.observe(pool, Observation::Tick);
        }
        self.watch_drill();
        self.publish();
        self.book_drill();
        self.start_errands(now);
        self.mind_certificates();
        let (both, Registry { agenda, pools, .. }) = (self.time.both(), &mut self.registry);
        agenda.settle(|pool| pools[pool].wakeup(both));
    }

    /// When something is due next, whatever comes in.
    fn wakeup(&self) -> Moment {
        let all = [
            self.registry.agenda.wakeup(),
            self.names.wakeup(),
            self.reloads.wakeup(),
            self.durable.wakeup(),
            self.drills.wakeup(),
            self.registry.keys.wakeup(),
            self.certificates.wakeup(),
            Some(self.next_sample),
        ];
        all.into_iter().flatten().min().unwrap_or(self.next_sample)
    }
}
