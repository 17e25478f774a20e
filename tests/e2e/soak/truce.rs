//! What the gateway holds on to when nobody troubles it: what a leak would add to, and nothing else does. While pests and
//! faults are at it, who happens to be connected swings by more than any leak of a minute.

use std::fmt;
use std::time::{Duration, Instant};

use super::guests;
use super::vitals::Vitals;
use crate::support::Gateway;
use crate::support::wait::wait_within;

/// Descriptors that the gateway may keep open beside those of its guests: warm connections of both workers to both regions,
/// those of probes, what is in reserve.
const KEPT: usize = 24;

/// Until what pests and faults cost is given back. Connections to backends that nobody uses any more are closed after 10 s.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long memory is looked at: it is given back in passing, and what guests take comes and goes.
const LOOK: Duration = Duration::from_secs(5);

/// KiB that memory may grow by in a run of minutes, where 5 % are less: until as much has been through the allocator as in
/// half an hour, who was connected when moves it by 2 MiB either way. A leak of 500 bytes for each request makes 13 MiB in a
/// minute (tried).
const SETTLING: u64 = 4 * 1024;

/// From here on a run is long.
const LONG: Duration = Duration::from_secs(600);

/// Resident memory in KiB, when pests had left and faults were over: one for each truce.
#[derive(Debug, Default)]
pub struct Truces(Vec<u64>);

/// Asserts that no more descriptors than these, and what the gateway keeps for itself, stay open.
pub async fn given_back(gateway: &Gateway, expected: usize) {
    wait_within("every descriptor that a client or a fault cost is given back", DEADLINE, async || {
        Vitals::of(gateway).descriptors <= expected + KEPT
    })
    .await;
}

impl Truces {
    /// Asserts that all descriptors are given back but those of the guests, and looks at what is resident. `still`:
    /// descriptors before anybody came.
    pub async fn hold(&mut self, gateway: &Gateway, still: usize) {
        given_back(gateway, still + 2 * guests::many()).await;
        let (start, mut least) = (Instant::now(), u64::MAX);
        while start.elapsed() < LOOK {
            least = least.min(Vitals::of(gateway).resident);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.0.push(least);
    }

    /// The last truce holds no more than 5 % above what one before it held, after a warm-up.
    fn growth(&self, length: Duration) -> Result<(), String> {
        let Some((last, before)) = self.0.split_last() else { return Ok(()) };
        let warm = before.iter().max().unwrap_or(last);
        let most = warm + (warm / 20).max(if length < LONG { SETTLING } else { 0 });
        if *last > most { Err(format!("resident memory grew from {warm} to {last} KiB")) } else { Ok(()) }
    }

    /// Asserts that nothing grows in a run of this length.
    pub fn assert_flat(&self, length: Duration) {
        if let Err(growth) = self.growth(length) {
            panic!("{growth}\n{self}");
        }
    }
}

impl fmt::Display for Truces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "resident in the truces:")?;
        self.0.iter().try_for_each(|resident| write!(f, "  {:.1} MiB", *resident as f64 / 1024.0))
    }
}

#[test]
fn what_grows_in_the_last_third_by_more_than_a_twentieth_is_a_leak() {
    let growth = |resident: &[u64], seconds| Truces(resident.to_vec()).growth(Duration::from_secs(seconds));
    assert_eq!(growth(&[40_000, 50_000, 52_500], 1800), Ok(()));
    assert!(growth(&[40_000, 50_000, 52_501], 1800).is_err());
    assert_eq!(growth(&[40_000, 50_000, 54_096], 180), Ok(()), "a short run has not settled");
    assert!(growth(&[50_000, 40_000, 54_097], 180).is_err());
    assert!(growth(&[100_000, 100_000, 105_001], 180).is_err());
}
