//! Who is who: pools and backends with their identity, health and counters. What survives a reload lives here.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::agenda::Agenda;
use super::keys::Keys;
use super::names::Names;
use super::parity::{ParityState, ParityTls, plan_tls};
use super::probe::{Kept, Turns};
use crate::config::{BackendConfig, Config, PoolConfig};
use crate::ledger::Ledger;
use crate::model::{BackendId, Moment, Now, Phase, PoolName, Utc};
use crate::snapshot::{Guard, Pool, Route, RouteTable};
use crate::steering::{Decision, Observation, Saved, Schedule, Steering};
use crate::telemetry::{self, BackendStats, ControlStats, PoolStats};
use crate::upstream::{Origin, TlsClient};

/// All pools, in order of the config.
#[derive(Debug)]
pub(super) struct Registry {
    pub(super) config: Arc<Config>,
    pub(super) pools: Vec<PoolState>,
    pub(super) routes: RouteTable,
    pub(super) guards: Arc<[Guard]>,
    pub(super) routes_changed: bool,
    /// Which pools are to be looked at.
    pub(super) agenda: Agenda,
    /// Those of which something happened that may have made what requests see of them unfit.
    touched: Vec<usize>,
    /// The keys that guards check tokens with.
    pub(super) keys: Keys,
    places: HashMap<BackendId, Place>,
    next_id: u32,
    workers: usize,
}

/// A pool: its name is its identity.
#[derive(Debug)]
pub(super) struct PoolState {
    pub(super) config: Arc<PoolConfig>,
    pub(super) steering: Steering,
    pub(super) stats: Arc<PoolStats>,
    pub(super) ledger: Arc<Ledger>,
    /// In the config's order, which is the order in which steering and the snapshot number them.
    pub(super) backends: Vec<BackendState>,
    /// Whether its backends are in step.
    pub(super) parity: ParityState,
    /// What requests see; built again when it no longer fits.
    pub(super) published: Option<Arc<Pool>>,
    /// Whether it is among those that [`Registry::touch`] has named.
    touched: bool,
    /// Where the metrics show it.
    shown: Option<(Phase, Vec<bool>)>,
}

/// A backend: (pool, name, URL) is its identity.
#[derive(Debug)]
pub(super) struct BackendState {
    pub(super) id: BackendId,
    pub(super) config: Arc<BackendConfig>,
    pub(super) origin: Origin,
    pub(super) tls: Option<TlsClient>,
    pub(super) addresses: Arc<[SocketAddr]>,
    pub(super) stats: Arc<BackendStats>,
    pub(super) schedule: Schedule,
    /// Which of its probes open a connection …
    pub(super) turns: Turns,
    /// … and where the others find one.
    pub(super) kept: Kept,
    /// When its last probe ended.
    pub(super) probed: Option<Utc>,
    /// Attempts that steering was told of.
    pub(super) attempts: u64,
}

/// Where a backend stands, until the next reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) pool: usize,
    pub(super) backend: usize,
}

/// TLS to everybody that a config names, by pool.
pub(super) type TlsPlan = Vec<PoolTls>;

/// TLS to the backends of a pool, and to those whom its parity checks ask.
#[derive(Debug)]
pub(super) struct PoolTls {
    backends: Vec<Option<TlsClient>>,
    parity: ParityTls,
}

impl PoolState {
    /// Has the metrics show where the pool stands, unless they do.
    pub(super) fn show(&mut self, stats: &ControlStats) {
        let (rules, phase) = (self.steering.policy(), self.steering.phase());
        let ready = || self.steering.backends().iter().map(|it| it.ready(rules));
        if self.shown.as_ref().is_some_and(|(was, shown)| *was == phase && ready().eq(shown.iter().copied())) {
            return;
        }
        let names = rules.backends.iter().map(|backend| backend.name.clone());
        stats.set_pool(&self.config.name, telemetry::PoolState { phase, ready: names.zip(ready()).collect() });
        self.shown = Some((phase, ready().collect()));
    }

