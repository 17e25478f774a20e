//! The rules that hold in every history.

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use crate::model::{Cause, Direction, FailbackMode, Moment, Now, Phase, Utc};
use crate::steering::{BackendState, Decision, Order, Pin, Saved, Steering, What};

/// What happened, as far as a rule makes a difference.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Seen,
    Order(What, bool),
    /// With what was kept of the former backends.
    Reload(Vec<Option<usize>>),
}

impl Event {
    /// Where a backend is now that had this index before.
    fn now(&self, was: usize) -> Option<usize> {
        match self {
            Self::Reload(kept) => kept.iter().position(|old| *old == Some(was)),
            _ => Some(was),
        }
    }

    fn forced(&self) -> bool {
        matches!(self, Self::Order(_, true))
    }
}

/// Whether steering may move to a backend by itself.
fn open(state: &BackendState) -> bool {
    state.available() && !state.barred()
}

/// What holds of every machine, whatever it went through.
pub(super) fn holds(machine: &Steering) -> TestCaseResult {
    let (backends, standing) = (machine.backends(), machine.standing());
    let any = backends.iter().any(BackendState::available);
    let mut order = machine.order_of_attempts();
    prop_assert!(order.iter().all(|&b| !backends[b].drained), "a drained backend would be tried");
    prop_assert_eq!(order.first().copied(), machine.active(), "a request tries the active backend first");
    order.sort_unstable();
    order.dedup();
    prop_assert_eq!(order.len(), machine.order_of_attempts().len(), "no backend is tried twice");
    let available = machine.active().is_some_and(|active| backends[active].available());
    let chosen = standing.pin.is_some() || standing.forced;
    prop_assert!(available || chosen || !backends.iter().any(open), "a bad one is active while a good one exists");

    let home = machine.active().is_some() && machine.active() == machine.ranking().first().copied();
    prop_assert_eq!(machine.phase() == Phase::Pinned, standing.pin.is_some());
    prop_assert!(standing.pin.as_ref().is_none_or(|pin| Some(pin.backend) == machine.active()), "a pin holds");
    prop_assert!(standing.drill.is_none() || matches!(machine.phase(), Phase::Drill), "{}", machine.phase());
    if standing.latched {
        prop_assert!(matches!(machine.phase(), Phase::Latched | Phase::Pinned | Phase::AllDown));
    }
    match machine.phase() {
        Phase::Steady => prop_assert!(home),
        Phase::FailedOver | Phase::Holding | Phase::AwaitingApproval => prop_assert!(!home && any),
        Phase::Latched => prop_assert!(standing.latched),
        Phase::Pinned => {}
        Phase::Drill => prop_assert!(standing.drill.is_some()),
        Phase::AllDown => prop_assert!(!available),
    }
    prop_assert!(available || chosen || machine.phase() == Phase::AllDown);
    Ok(())
}

/// Never a move without a journal entry, and each entry is true.
pub(super) fn told(before: &Steering, after: &Steering, event: &Event, told: Option<&Decision>) -> TestCaseResult {
    let switch = before.active().and_then(|was| event.now(was)) != after.active()
        || before.active().is_some_and(|was| event.now(was).is_none());
    prop_assert_eq!(after.epoch(), before.epoch() + u64::from(switch), "the epoch grows by one per switch");
    let Some(decision) = told else {
        prop_assert!(!switch && before.phase() == after.phase(), "moved without a word");
        prop_assert!(!matches!(event, Event::Order(..)), "obeyed without a word");
        let kept = (after.standing().latched, after.standing().away, after.standing().forced);
        let was = (before.standing().latched, before.standing().away, before.standing().forced);
        prop_assert!(kept == was || kept.1 != was.1 && home(after), "forgot without a word: {was:?} {kept:?}");
        return Ok(());
    };
    let name = |machine: &Steering| machine.active().map(|b| machine.policy().backends[b].name.clone());
    prop_assert_eq!(&decision.before, &name(before));
    prop_assert_eq!(&decision.after, &name(after));
    prop_assert_eq!((decision.phase_before, decision.phase), (before.phase(), after.phase()));
    prop_assert_eq!(decision.epoch, after.epoch());
    prop_assert_eq!(decision.is_switch(), switch);
    prop_assert_eq!(decision.actor.is_some(), matches!(event, Event::Order(..)));
    grounds(after, decision)
}

