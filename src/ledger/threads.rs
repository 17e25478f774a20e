//! Many threads with the same keys: one delivers, all hear of it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use super::*;
use crate::config::LedgerConfig;
use crate::model::{Clock, Moment};

const THREADS: usize = 8;
const KEYS: usize = 2_000;

/// One activity as the world sees it.
#[derive(Default)]
struct Activity {
    under_way: AtomicBool,
    delivered: AtomicUsize,
    given_up: AtomicUsize,
}

fn key(activity: usize) -> Key {
    ActivityId::new("test", "a:1", &activity.to_string(), b"{}").within([])
}

/// Delivers until there is an outcome, as the proxy does: gives up now and then.
async fn deliver(ledger: &Arc<Ledger>, at: usize, activity: &Activity, limits: &LedgerConfig, clock: Clock) -> Bytes {
    loop {
        let answer = match ledger.enter(key(at), clock.now(), limits) {
            Entry::First(ticket) => {
                assert!(!activity.under_way.swap(true, SeqCst), "two deliveries at once");
                tokio::task::yield_now().await;
                activity.under_way.store(false, SeqCst);
                if fastrand::u8(..) < 80 {
                    activity.given_up.fetch_add(1, SeqCst);
                    continue;
                }
                assert_eq!(activity.delivered.fetch_add(1, SeqCst), 0, "delivered again after its outcome");
                let body = Some(Bytes::from(at.to_string()));
                ticket.done(
                    Answer { status: StatusCode::OK, headers: KeptHeaders::default(), body },
                    Need::Body,
                    clock.now(),
                );
                continue;
            }
            Entry::InFlight(waiting) => match waiting.outcome().await {
                Some(answer) => answer,
                None => continue,
            },
            Entry::Done(answer) => answer,
            Entry::Full => panic!("there was room"),
        };
        return answer.body.clone().expect("it was kept");
    }
}

#[test]
fn of_all_threads_that_bring_an_activity_one_delivers_and_all_hear_of_it() {
    let (ledger, clock) = (Ledger::new(), Clock::start());
    // What is forgotten by one thread counts until it has said so: at the very bound another may find no room meanwhile.
    let limits = LedgerConfig { entries: KEYS + THREADS, age: Duration::from_secs(3600), ..LedgerConfig::default() };
    let activities: Arc<Vec<Activity>> = Arc::new((0..KEYS).map(|_| Activity::default()).collect());
    let start = Arc::new(Barrier::new(THREADS));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (ledger, activities, start) = (ledger.clone(), activities.clone(), start.clone());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                start.wait();
                runtime.block_on(async {
                    for (at, activity) in activities.iter().enumerate() {
                        let body = deliver(&ledger, at, activity, &limits, clock).await;
                        assert_eq!(body, at.to_string());
                    }
                });
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(activities.iter().all(|activity| activity.delivered.load(SeqCst) == 1));
    assert!(activities.iter().any(|activity| activity.given_up.load(SeqCst) > 0), "nothing was ever given up");
    let levels = ledger.levels();
    assert_eq!((levels.in_flight, levels.done), (0, KEYS));
    ledger.upkeep(clock.now() + Duration::from_secs(7200), &limits);
    assert_eq!(ledger.levels(), Levels::default());
}

#[test]
fn the_bound_holds_however_many_come_at_once() {
    let (ledger, limits) = (Ledger::new(), LedgerConfig { entries: 100, ..LedgerConfig::default() });
    let start = Arc::new(Barrier::new(THREADS));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (ledger, start) = (ledger.clone(), start.clone());
            std::thread::spawn(move || {
                start.wait();
                let enter = |at: usize| ledger.enter(key(thread * 1000 + at), Moment::ZERO, &limits);
                (0..1000)
                    .filter_map(|at| if let Entry::First(ticket) = enter(at) { Some(ticket) } else { None })
                    .collect()
            })
        })
        .collect();
    let tickets: Vec<Vec<Ticket>> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(tickets.iter().map(Vec::len).sum::<usize>(), 100);
    assert_eq!(ledger.levels().in_flight, 100);
    drop(tickets);
    assert_eq!(ledger.levels(), Levels::default());
}
