//! Regions that are killed, stopped and resumed at random, and what that explains of activities delivered twice.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use serde_json::Value;

use super::bots::Received;
use super::regions::{NORTH, POOL, Regions, WEST};

/// What was done to a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// SIGKILL, and started again.
    Killed,
    /// SIGSTOP, and SIGCONT.
    Stopped,
}

/// A fault of one region, in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub region: &'static str,
    pub kind: Kind,
    pub from: u64,
    pub to: u64,
}

/// An activity that two deliveries are known of: when, and where.
pub type Delivery = (u64, &'static str);

/// How long after its end, and before its beginning, a fault explains a delivery: a stopped process reads what its sockets
/// held, and a killed or stopped one had read what it did not answer. Bots under test answer within half a second.
const REACH: u64 = 1000;

fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Makes fault after fault until `time` is over: one region at a time, the other one well. Every fault lasts between 0.1 and
/// 4 seconds, and the next begins up to 1.5 seconds after the gateway found both regions healthy again.
pub async fn make(regions: &mut Regions, rng: &mut Rng, time: Duration) -> Vec<Fault> {
    let start = tokio::time::Instant::now();
    let mut faults = Vec::new();
    while start.elapsed() < time {
        let region = if rng.bool() { WEST } else { NORTH };
        let kind = if rng.bool() { Kind::Killed } else { Kind::Stopped };
        let bot = if region == WEST { &mut regions.west } else { &mut regions.north };
        let from = now();
        match kind {
            Kind::Killed => bot.kill(),
            Kind::Stopped => bot.freeze(),
        }
        tokio::time::sleep(Duration::from_millis(rng.u64(100..4000))).await;
        let to = now();
        match kind {
            Kind::Killed => bot.restart(),
            Kind::Stopped => bot.thaw(),
        }
        faults.push(Fault { region, kind, from, to });
        for region in [WEST, NORTH] {
            regions.gateway.until_health(POOL, region, "healthy").await;
        }
        tokio::time::sleep(Duration::from_millis(rng.u64(..1500))).await;
    }
    faults
}

/// Every delivery of both regions by activity, in order of time.
pub fn deliveries(regions: &Regions) -> BTreeMap<String, Vec<Delivery>> {
    let mut all: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
    for (region, bot) in [(WEST, &regions.west), (NORTH, &regions.north)] {
        for Received { at, id } in bot.deliveries() {
            all.entry(id).or_default().push((at, region));
        }
    }
    all.values_mut().for_each(|deliveries| deliveries.sort_unstable());
    all
}

/// When the gateway moved away from a region, whatever for: in milliseconds since 1970.
pub type Move = (u64, String);

/// Every move of the gateway, by its journal.
pub async fn moves(regions: &Regions) -> Vec<Move> {
    let entries = regions.gateway.api(&format!("/api/v1/journal?pool={POOL}&limit=1000")).await;
    let entries = entries.as_array().unwrap().iter().filter(|entry| entry["before"] != entry["after"]);
    let moved = |entry: &Value| {
        let at: jiff::Timestamp = entry["at"].as_str()?.parse().ok()?;
        Some((u64::try_from(at.as_millisecond()).ok()?, entry["before"].as_str()?.to_owned()))
    };
    entries.filter_map(moved).collect()
}

/// Why an activity was delivered more than once; none when neither a fault nor a move of the gateway explains it.
pub fn why(deliveries: &[Delivery], faults: &[Fault], moves: &[Move]) -> Option<&'static str> {
    let touches = |kind: Kind, explains: fn(&Fault, u64) -> bool| {
        deliveries.iter().any(|(at, region)| {
            faults.iter().any(|fault| fault.kind == kind && fault.region == *region && explains(fault, *at))
        })
    };
    let before = |fault: &Fault, at: u64| (fault.from.saturating_sub(REACH)..=fault.from + 100).contains(&at);
    let after = |fault: &Fault, at: u64| (fault.to..fault.to + REACH).contains(&at);
    if touches(Kind::Stopped, after) {
        Some("read by a region that came back from a hang")
    } else if touches(Kind::Stopped, before) {
        Some("stopped before it had answered")
    } else if touches(Kind::Killed, before) {
        Some("killed before it had answered")
    } else if rescued(deliveries, moves) {
        Some("rescued from a region that was given up for being slow")
    } else {
        None
    }
}

/// Whether the gateway moved away from a region between an activity's delivery there and the next one elsewhere.
fn rescued(deliveries: &[Delivery], moves: &[Move]) -> bool {
    deliveries.windows(2).any(|pair| {
        let [(first, region), (second, other)] = pair else { return false };
        let between = first.saturating_sub(100)..=second + 100;
        region != other && moves.iter().any(|(at, from)| from == region && between.contains(at))
    })
}