fn home(machine: &Steering) -> bool {
    machine.active().is_some() && machine.active() == machine.ranking().first().copied()
}

fn grounds(machine: &Steering, decision: &Decision) -> TestCaseResult {
    prop_assert!(!decision.reason.is_empty() && !decision.reason.contains('?'), "{}", decision.reason);
    prop_assert_eq!(decision.grounds.len(), machine.backends().len());
    for (index, ground) in decision.grounds.iter().enumerate() {
        let active = machine.active() == Some(index);
        prop_assert_eq!(ground.rejected.is_none(), active, "{:?}", ground);
    }
    Ok(())
}

/// Where steering may go, and why.
pub(super) fn moved(
    before: &Steering,
    after: &Steering,
    event: &Event,
    told: Option<&Decision>,
    since: &[Option<Moment>],
    now: Now,
) -> TestCaseResult {
    let Some(decision) = told.filter(|decision| decision.is_switch()) else { return Ok(()) };
    let Some(to) = after.active() else { return Ok(()) };
    let (backends, policy) = (after.backends(), after.policy());
    let ready = |b: &BackendState| b.ready(policy);
    prop_assert!(!backends[to].drained, "moved onto a drained backend");
    if !event.forced() {
        // A drill that hurts is fled from: what looks ready is what hurts.
        let fled = decision.cause == Cause::DrillAborted;
        let found = ready(&backends[to]) || !backends.iter().any(ready);
        prop_assert!(found || fled, "not ready, while a ready one exists");
        let undrained = |b: &BackendState| !b.drained && !b.barred();
        prop_assert!(!backends[to].barred() || !backends.iter().any(undrained), "moved through a shut gate");
    }
    let from = before.active().and_then(|was| event.now(was));
    let Some(from) = from.filter(|from| backends[*from].available() && decision.actor.is_none()) else {
        return Ok(());
    };
    // Steering's own move away from a backend that requests may go to.
    let rules = &policy.failback;
    let way_back = matches!(decision.cause, Cause::DrillOver | Cause::DrillAborted | Cause::Followed);
    prop_assert!(way_back || decision.cause == Cause::HoldOver, "{}: {decision}", decision.cause);
    prop_assert!(!before.standing().latched && !before.standing().away && before.standing().pin.is_none());
    if decision.cause == Cause::HoldOver {
        prop_assert_eq!(decision.direction, Some(Direction::Failback), "from {}", from);
        prop_assert!(since[to].is_some_and(|since| now.at.since(since) >= rules.hold), "before its hold");
        let open = rules.windows.iter().any(|window| window.contains(now.utc));
        prop_assert!(rules.mode == FailbackMode::Auto || rules.mode == FailbackMode::Window && open, "{decision}");
    }
    Ok(())
}

/// Pins, latches and an operator's failover hold, until what ends them.
pub(super) fn held(before: &Steering, after: &Steering, event: &Event, now: Now) -> TestCaseResult {
    if let Some(pin) = &before.standing().pin {
        let stays = event.now(pin.backend).map(|backend| Pin { backend, ..pin.clone() });
        let over = pin.until.is_some_and(|until| until.at <= now.at);
        let down = |b: usize| !after.backends()[b].available();
        let yields = pin.yield_when_down && stays.as_ref().is_some_and(|pin| down(pin.backend));
        let ordered = match event {
            Event::Order(What::Unpin, _) => true,
            Event::Order(What::Failover { .. } | What::Failback, force) => *force,
            Event::Order(What::Pin { backend, .. }, force) => *force || *backend == pin.backend,
            Event::Order(What::Drain { backend }, force) => *force && *backend == pin.backend,
            _ => false,
        };
        let holds = after.standing().pin == stays && after.phase() == Phase::Pinned;
        prop_assert!(holds || over || yields || ordered || stays.is_none(), "the pin was lost: {event:?}");
    }
    let released = matches!(event, Event::Order(What::Unpin | What::Failback, _));
    prop_assert!(!before.standing().latched || after.standing().latched || released, "the latch was lost");
    if before.standing().away && !after.standing().away {
        let ordered = matches!(event, Event::Order(What::Failover { .. } | What::Failback | What::Pin { .. }, _));
        prop_assert!(ordered || home(after), "nobody called it back: {event:?}");
    }
    Ok(())
}

