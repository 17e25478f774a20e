//! Random histories against a model that is plain enough to be right.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use proptest::prelude::*;

use super::*;
use crate::config::LedgerConfig;
use crate::model::Moment;

const LIMITS: LedgerConfig = LedgerConfig { entries: 4, age: Duration::from_secs(10), bytes: 50, answer: 20 };

#[derive(Clone, Debug)]
enum Step {
    /// An activity comes in.
    Enter(u8),
    /// The delivery that has lasted longest ends so: bytes of its body, whether they are needed.
    Done(usize, bool),
    /// The same is given up.
    Forget,
    /// Seconds pass.
    Pass(u64),
}

/// What the model knows of an activity.
#[derive(Clone, Debug, PartialEq)]
enum Known {
    InFlight,
    Done { at: u64, body: Option<usize> },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6_u8).prop_map(Step::Enter),
        3 => (0..30_usize, any::<bool>()).prop_map(|(body, needed)| Step::Done(body, needed)),
        1 => Just(Step::Forget),
        2 => (0..8_u64).prop_map(Step::Pass),
    ]
}

fn key(activity: u8) -> Key {
    ActivityId::new("test", "a:1", &activity.to_string(), b"{}").within([])
}

fn answer(body: usize) -> Answer {
    Answer { status: StatusCode::OK, headers: KeptHeaders::default(), body: Some(Bytes::from(vec![b'x'; body])) }
}

proptest! {
    #[test]
    fn every_history_goes_as_the_model_says(steps in proptest::collection::vec(step(), 0..80)) {
        let ledger = Ledger::new();
        let (mut now, mut model, mut tickets) = (0, HashMap::<u8, Known>::new(), Vec::<(u8, Ticket, Vec<Waiting>)>::new());
        for step in steps {
            let at = |seconds| Moment::from_origin(Duration::from_secs(seconds));
            // Lazy expiry may be late where nobody comes; upkeep makes it exact.
            ledger.upkeep(at(now), &LIMITS);
            model.retain(|_, known| !matches!(known, Known::Done { at, .. } if now - *at >= LIMITS.age.as_secs()));
            match step {
                Step::Enter(activity) => match ledger.enter(key(activity), at(now), &LIMITS) {
                    Entry::First(ticket) => {
                        prop_assert!(!model.contains_key(&activity), "delivered twice");
                        prop_assert!(model.len() < LIMITS.entries, "over its bound");
                        model.insert(activity, Known::InFlight);
                        tickets.push((activity, ticket, Vec::new()));
                    }
                    Entry::InFlight(waiting) => {
                        prop_assert_eq!(model.get(&activity), Some(&Known::InFlight));
                        tickets.iter_mut().find(|(it, ..)| *it == activity).unwrap().2.push(waiting);
                    }
                    Entry::Done(answer) => {
                        let Some(Known::Done { body, .. }) = model.get(&activity) else {
                            return Err(TestCaseError::fail("an outcome that never was"));
                        };
                        prop_assert_eq!(answer.body.as_ref().map(Bytes::len), *body);
                    }
                    Entry::Full => {
                        prop_assert!(!model.contains_key(&activity) && model.len() == LIMITS.entries);
                    }
                },
                Step::Done(body, needed) if !tickets.is_empty() => {
                    let (activity, ticket, waiting) = tickets.remove(0);
                    let need = if needed { Need::Body } else { Need::Status };
                    let whole = if body <= ticket.most_body() { answer(body) } else { Answer::bare(StatusCode::OK) };
                    let taken: usize = model.values().map(|known| match known {
                        Known::Done { body, .. } => body.unwrap_or(0),
                        Known::InFlight => 0,
                    }).sum();
                    let kept = Some(body).filter(|body| *body <= LIMITS.answer && taken + body <= LIMITS.bytes);
                    ticket.done(whole, need, at(now));
                    let known = (kept.is_some() || !needed).then_some(Known::Done { at: now, body: kept });
                    for waiting in waiting {
                        let told = futures_util::FutureExt::now_or_never(waiting.outcome()).expect("told at once");
                        prop_assert_eq!(told.map(|answer| answer.body.as_ref().map(Bytes::len)), known.as_ref().map(|_| kept));
                    }
                    match known {
                        Some(known) => model.insert(activity, known),
                        None => model.remove(&activity),
                    };
                }
                Step::Forget if !tickets.is_empty() => {
                    let (activity, ticket, waiting) = tickets.remove(0);
                    ticket.forget();
                    for waiting in waiting {
                        let told: Option<Arc<Answer>> = futures_util::FutureExt::now_or_never(waiting.outcome()).expect("told at once");
                        prop_assert_eq!(told, None);
                    }
                    model.remove(&activity);
                }
                Step::Done(..) | Step::Forget => {}
                Step::Pass(seconds) => now += seconds,
            }
            ledger.upkeep(at(now), &LIMITS);
            model.retain(|_, known| !matches!(known, Known::Done { at, .. } if now - *at >= LIMITS.age.as_secs()));
            let sum = |pick: fn(&Known) -> usize| model.values().map(pick).sum::<usize>();
            let levels = Levels {
                in_flight: sum(|known| usize::from(*known == Known::InFlight)),
                done: sum(|known| usize::from(*known != Known::InFlight)),
                bytes: sum(|known| match known { Known::Done { body: Some(body), .. } => *body, _ => 0 }),
            };
            prop_assert_eq!(ledger.levels(), levels);
        }
    }
}

#[test]
fn an_outcome_that_is_too_old_is_not_given_even_where_no_upkeep_ran() {
    let (ledger, at) = (Ledger::new(), |seconds| Moment::from_origin(Duration::from_secs(seconds)));
    let Entry::First(ticket) = ledger.enter(key(1), at(0), &LIMITS) else { panic!() };
    ticket.done(answer(3), Need::Body, at(1));
    assert!(matches!(ledger.enter(key(1), at(10), &LIMITS), Entry::Done(_)));
    assert!(matches!(ledger.enter(key(1), at(11), &LIMITS), Entry::First(_)));
    assert_eq!(ledger.levels(), Levels::default(), "its ticket was dropped");
}

#[test]
fn a_reload_that_shortens_the_age_takes_effect_at_once() {
    let (ledger, at) = (Ledger::new(), |seconds| Moment::from_origin(Duration::from_secs(seconds)));
    let Entry::First(ticket) = ledger.enter(key(1), at(0), &LIMITS) else { panic!() };
    ticket.done(answer(3), Need::Body, at(0));
    let shorter = LedgerConfig { age: Duration::from_secs(2), ..LIMITS };
    assert!(matches!(ledger.enter(key(1), at(3), &shorter), Entry::First(_)));
}
