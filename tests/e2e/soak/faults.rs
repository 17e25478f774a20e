//! What happens to the regions and to the config meanwhile: one thing after another, drawn by a seed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::{POOL, config};
use crate::support::sim::Region;
use crate::support::storm::{SimVictim, Victim};
use crate::support::{Gateway, Site};

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// SIGKILL, and started again.
    Killed,
    /// SIGSTOP, and SIGCONT.
    Stopped,
    /// The simulated region does what its fault says.
    Ordered(&'static str),
    /// A config that differs.
    Reloaded,
    /// A config that is wrong: it must change nothing.
    ReloadRefused,
}

const ALL: [Kind; 10] = [
    Kind::Killed,
    Kind::Stopped,
    Kind::Ordered(r#"{"kind":"down"}"#),
    Kind::Ordered(r#"{"kind":"hang"}"#),
    Kind::Ordered(r#"{"kind":"slow","distribution":{"uniform_ms":[100,900]}}"#),
    Kind::Ordered(r#"{"kind":"status","status":503}"#),
    Kind::Ordered(r#"{"kind":"reset","after_bytes":0}"#),
    Kind::Ordered(r#"{"kind":"flaky","rate":0.3}"#),
    Kind::Reloaded,
    Kind::ReloadRefused,
];

/// Between two lines that say how it goes.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// The one that makes them.
pub struct Faults<'a> {
    site: &'a Site,
    gateway: &'a Gateway,
    regions: [SimVictim<'a>; 2],
    /// Drawn anew when all were made: a short run has them all too.
    deck: Vec<Kind>,
    rng: Rng,
    reloads: u64,
    made: BTreeMap<Kind, usize>,
}

/// How often each happened.
pub struct Made(BTreeMap<Kind, usize>);

impl<'a> Faults<'a> {
    pub fn new(site: &'a Site, gateway: &'a Gateway, regions: [Region; 2], seed: u64) -> Self {
        let regions = regions.map(|region| SimVictim { site, region });
        Self { site, gateway, regions, deck: Vec::new(), rng: Rng::with_seed(seed), reloads: 0, made: BTreeMap::new() }
    }

    /// Makes fault after fault, of one region at a time and the other one well, until `length` is over. Each lasts between
    /// 0.1 and 4 seconds; the next begins up to a second after the gateway found both regions healthy.
    pub async fn make(&mut self, length: Duration, tell: impl Fn()) {
        let (start, mut told) = (Instant::now(), Duration::ZERO);
        while start.elapsed() < length {
            if self.deck.is_empty() {
                self.deck = ALL.to_vec();
                self.rng.shuffle(&mut self.deck);
            }
            if let Some(kind) = self.deck.pop() {
                self.one(kind).await;
                *self.made.entry(kind).or_default() += 1;
            }
            for region in ["one", "two"] {
                self.gateway.until_health(POOL, region, "healthy").await;
            }
            if start.elapsed() >= told {
                told = start.elapsed() + TELL_EVERY;
                tell();
            }
            tokio::time::sleep(Duration::from_millis(self.rng.u64(..1000))).await;
        }
    }

    async fn one(&mut self, kind: Kind) {
        let lasts = Duration::from_millis(self.rng.u64(100..4000));
        let victim = &mut self.regions[self.rng.usize(..2)];
        match kind {
            Kind::Killed => {
                victim.kill().await;
                tokio::time::sleep(lasts).await;
                victim.restart().await;
            }
            Kind::Stopped => {
                victim.freeze();
                tokio::time::sleep(lasts).await;
                victim.thaw();
            }
            Kind::Ordered(fault) => {
                victim.region.fault(fault).await;
                tokio::time::sleep(lasts).await;
                victim.region.heal().await;
            }
            Kind::Reloaded => {
                self.reloads += 1;
                self.write(self.reloads, "");
                let outcome = self.gateway.reload().await;
                assert_eq!(outcome["result"], "applied", "a good config was not taken: {outcome}");
            }
            Kind::ReloadRefused => {
                self.write(self.reloads, "\nnonsense = true\n");
                let outcome = self.gateway.reload().await;
                assert_ne!(outcome["result"], "applied", "a wrong config was taken: {outcome}");
                self.write(self.reloads, "");
            }
        }
    }

    fn write(&self, number: u64, more: &str) {
        let [one, two] = &self.regions;
        let text = config(self.site, [&one.region, &two.region], number) + more;
        self.site.write("botgate.toml", &text);
    }

    /// What was made, and the regions, to be kept until the end.
    pub fn end(self) -> (Made, [Region; 2]) {
        (Made(self.made), self.regions.map(|victim| victim.region))
    }
}

impl Made {
    /// Asserts that each happened, in a run that is long enough.
    pub fn assert_made(&self, length: Duration) {
        if length >= Duration::from_secs(120) {
            assert_eq!(self.0.len(), ALL.len(), "not everything happened\n{self}");
        }
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faults:")?;
        for (kind, times) in &self.0 {
            match kind {
                Kind::Ordered(fault) => write!(f, " {times} × {fault}")?,
                other => write!(f, " {times} × {other:?}")?,
            }
        }
        Ok(())
    }
}
