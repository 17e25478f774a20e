//! What must hold in every history: thousands of random ones, and each one that once went wrong.

mod acts;
mod peace;
mod regressions;
mod rules;
mod world;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult};

use acts::{Act, Rules, history, rules};
use world::World;

/// Histories of each property; there are [`SHARES`] of them. `BOTGATE_HISTORIES` sets the sum.
fn config() -> Config {
    let asked = std::env::var("BOTGATE_HISTORIES").ok().and_then(|text| text.parse::<u32>().ok());
    let cases = asked.unwrap_or(HISTORIES).div_ceil(SHARES);
    // What failed once is kept as a named test, where it says what went wrong.
    Config { cases, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() }
}

const HISTORIES: u32 = 8_000;
const SHARES: u32 = 4;

/// Lives through a history, and then through the peace after it.
fn live(rules: &Rules, history: &[(u64, Act)]) -> TestCaseResult {
    let mut world = World::new(rules)?;
    for (pause, act) in history {
        world.pass(*pause);
        world.act(act)?;
        world.mind_the_time(*pause)?;
    }
    peace::follows(&mut world)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_history_of_one_or_two_backends_keeps_the_rules(
        rules in rules(1..3, 0.05),
        history in history(40),
    ) {
        live(&rules, &history)?;
    }

    #[test]
    fn every_history_of_three_or_four_backends_keeps_the_rules(
        rules in rules(3..5, 0.05),
        history in history(40),
    ) {
        live(&rules, &history)?;
    }

    #[test]
    fn every_history_of_a_pool_that_follows_another_keeps_the_rules(
        rules in rules(2..5, 0.95),
        history in history(40),
    ) {
        live(&rules, &history)?;
    }

    #[test]
    fn every_long_history_keeps_the_rules(
        rules in rules(2..4, 0.05),
        history in history(90),
    ) {
        live(&rules, &history)?;
    }
}