    /// When something is due of it, whatever comes in.
    pub(super) fn wakeup(&self, now: Now) -> Option<Moment> {
        let probed = self.backends.iter().filter(|_| self.config.probe.is_some());
        let probes = probed.filter_map(|backend| backend.schedule.wakeup()).min();
        [self.steering.next_wakeup(now), probes, self.parity.wakeup()].into_iter().flatten().min()
    }
}

impl Registry {
    /// Nothing yet: [`Registry::apply`] brings the first config in like any other.
    pub(super) fn new(workers: usize, config: Arc<Config>, keys: Keys) -> Self {
        let (pools, places, routes) = (Vec::new(), HashMap::new(), RouteTable::default());
        let guards = Arc::default();
        let (agenda, touched) = (Agenda::default(), Vec::new());
        Self { config, pools, routes, guards, routes_changed: true, agenda, touched, keys, places, next_id: 1, workers }
    }

    /// Something happened to a pool that may have made what requests see of it unfit; it is to be looked at, too.
    pub(super) fn touch(&mut self, pool: usize) {
        let Some(state) = self.pools.get_mut(pool) else { return };
        if !std::mem::replace(&mut state.touched, true) {
            self.touched.push(pool);
        }
        self.agenda.mark(pool);
    }

    /// The pools that were touched since this was asked last.
    pub(super) fn take_touched(&mut self) -> Vec<usize> {
        let touched = std::mem::take(&mut self.touched);
        touched.iter().for_each(|&pool| self.pools[pool].touched = false);
        touched
    }

    /// Sets up TLS to every backend of `next`, without changing anything. What did not change is shared, so that its
    /// session tickets stay; what names files is built again, since those may have changed behind the same name.
    ///
    /// # Errors
    /// One line for each backend that cannot be set up.
    pub(super) fn plan_tls(&self, next: &Config) -> Result<TlsPlan, Vec<String>> {
        let mut errors = Vec::new();
        let mut plan = TlsPlan::new();
        for pool in &next.pools {
            let old = self.pools.iter().find(|old| old.config.name == pool.name);
            let mut clients = Vec::new();
            for backend in &pool.backends {
                let same = |old: &&BackendState| *old.config == *backend && !names_files(backend);
                match old.and_then(|old| old.backends.iter().find(same)) {
                    Some(old) => clients.push(old.tls.clone()),
                    None => match TlsClient::new(backend) {
                        Ok(client) => clients.push(client),
                        Err(error) => errors.push(format!("pool {}, backend {}: {error}", pool.name, backend.name)),
                    },
                }
            }
            // Where a backend cannot be set up the numbers do not fit, and nothing of the plan will be used.
            match plan_tls(pool, &clients, old.map(|old| &old.parity)) {
                Ok(parity) => plan.push(PoolTls { backends: clients, parity }),
                Err(more) => errors.extend(more),
            }
        }
        if errors.is_empty() { Ok(plan) } else { Err(errors) }
    }

    /// Takes a config in. Pools and backends of unchanged identity keep their state; the rest starts unknown.
    pub(super) fn apply(
        &mut self,
        config: Arc<Config>,
        tls: TlsPlan,
        names: &Names,
        saved: &HashMap<PoolName, Saved>,
        now: Now,
    ) -> Vec<(PoolName, Decision)> {
        let mut old: HashMap<PoolName, PoolState> =
            self.pools.drain(..).map(|pool| (pool.config.name.clone(), pool)).collect();
        let mut decisions = Vec::new();
        for (pool, tls) in config.pools.iter().zip(tls) {
            let (state, decision) = self.build(pool, old.remove(&pool.name), tls, names, saved.get(&pool.name), now);
            decisions.extend(decision.map(|decision| (pool.name.clone(), decision)));
            self.pools.push(state);
        }
        self.index();
        self.agenda.reset(self.pools.len());
        self.touched.clear();
        (0..self.pools.len()).for_each(|pool| self.touch(pool));
        self.keys.follow(&config, now.at);
        self.routes_changed |= self.config.routes != config.routes || self.config.pools != config.pools;
        if self.routes_changed {
            (self.routes, self.guards) = route_table(&config, &self.keys);
        }
        self.config = config;
        self.lead_all(now, &mut decisions);
        decisions
    }