/// An order that is carried out does what it says.
pub(super) fn obeyed(before: &Steering, after: &Steering, order: &Order) -> TestCaseResult {
    let ready = |b: usize| before.backends()[b].ready(before.policy());
    match &order.what {
        What::Failover { to } => {
            prop_assert!(before.active() != after.active() && after.active().is_some());
            prop_assert!(to.is_none() || after.active() == *to);
            prop_assert!(order.force || after.active().is_some_and(ready));
        }
        What::Failback => {
            prop_assert!(!after.standing().latched && !after.standing().away);
            let unmoved = after.active() == before.active();
            prop_assert!(unmoved || order.force || after.active().is_some_and(ready));
            prop_assert!(!order.force || home(after));
        }
        What::Pin { backend, lasts, .. } if lasts.is_none_or(|lasts| !lasts.is_zero()) => {
            prop_assert_eq!((after.phase(), after.active()), (Phase::Pinned, Some(*backend)));
        }
        What::Unpin => prop_assert!(after.standing().pin.is_none()),
        What::Drain { backend } => prop_assert!(after.backends()[*backend].drained),
        What::Resume { backend } => prop_assert!(!after.backends()[*backend].drained),
        What::Drill { lasts, .. } if !lasts.is_zero() => {
            prop_assert_eq!(after.phase(), Phase::Drill);
            prop_assert!(after.active().is_some_and(ready));
        }
        What::EndDrill => prop_assert!(after.standing().drill.is_none()),
        _ => {}
    }
    Ok(())
}

/// What the journal says last is what the process knew when it ended.
pub(super) fn remembered(machine: &Steering, saved: &Saved) -> TestCaseResult {
    let now = machine.saved();
    prop_assert_eq!((&saved.active, saved.epoch, saved.phase), (&now.active, now.epoch, now.phase));
    prop_assert_eq!((&saved.pin, &saved.drill), (&now.pin, &now.drill));
    prop_assert_eq!((saved.latched, saved.forced), (now.latched, now.forced));
    for drained in &now.drained {
        prop_assert!(saved.drained.contains(drained), "the drain of {drained} would be lost");
    }
    Ok(())
}

/// A restart goes on where the former process was, and moves nothing by itself.
pub(super) fn restarted(
    before: &Steering,
    saved: &Saved,
    after: &Steering,
    decision: &Decision,
    now: Now,
) -> TestCaseResult {
    let name = |b: Option<usize>| b.map(|b| after.policy().backends[b].name.clone());
    let here = |name: &crate::model::BackendName| after.policy().backends.iter().any(|b| b.name == *name);
    let stays = saved.active.as_ref().is_some_and(here);
    let again = name(after.active());
    if stays {
        prop_assert_eq!(&again, &saved.active, "a restart moves nothing");
    }
    prop_assert_eq!(after.epoch(), saved.epoch + u64::from(again != saved.active), "the epoch only grows");
    prop_assert_eq!(&decision.before, &saved.active);
    prop_assert_eq!((&decision.after, decision.epoch), (&again, after.epoch()));
    prop_assert_eq!((decision.phase_before, decision.phase), (saved.phase, after.phase()));
    prop_assert_eq!(after.standing().latched, saved.latched, "a latch holds across a restart");
    prop_assert_eq!(after.standing().away, saved.away && !home(after));
    for (state, policy) in after.backends().iter().zip(&after.policy().backends) {
        prop_assert_eq!(state.drained, saved.drained.contains(&policy.name));
    }
    let pinned = before.standing().pin.as_ref().map(|pin| before.policy().backends[pin.backend].name.clone());
    if let Some(pinned) = pinned.filter(here) {
        let pin = after.standing().pin.as_ref();
        prop_assert!(pin.is_some_and(|pin| name(Some(pin.backend)) == Some(pinned)), "the pin was lost");
        let utc = |pin: &Pin| pin.until.map(|until| until.utc);
        prop_assert_eq!(pin.and_then(utc), before.standing().pin.as_ref().and_then(utc));
        let later =
            |until: Utc| pin.and_then(|pin| pin.until).is_some_and(|it| now.utc_of(it.at) >= until.max(now.utc));
        prop_assert!(pin.and_then(utc).is_none_or(later), "a pin ends at its time, and not before");
    }
    let whole = before.policy().backends == after.policy().backends && before.region() == after.region();
    let known = after.policy().probes.is_none() || saved.phase == Phase::AllDown;
    if whole && !known {
        prop_assert_eq!(after.phase(), saved.phase, "a restart changes no phase");
    }
    Ok(())
}
