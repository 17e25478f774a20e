//! What is told of a pool in each of its phases, word for word: the texts stand in `told/`, to be read aloud.
//!
//! After a change of words: `BOTGATE_TOLD=write cargo test told`, then read what changed.

use std::time::Duration;

use super::Setting;
use crate::model::{AllDown, FailbackMode, HoldKind, Moment, Now, Phase, PoolName, Utc, WhenUnavailable};
use crate::steering::{
    BackendPolicy, EvidencePolicy, FailbackPolicy, FlapPolicy, Observation, Order, Policy, ProbePolicy, Steering,
    Tally, What,
};

fn policy() -> Policy {
    let backend = |(name, priority): (&str, u32)| BackendPolicy { name: name.into(), priority };
    Policy {
        backends: [("westeurope", 1), ("northeurope", 2)].map(backend).to_vec(),
        probes: Some(ProbePolicy { fall: 2, rise: 3 }),
        evidence: EvidencePolicy {
            failures: Some(10),
            within: Duration::from_secs(2),
            share: 0.5,
            recover: Duration::from_secs(10),
        },
        failback: FailbackPolicy { mode: FailbackMode::Auto, hold: Duration::from_secs(60), windows: vec![] },
        flap: FlapPolicy { failovers: 3, within: Duration::from_secs(3600) },
        all_down: AllDown::TryAll,
        when_both_bad: crate::model::WhenBothBad::Stay,
        follow: None,
    }
}

fn with_mode(mode: FailbackMode) -> Policy {
    let windows = match mode {
        FailbackMode::Window => vec!["Sat 02:00-04:00".parse().unwrap()],
        _ => vec![],
    };
    Policy { failback: FailbackPolicy { mode, windows, ..policy().failback }, ..policy() }
}

/// Second 0 is 03:00 on Sunday, 2026-11-22, UTC.
fn now(second: u64) -> Now {
    let since = Duration::from_secs(second);
    Now { at: Moment::from_origin(since), utc: Utc::from_millis(1_795_316_400_000) + since }
}

struct Pool {
    machine: Steering,
    follows: Option<PoolName>,
}

impl Pool {
    /// Both backends healthy at second 1.
    fn new(policy: Policy) -> Self {
        let mut pool = Self { machine: Steering::start(policy, now(0)).0, follows: None };
        pool.probes(1, 0, "+");
        pool.probes(1, 1, "+");
        pool
    }

    fn see(&mut self, second: u64, observation: Observation) {
        self.machine.step(observation, now(second));
    }

    fn probes(&mut self, second: u64, backend: usize, results: &str) {
        for result in results.chars() {
            let result = if result == '+' { Ok(()) } else { Err("connection refused".into()) };
            self.see(second, Observation::Probe { backend, result });
        }
    }

    fn order(&mut self, second: u64, what: What, reason: &str, force: bool) {
        let order = Order { what, by: "local (ann)".into(), reason: Some(reason.into()), force };
        self.machine.order(&order, now(second)).unwrap();
    }

    fn explained(&self, second: u64) -> crate::model::ExplainView {
        let name = PoolName::from(if self.follows.is_some() { "qna" } else { "bot-api" });
        let interval = self.machine.policy().probes.map(|_| Duration::from_secs(2));
        let setting = Setting { pool: &name, interval, follows: self.follows.as_ref() };
        self.machine.explained(setting, now(second))
    }