    /// Has guards check tokens with the keys that are known now.
    pub(super) fn rekey(&mut self) {
        let config = self.config.clone();
        (self.routes, self.guards) = route_table(&config, &self.keys);
        self.routes_changed = true;
    }

    /// Shows every pool that follows another where that one is, leaders before their followers.
    fn lead_all(&mut self, now: Now, decisions: &mut Vec<(PoolName, Decision)>) {
        let mut led: Vec<usize> = (0..self.pools.len()).filter(|&i| self.pools[i].config.follow.is_none()).collect();
        for &pool in &led {
            let state = &mut self.pools[pool];
            if state.steering.region().is_some() {
                let observation = Observation::Followed { region: None, note: "it follows no other pool now".into() };
                let step = state.steering.step(observation, now);
                decisions.extend(step.decision.map(|decision| (state.config.name.clone(), decision)));
            }
        }
        // No cycles: validation has seen to it.
        let mut next = 0;
        while let Some(leader) = led.get(next).copied() {
            next += 1;
            for (pool, observation) in self.followers(leader) {
                let state = &mut self.pools[pool];
                let step = state.steering.step(observation, now);
                decisions.extend(step.decision.map(|decision| (state.config.name.clone(), decision)));
                self.touch(pool);
                led.push(pool);
            }
        }
    }

    /// The pools that follow this one, and what each is to be shown of it.
    pub(super) fn followers(&self, leader: usize) -> Vec<(usize, Observation)> {
        let leader = &self.pools[leader];
        let Some(active) = leader.steering.active().and_then(|active| leader.backends.get(active)) else {
            return Vec::new();
        };
        let name = &active.config.name;
        let follows = |pool: &PoolState| pool.config.follow.as_ref().is_some_and(|it| it.pool == leader.config.name);
        let followers = self.pools.iter().enumerate().filter(|(_, pool)| follows(pool));
        let shown = followers.map(|(index, pool)| {
            let region = pool.backends.iter().position(|backend| backend.config.name == *name);
            (index, Observation::Followed { region, note: format!("{} is on {name}", leader.config.name) })
        });
        shown.collect()
    }

    fn build(
        &mut self,
        config: &PoolConfig,
        old: Option<PoolState>,
        PoolTls { backends: tls, parity: parity_tls }: PoolTls,
        names: &Names,
        saved: Option<&Saved>,
        now: Now,
    ) -> (PoolState, Option<Decision>) {
        let policy = config.into();
        let fits = old.as_ref().is_some_and(|old| *old.config == *config) && !config.backends.iter().any(names_files);
        let interval = config.probe.as_ref().map(|probe| probe.interval);
        let (mut published, mut steering, mut stats, mut was) = (None, None, None, Vec::new());
        let (mut shared, mut parity, mut ledger) = (None, None, None);
        if let Some(old) = old {
            published = old.published.filter(|_| fits);
            shared = Some(old.config).filter(|_| fits);
            (steering, stats) = (Some(old.steering), Some(old.stats));
            (parity, ledger) = (Some(old.parity), Some(old.ledger));
            was = old.backends.into_iter().map(Some).collect();
        }
        let mut kept = Vec::new();
        let mut backends = Vec::new();
        for (backend, tls) in config.backends.iter().zip(tls) {
            let same = |old: &BackendState| old.config.name == backend.name && old.config.url == backend.url;
            let place = was.iter().position(|old| old.as_ref().is_some_and(same));
            kept.push(place);
            let state = place.and_then(|place| was[place].take());
            backends.push(match state {
                Some(mut state) => {
                    if *state.config != *backend {
                        state.config = Arc::new(backend.clone());
                        state.origin = Origin::new(backend);
                    }
                    state.tls = tls;
                    interval.into_iter().for_each(|interval| state.schedule.fit(now.at, interval));
                    state
                }
                None => self.newcomer(backend, tls, names, now.at),
            });
        }
        let (steering, decision) = match steering {
            None => {
                let (steering, start) = match saved {
                    Some(saved) => Steering::restore(policy, saved, now),
                    None => Steering::start(policy, now),
                };
                (steering, Some(start))
            }
            Some(mut steering) => {
                let step = steering.step(Observation::Reload { policy, kept }, now);
                (steering, step.decision)
            }
        };
        let pool = PoolState {
            config: shared.unwrap_or_else(|| Arc::new(config.clone())),
            steering,
            stats: stats.unwrap_or_else(|| PoolStats::new(self.workers)),
            ledger: ledger.unwrap_or_else(Ledger::new),
            backends,
            parity: ParityState::new(config, parity_tls, parity, now.at),
            published,
            touched: false,
            shown: None,
        };
        (pool, decision)
    }

