//! What may happen to a pool, drawn at random.

use std::ops::Range;
use std::time::Duration;

use proptest::prelude::*;

use crate::model::{AllDown, FailbackMode, WhenBothBad, WhenUnavailable};
use crate::steering::transitions::policy;
use crate::steering::{BackendPolicy, FailbackPolicy, FlapPolicy, Policy, What};

/// Something that happens. Backends are meant by index; one that there is not is meant too.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Probe(usize, bool),
    /// As many in a row as make a verdict.
    Probes(usize, bool),
    Evidence(usize, u64),
    Suspect(usize),
    Parity(usize, Parity),
    Order(What, bool),
    DrillHurts,
    Followed(Option<usize>),
    Reload(Rules),
    /// The process ends and is started again so many seconds later, perhaps with another config.
    Restart(u64, Option<Rules>),
    /// The wall clock is set, by so many seconds.
    Jump(i64),
    Tick,
    /// Time goes by until the machine asks to be woken.
    Wake,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Parity {
    None,
    Unknown,
    InStep,
    Drifted,
    Required,
}

/// A config, drawn at random.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// Priority; and which backend of the former config it is, if any.
    pub(super) backends: Vec<(u32, Origin)>,
    pub(super) mode: FailbackMode,
    pub(super) hold: u64,
    pub(super) flap: u32,
    pub(super) window: &'static str,
    pub(super) both_bad: WhenBothBad,
    pub(super) all_down: AllDown,
    pub(super) probes: bool,
    pub(super) follow: Option<WhenUnavailable>,
}

/// Where a backend of a new config comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    /// It is this one of the former config.
    Kept(usize),
    /// It has the name of this one, and another URL.
    Moved(usize),
    New,
}

impl Rules {
    /// The policy, after one that had backends of these names; and what is kept of those.
    pub(super) fn policy(&self, was: &[BackendPolicy]) -> (Policy, Vec<Option<usize>>) {
        let (mut backends, mut kept) = (Vec::<BackendPolicy>::new(), Vec::new());
        for &(priority, origin) in &self.backends {
            let old = match origin {
                Origin::Kept(old) | Origin::Moved(old) => Some(old).filter(|old| *old < was.len()),
                Origin::New => None,
            };
            let free = |name: &str| backends.iter().all(|b| b.name.as_str() != name);
            let old = old.filter(|old| free(was[*old].name.as_str()));
            let fresh = |name: &&str| free(name) && was.iter().all(|b| b.name.as_str() != *name);
            let name = match old {
                Some(old) => was[old].name.clone(),
                None => ["a", "b", "c", "d", "e", "f", "g", "h", "i"].into_iter().find(fresh).unwrap().into(),
            };
            backends.push(BackendPolicy { name, priority });
            kept.push(old.filter(|_| matches!(origin, Origin::Kept(_))));
        }
        let base = policy(&[]);
        let policy = Policy {
            backends,
            probes: base.probes.filter(|_| self.probes),
            failback: FailbackPolicy {
                mode: self.mode,
                hold: Duration::from_secs(self.hold),
                windows: vec![self.window.parse().unwrap()],
            },
            flap: FlapPolicy { failovers: self.flap, within: Duration::from_secs(120) },
            all_down: self.all_down,
            when_both_bad: self.both_bad,
            follow: self.follow,
            ..base
        };
        (policy, kept)
    }
}

pub(super) fn rules(backends: Range<usize>, follows: f64) -> impl Strategy<Value = Rules> {
    let origin = prop_oneof![
        6 => (0usize..4).prop_map(Origin::Kept),
        1 => (0usize..4).prop_map(Origin::Moved),
        1 => Just(Origin::New),
    ];
    let modes = [FailbackMode::Auto, FailbackMode::Approve, FailbackMode::Never, FailbackMode::Window];
    let unavailable = [WhenUnavailable::Stay, WhenUnavailable::Priority];
    let choices = (
        prop::collection::vec((1u32..4, origin), backends),
        prop::sample::select(modes.to_vec()),
        prop::sample::select(vec![20u64, 20, 50, 0]),
        prop::sample::select(vec![1u32, 3, 100]),
        prop::sample::select(vec!["00:01-00:02", "00:03-01:00", "00:00-24:00", "Sun 12:00-13:00"]),
        prop::sample::select(vec![WhenBothBad::Stay, WhenBothBad::Priority]),
        prop::sample::select(vec![AllDown::TryAll, AllDown::Reject]),
        prop::bool::weighted(0.85),
        prop::option::weighted(follows, prop::sample::select(unavailable.to_vec())),
    );
    choices.prop_map(|(backends, mode, hold, flap, window, both_bad, all_down, probes, follow)| Rules {
        backends,
        mode,
        hold,
        flap,
        window,
        both_bad,
        all_down,
        probes,
        follow,
    })
}

fn order() -> impl Strategy<Value = What> {
    let backend = || 0usize..5;
    let lasts = || (0u64..60).prop_map(Duration::from_secs);
    let drill = (prop::option::of(backend()), lasts());
    prop_oneof![
        3 => prop::option::of(backend()).prop_map(|to| What::Failover { to }),
        3 => Just(What::Failback),
        3 => (backend(), prop::option::of(lasts()), any::<bool>())
            .prop_map(|(backend, lasts, yield_when_down)| What::Pin { backend, lasts, yield_when_down }),
        3 => Just(What::Unpin),
        3 => backend().prop_map(|backend| What::Drain { backend }),
        3 => backend().prop_map(|backend| What::Resume { backend }),
        3 => drill.prop_map(|(to, lasts)| What::Drill { id: "d1".into(), to, lasts }),
        1 => Just(What::EndDrill),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let parity = [Parity::None, Parity::Unknown, Parity::InStep, Parity::InStep, Parity::Drifted, Parity::Required];
    let jump = prop::sample::select(vec![-90_000i64, -3600, -61, -10, 10, 61, 3600, 90_000]);
    prop_oneof![
        8 => (0usize..4, prop::bool::weighted(0.6)).prop_map(|(b, good)| Act::Probe(b, good)),
        8 => (0usize..4, prop::bool::weighted(0.6)).prop_map(|(b, good)| Act::Probes(b, good)),
        3 => (0usize..4, 0u64..7).prop_map(|(b, failures)| Act::Evidence(b, failures)),
        1 => (0usize..4).prop_map(Act::Suspect),
        2 => (0usize..4, prop::sample::select(parity.to_vec())).prop_map(|(b, parity)| Act::Parity(b, parity)),
        10 => (order(), prop::bool::weighted(0.4)).prop_map(|(what, force)| Act::Order(what, force)),
        1 => Just(Act::DrillHurts),
        2 => prop::option::weighted(0.8, 0usize..4).prop_map(Act::Followed),
        1 => rules(1..5, 0.5).prop_map(Act::Reload),
        2 => (0u64..100, prop::option::weighted(0.2, rules(1..5, 0.5)))
            .prop_map(|(down, rules)| Act::Restart(down, rules)),
        1 => jump.prop_map(Act::Jump),
        2 => Just(Act::Tick),
        4 => Just(Act::Wake),
    ]
}

/// So many acts at most, each after a pause in milliseconds.
pub(super) fn history(most: usize) -> impl Strategy<Value = Vec<(u64, Act)>> {
    prop::collection::vec((0u64..12_000, act()), 0..most)
}