    /// What is told at this second is what stands in `told/NAME.txt`.
    fn tells(&self, second: u64, phase: Phase, name: &str) {
        assert_eq!(self.machine.phase(), phase, "{name}");
        let mut text = String::new();
        for (title, lines) in self.explained(second).sections() {
            text += &format!("{title}\n");
            for line in lines {
                text += &format!("  {}\n", line.replace('\n', "\n      "));
            }
        }
        let path = format!("{}/src/steering/explain/told/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        if std::env::var("BOTGATE_TOLD").is_ok_and(|value| value == "write") {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(&path).unwrap(), "{path} says otherwise");
    }
}

#[test]
fn told_steady() {
    Pool::new(policy()).tells(100, Phase::Steady, "steady");
}

#[test]
fn told_steady_without_a_standby() {
    let mut pool = Pool::new(policy());
    pool.probes(50, 1, "--");
    pool.tells(100, Phase::Steady, "steady-alone");
}

#[test]
fn told_failed_over() {
    let mut pool = Pool::new(policy());
    pool.probes(50, 0, "--");
    pool.tells(100, Phase::FailedOver, "failed-over");
    let view = pool.explained(100);
    assert_eq!((view.failback.at, view.failback.earliest), (None, Some(now(166).utc)), "3 probes, then the hold");
    pool.probes(101, 0, "++");
    assert_eq!(pool.explained(101).failback.earliest, Some(now(163).utc), "1 of 3 is missing");
}

#[test]
fn told_failed_over_by_live_traffic() {
    let mut pool = Pool::new(policy());
    pool.see(50, Observation::Evidence { backend: 0, counted: Tally { failures: 12, attempts: 14 } });
    pool.tells(52, Phase::FailedOver, "failed-over-traffic");
}

#[test]
fn told_failed_over_by_a_drain() {
    let mut pool = Pool::new(policy());
    pool.order(50, What::Drain { backend: 0 }, "kernel updates", false);
    pool.tells(100, Phase::FailedOver, "drained");
    assert_eq!(pool.explained(100).failback.earliest, None);
}

#[test]
fn told_failed_over_for_ever() {
    let mut pool = Pool::new(with_mode(FailbackMode::Never));
    pool.probes(50, 0, "--");
    pool.probes(60, 0, "+++");
    pool.tells(200, Phase::FailedOver, "never");
}

#[test]
fn told_holding() {
    let mut pool = Pool::new(policy());
    pool.probes(50, 0, "--");
    pool.probes(60, 0, "+++");
    pool.tells(80, Phase::Holding, "holding");
    assert_eq!(pool.explained(80).failback.at, Some(now(120).utc));
}

#[test]
fn told_holding_for_a_window() {
    let mut pool = Pool::new(with_mode(FailbackMode::Window));
    pool.probes(50, 0, "--");
    pool.probes(60, 0, "+++");
    pool.tells(80, Phase::Holding, "holding-window");
    pool.see(200, Observation::Tick);
    let view = pool.explained(200);
    assert_eq!(view.holds[0].kind, HoldKind::Window);
    assert_eq!(view.holds[0].until, view.failback.at);
    assert!(view.failback.text.starts_with("westeurope was ready for the hold of 60 s; then it waits for the window"));
}

#[test]
fn told_awaiting_approval_by_mode() {
    let mut pool = Pool::new(with_mode(FailbackMode::Approve));
    pool.probes(50, 0, "--");
    pool.probes(60, 0, "+++");
    pool.see(120, Observation::Tick);
    pool.tells(200, Phase::AwaitingApproval, "awaiting-approval");
}

#[test]
fn told_awaiting_approval_by_order() {
    let mut pool = Pool::new(policy());
    pool.order(50, What::Failover { to: None }, "West Europe answers slowly", false);
    pool.tells(200, Phase::AwaitingApproval, "away");
}

#[test]
fn told_moved_by_force_onto_a_dead_backend() {
    let mut pool = Pool::new(policy());
    pool.probes(40, 1, "--");
    pool.order(50, What::Failover { to: Some(1) }, "the probe is wrong", true);
    pool.tells(200, Phase::AwaitingApproval, "forced");
}

#[test]
fn told_latched() {
    let mut pool = Pool::new(policy());
    for round in 0..4 {
        pool.probes(100 + round * 200, 0, "--");
        pool.probes(110 + round * 200, 0, "+++");
        pool.see(170 + round * 200, Observation::Tick);
    }
    pool.tells(900, Phase::Latched, "latched");
}

#[test]
fn told_pinned() {
    let mut pool = Pool::new(policy());
    let lasts = Some(Duration::from_secs(7200));
    pool.order(50, What::Pin { backend: 1, lasts, yield_when_down: true }, "the vendor measures there", false);
    pool.tells(100, Phase::Pinned, "pinned");
}

#[test]
fn told_pinned_to_a_dead_backend() {
    let mut pool = Pool::new(policy());
    pool.order(50, What::Pin { backend: 0, lasts: None, yield_when_down: false }, "audit", false);
    pool.probes(60, 0, "--");
    pool.tells(100, Phase::Pinned, "pinned-dead");
}

#[test]
fn told_drill() {
    let mut pool = Pool::new(policy());
    let drill = What::Drill { id: "bot-api-1".into(), to: None, lasts: Duration::from_secs(600) };
    pool.order(50, drill, "quarterly", false);
    pool.tells(100, Phase::Drill, "drill");
}

#[test]
fn told_all_down() {
    for (all_down, name) in [(AllDown::TryAll, "all-down"), (AllDown::Reject, "all-down-reject")] {
        let mut pool = Pool::new(Policy { all_down, ..policy() });
        pool.probes(50, 0, "--");
        pool.probes(60, 1, "--");
        pool.tells(100, Phase::AllDown, name);
    }
}

#[test]
fn told_of_a_follower() {
    let mut pool = Pool::new(Policy { follow: Some(WhenUnavailable::Stay), ..policy() });
    pool.follows = Some("bot-api".into());
    pool.see(40, Observation::Followed { region: Some(0), note: "bot-api is on westeurope".into() });
    pool.see(50, Observation::Followed { region: Some(1), note: "bot-api is on northeurope".into() });
    pool.tells(100, Phase::Steady, "follower");
}

#[test]
fn told_without_probes() {
    let mut pool = Pool::new(Policy { probes: None, ..policy() });
    pool.see(50, Observation::Evidence { backend: 0, counted: Tally { failures: 12, attempts: 14 } });
    let view = pool.explained(55);
    assert_eq!(view.failback.earliest, Some(now(120).utc), "10 s of recovery, then the hold");
    assert!(view.moves[0].starts_with("If too many requests to northeurope fail, nobody can take over"), "{view:?}");
}