    fn newcomer(&mut self, config: &BackendConfig, tls: Option<TlsClient>, names: &Names, now: Moment) -> BackendState {
        let id = BackendId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        BackendState {
            id,
            addresses: names.addresses(&config.url),
            config: Arc::new(config.clone()),
            origin: Origin::new(config),
            tls,
            stats: BackendStats::new(self.workers),
            schedule: Schedule::new(now),
            turns: Turns::default(),
            kept: Kept::default(),
            probed: None,
            attempts: 0,
        }
    }

    fn index(&mut self) {
        let backends = |(pool, state): (usize, &PoolState)| {
            let place = move |(backend, state): (usize, &BackendState)| (state.id, Place { pool, backend });
            state.backends.iter().enumerate().map(place).collect::<Vec<_>>()
        };
        self.places = self.pools.iter().enumerate().flat_map(backends).collect();
    }

    /// Where a backend stands; none when a reload took it away.
    pub(super) fn place(&self, id: BackendId) -> Option<Place> {
        self.places.get(&id).copied()
    }

    /// The host of every backend.
    pub(super) fn hosts(config: &Config) -> impl Iterator<Item = &str> {
        config.pools.iter().flat_map(|pool| &pool.backends).map(|backend| backend.url.host.as_str())
    }

    /// The hosts of the services that parity checks ask.
    pub(super) fn companions(config: &Config) -> impl Iterator<Item = &str> {
        config.pools.iter().flat_map(|pool| &pool.parity).flat_map(crate::config::ParityConfig::hosts)
    }

    /// Takes new addresses of a host over.
    pub(super) fn readdress(&mut self, host: &str, names: &Names) {
        let mut moved = Vec::new();
        for (index, pool) in self.pools.iter_mut().enumerate() {
            for backend in pool.backends.iter_mut().filter(|backend| backend.config.url.host == host) {
                let next = names.addresses(&backend.config.url);
                if next != backend.addresses {
                    backend.addresses = next;
                    moved.push(index);
                }
            }
        }
        moved.into_iter().for_each(|pool| self.touch(pool));
    }
}

fn names_files(backend: &BackendConfig) -> bool {
    backend.ca.is_some() || backend.client_certificate.is_some()
}

fn route_table(config: &Config, keys: &Keys) -> (RouteTable, Arc<[Guard]>) {
    let index: HashMap<&PoolName, usize> = config.pools.iter().enumerate().map(|(i, pool)| (&pool.name, i)).collect();
    let mut guards = Vec::new();
    let mut routes = Vec::new();
    for route in &config.routes {
        // A route to a pool that is not there cannot pass validation.
        let Some(pool) = index.get(&route.pool) else { continue };
        let guard = route.guard.as_ref().map(|guard| {
            let keys = guard.tokens.as_deref().and_then(|tokens| keys.published(tokens));
            guards.push(Guard { config: Arc::new(guard.clone()), keys });
            guards.len() - 1
        });
        routes.push(Route { config: route.clone(), pool: *pool, guard });
    }
    (RouteTable::new(routes), guards.into())
}
