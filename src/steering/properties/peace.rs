//! What comes of a pool when all faults end.

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::world::World;
use crate::model::{FailbackMode, Health, ParityVerdict, Phase};
use crate::steering::{BackendParity, Observation, What};

/// After all faults end, the pool reaches the state that its policy says.
pub(super) fn follows(world: &mut World) -> TestCaseResult {
    let count = world.machine.backends().len();
    for backend in 0..count {
        let parity = BackendParity { verdict: ParityVerdict::InStep, required: false, notes: vec!["in step".into()] };
        world.see(Observation::Parity { backend, parity })?;
        if world.machine.backends()[backend].drained {
            world.order(What::Resume { backend }, false)?;
        }
    }
    for _ in 0..8 {
        // The way out of all-down may still spend the last of the budget.
        while world.machine.standing().pin.is_some() || world.machine.standing().latched {
            prop_assert!(world.order(What::Unpin, false)?.is_some(), "what holds a pool can be released");
        }
        for backend in 0..count {
            world.probe(backend, true)?;
        }
        world.mind_the_time(6000)?;
        world.pass(25_000);
        world.see(Observation::Tick)?;
    }
    for _ in 0..8 {
        world.wake()?;
    }
    prop_assert!(world.machine.next_wakeup(world.now).is_none(), "it never comes to rest");

    let machine = &world.machine;
    prop_assert!(machine.backends().iter().all(|state| state.health() != Health::Unhealthy));
    let home = machine.ranking().first().copied();
    let expected = match machine.policy().failback.mode {
        _ if machine.active() == home => Phase::Steady,
        _ if machine.standing().away => Phase::AwaitingApproval,
        FailbackMode::Approve => Phase::AwaitingApproval,
        FailbackMode::Never => Phase::FailedOver,
        FailbackMode::Auto | FailbackMode::Window => Phase::Steady,
    };
    prop_assert_eq!(machine.phase(), expected, "active {:?}, home {:?}", machine.active(), home);
    if machine.phase() != Phase::Steady {
        prop_assert!(world.order(What::Failback, false)?.is_some(), "an operator brings it home");
        prop_assert_eq!((world.machine.phase(), world.machine.active()), (Phase::Steady, home));
    }
    Ok(())
}
