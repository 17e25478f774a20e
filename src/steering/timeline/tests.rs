//! Worlds that are small enough to be reckoned by hand.

use std::path::Path;
use std::time::Duration;

use super::{Happened, Timeline, examine, run};
use crate::config::{self, Config};
use crate::model::{Cause, Phase};

const HEAD: &str = "[[listener]]\nbind = \"127.0.0.1:80\"\ntls = false\n";

/// A pool of `weu` and `neu`; `keys` are its own.
fn pool(name: &str, keys: &str) -> String {
    let backend = |region: &str| format!("[[pool.backend]]\nname = \"{region}\"\nurl = \"http://{name}.{region}\"\n");
    let (weu, neu) = (backend("weu"), backend("neu"));
    format!("[[route]]\npath = \"/{name}\"\npool = \"{name}\"\n[[pool]]\nname = \"{name}\"\n{keys}\n{weu}{neu}")
}

fn config(pools: &[String]) -> Config {
    config::parse("botgate.toml", &(HEAD.to_owned() + &pools.concat()), Path::new(""), &|_| None).unwrap().config
}

/// A bot's pool without jitter; `keys` come on top.
fn bot(keys: &str) -> Config {
    config(&[pool("bot", &format!("kind = \"bot\"\n{keys}"))])
}

/// Events as `time what`, about `weu`.
fn script(head: &str, events: &[(&str, &str)]) -> String {
    let event = |(time, what): &(&str, &str)| format!("[[at]]\ntime = \"{time}\"\nbackend = \"weu\"\n{what}\n");
    format!("{head}\n{}", events.iter().map(event).collect::<String>())
}

fn simulate(config: &Config, head: &str, events: &[(&str, &str)]) -> Timeline {
    run(config, &config::parse_script("script.toml", &script(head, events), config).unwrap())
}

/// Milliseconds, pool, phase and cause of every decision but the starts.
fn decisions(timeline: &Timeline) -> Vec<(u128, String, Phase, Cause)> {
    let told = timeline
        .decisions()
        .map(|(entry, decision)| (entry.at.as_millis(), entry.pool.to_string(), decision.phase, decision.cause));
    told.collect()
}

fn ms(ms: u64) -> Option<Duration> {
    Some(Duration::from_millis(ms))
}

#[test]
fn a_hang_is_found_by_live_traffic_and_given_up_after_a_timeout_and_a_half() {
    let timeline = simulate(&bot(""), "for = \"2m\"", &[("11s", "does = \"hang\""), ("31s", "does = \"heal\"")]);
    let fault = &timeline.faults[0];
    // The first request after 11 s is suspect at 11.2 s: probed then for 1 s, and, since others are by then, for half
    // of another.
    assert_eq!((fault.found, fault.given_up, fault.moved), (ms(200), ms(1700), ms(1700)));
    assert_eq!(fault.lasted, ms(20_000));
    // All that wait are rescued: the one that came first waited longest.
    assert_eq!((fault.clients.failed, fault.clients.met, fault.clients.elsewhere), (0, 16, 16));
    assert_eq!(fault.clients.slowest, Duration::from_millis(1600));
    let phases: Vec<Phase> = decisions(&timeline).into_iter().map(|(_, _, phase, _)| phase).collect();
    assert_eq!(phases, [Phase::FailedOver, Phase::Holding, Phase::Steady]);
}

#[test]
fn without_traffic_a_fault_is_found_by_the_next_regular_probe_and_given_up_fall_intervals_later() {
    let head = "for = \"1m\"\ntraffic = { bot = 0 }";
    let timeline = simulate(&bot(""), head, &[("11s", "does = \"down\"")]);
    let fault = &timeline.faults[0];
    assert_eq!((fault.found, fault.moved, fault.clients.met), (ms(1001), ms(3001), 0));
}

#[test]
fn what_the_replay_rule_does_not_cover_fails_at_the_deadline() {
    let keys = "replay = \"unsent\"\ndeadline = \"3s\"";
    let timeline = simulate(&bot(keys), "for = \"1m\"", &[("11s", "does = \"hang\"")]);
    let fault = &timeline.faults[0];
    assert_eq!((fault.clients.failed, fault.clients.slowest), (fault.clients.met, Duration::from_secs(3)));
    assert!(timeline.entries.iter().any(|entry| matches!(entry.what, Happened::ClientsFail { .. })));
    assert!(
        fault.bounds[0].contains("every request (replay = \"unsent\"): wait for 3 s (deadline)"),
        "{:?}",
        fault.bounds
    );
}

#[test]
fn what_waits_is_answered_when_the_backend_goes_on() {
    let timeline = simulate(&bot(""), "for = \"1m\"", &[("11s", "does = \"hang\""), ("11500ms", "does = \"heal\"")]);
    assert_eq!(decisions(&timeline), []);
    let clients = timeline.faults[0].clients;
    assert_eq!((clients.failed, clients.elsewhere, clients.slowest), (0, 0, Duration::from_millis(400)));
}

#[test]
fn a_backend_whose_probes_are_spared_is_convicted_by_its_traffic() {
    let events = [("11s", "does = \"status 503\"\nspare_probes = true\nfor = \"5s\"")];
    let timeline = simulate(&bot(""), "for = \"3m\"\ntraffic = { bot = 50 }", &events);
    let causes: Vec<Cause> = decisions(&timeline).into_iter().map(|(_, _, _, cause)| cause).collect();
    assert_eq!(causes, [Cause::Evidence, Cause::Recovered, Cause::HoldOver]);
    assert_eq!(timeline.faults[0].clients.failed, 0, "retried elsewhere");
    let unsafe_status = simulate(&bot("retry = { status = [] }\nevidence = { status = [] }"), "for = \"1m\"", &events);
    let fault = &unsafe_status.faults[0];
    assert_eq!(
        (fault.moved, fault.clients.failed),
        (None, fault.clients.met),
        "a 503 that says nothing is the client's"
    );
}

#[test]
fn the_retry_budget_bounds_what_is_tried_elsewhere() {
    let keys = "retry = { status = [503], budget = \"0%\", floor = 1 }\nevidence = { failures = 0 }";
    let events = [("11s", "does = \"status 503\"\nspare_probes = true")];
    let timeline = simulate(&bot(keys), "for = \"31s\"\ntraffic = { bot = 100 }", &events);
    let clients = timeline.faults[0].clients;
    assert_eq!((clients.met, timeline.faults[0].moved), (2000, None));
    assert!((20..=40).contains(&clients.elsewhere), "{clients:?}");
    assert_eq!(clients.failed + clients.elsewhere, clients.met);
}

#[test]
fn a_tcp_probe_does_not_see_a_hang() {
    let keys = "probe = { kind = \"tcp\" }\nevidence = { failures = 0 }";
    let timeline = simulate(&bot(keys), "for = \"1m\"", &[("11s", "does = \"hang\"")]);
    assert_eq!((timeline.faults[0].moved, decisions(&timeline).len()), (None, 0));
    let down = simulate(&bot(keys), "for = \"1m\"", &[("11s", "does = \"down\"")]);
    assert!(down.faults[0].moved.is_some());
}

#[test]
fn a_message_goes_round_again_while_both_regions_are_gone() {
    let gone =
        |region, span| format!("[[at]]\ntime = \"11s\"\nbackend = \"{region}\"\ndoes = \"down\"\nfor = \"{span}\"\n");
    let script = format!("for = \"1m\"\ntraffic = {{ bot = 5 }}\n{}{}", gone("weu", "10s"), gone("neu", "1s"));
    let failed = |rounds: u32| {
        let config = bot(&format!("retry = {{ rounds = {rounds}, floor = 100 }}"));
        let timeline = run(&config, &config::parse_script("script.toml", &script, &config).unwrap());
        timeline.faults.iter().map(|fault| fault.clients.failed).sum::<u64>()
    };
    assert_eq!(failed(6), 0);
    assert!(failed(1) > 0);
}

#[test]
fn a_failback_waits_for_its_window() {
    let keys = "failback = { mode = \"window\", windows = [\"Sat 02:00-04:00\"], hold = \"60s\" }";
    let head = "for = \"5h\"\nstart = \"2026-11-21T00:30:00Z\"";
    let events = [("1m", "does = \"down\"\nfor = \"2m\"")];
    let timeline = simulate(&bot(keys), head, &events);
    let (entry, decision) = timeline.decisions().last().unwrap();
    assert_eq!((decision.phase, entry.utc.to_string().as_str()), (Phase::Steady, "2026-11-21T02:00:00Z"));
}

#[test]
fn orders_are_carried_out_or_refused_as_by_an_operator() {
    let events = [
        ("10s", "pool = \"bot\"\norder = \"drain\"\nreason = \"patch day\""),
        ("20s", "order = \"pin\"\nfor = \"1m\""),
        ("30s", "order = \"resume\""),
    ];
    let timeline = simulate(&bot(""), "for = \"3m\"", &events);
    let refused = timeline.entries.iter().find(|entry| matches!(entry.what, Happened::Refused { .. }));
    assert_eq!(refused.map(|entry| entry.at), ms(20_000), "a drained backend is never pinned");
    let told = decisions(&timeline);
    let at = |which: usize| (told[which].0, told[which].3);
    assert_eq!(
        (told.len(), at(0), at(1), at(2)),
        (3, (10_000, Cause::Drained), (30_000, Cause::Resumed), (90_000, Cause::HoldOver))
    );
}

#[test]
fn a_pool_that_follows_goes_along_in_the_same_instant() {
    let config = config(&[pool("bot", ""), pool("qna", "follow = \"bot\"")]);
    let events = [("11s", "pool = \"bot\"\ndoes = \"down\""), ("12s", "does = \"in-step\"")];
    let timeline = simulate(&config, "for = \"20s\"", &events);
    let told = decisions(&timeline);
    assert_eq!(
        (told[0].0, told[0].1.as_str(), told[1].1.as_str(), told[1].3),
        (told[1].0, "bot", "qna", Cause::Followed)
    );
}

#[test]
fn a_region_without_a_pool_is_meant_in_every_pool_that_has_it() {
    let config = config(&[pool("bot", ""), pool("qna", "")]);
    let timeline = simulate(&config, "for = \"20s\"", &[("11s", "does = \"down\"")]);
    let struck: Vec<&str> = timeline.faults.iter().map(|fault| fault.pool.as_str()).collect();
    assert_eq!(struck, ["bot", "qna"]);
}

#[test]
fn the_same_script_comes_to_the_same_every_time() {
    let events = [("11s", "does = \"flaky 40%\"")];
    let once = simulate(&bot(""), "for = \"2m\"\nseed = 7", &events);
    assert_eq!(once, simulate(&bot(""), "for = \"2m\"\nseed = 7", &events));
    assert_ne!(once, simulate(&bot(""), "for = \"2m\"\nseed = 8", &events));
}

#[test]
fn two_weeks_are_simulated_in_a_moment_and_with_all_down() {
    let began = std::time::Instant::now();
    let events = [("1d", "does = \"down\"\nfor = \"1m\"")];
    let timeline = simulate(&bot(""), "for = \"14d\"\ntraffic = { bot = 0 }", &events);
    assert_eq!(decisions(&timeline).len(), 3);
    let both = "for = \"10m\"\n[[at]]\ntime = \"1m\"\nbackend = \"neu\"\ndoes = \"hang\"";
    let down = simulate(&bot(""), both, &[("2m", "does = \"hang\"")]);
    assert!(decisions(&down).iter().any(|(_, _, phase, _)| *phase == Phase::AllDown));
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_happens_time_goes_on_epochs_grow_by_one_and_no_request_is_lost(
        happen in proptest::collection::vec((0..120_u64, 0..2_usize, 0..14_usize), 0..12),
        rate in 0..60_u32,
        keys in 0..4_usize,
    ) {
        const KEYS: [&str; 4] = ["", "replay = \"unsent\"\nprobe = false", "all_down = \"reject\"\ndeadline = \"1s\"",
            "attempt_timeout = \"500ms\"\nevidence = { failures = 3 }\nfailback = { hold = \"0s\" }"];
        const WHAT: [&str; 14] = [
            "does = \"heal\"", "does = \"down\"", "does = \"hang\"", "does = \"slow 300ms\"", "does = \"slow 20s\"",
            "does = \"status 503\"", "does = \"reset\"", "does = \"flaky 50%\"", "does = \"drift\"",
            "order = \"drain\"", "order = \"resume\"", "order = \"pin\"", "order = \"failover\"", "order = \"drill\"",
        ];
        let mut text = format!("for = \"150s\"\ntraffic = {{ bot = {rate} }}\n");
        for (at, backend, what) in happen {
            let backend = ["weu", "neu"][backend];
            text.push_str(&format!("[[at]]\ntime = \"{at}s\"\nbackend = \"{backend}\"\n{}\n", WHAT[what]));
        }
        let timeline = simulate(&bot(KEYS[keys]), &text, &[]);
        proptest::prop_assert!(timeline.entries.is_sorted_by_key(|entry| entry.at));
        let mut epoch = 1;
        for (_, decision) in timeline.decisions() {
            epoch += u64::from(decision.is_switch());
            proptest::prop_assert_eq!(decision.epoch, epoch);
        }
        for fault in &timeline.faults {
            let clients = fault.clients;
            proptest::prop_assert!(clients.failed + clients.elsewhere <= clients.met, "{:?}", clients);
            proptest::prop_assert!(clients.slowest <= Duration::from_secs(14), "{:?}", clients);
            proptest::prop_assert!(fault.found <= fault.given_up || fault.given_up.is_none(), "{:?}", fault);
        }
    }
}

/// The keys that a simulation warns about.
fn concerns(keys: &str) -> Vec<String> {
    examine(&bot(keys)).into_iter().map(|concern| concern.key).collect()
}

#[test]
fn what_ships_and_what_is_left_out_raises_no_concern() {
    for keys in [
        "",
        "probe = { interval = \"500ms\", timeout = \"250ms\", fall = 2, rise = 3 }\nfailback = { hold = \"10s\" }",
        "attempt_timeout = \"3s\"",
        "probe = { kind = \"tcp\" }\nattempt_timeout = \"3s\"",
        "failback = { mode = \"approve\", hold = \"2h\" }",
        "failback = { mode = \"never\", hold = \"0s\" }",
        "attempt_timeout = \"8s\"",
    ] {
        assert_eq!(concerns(keys), [""; 0], "{keys}");
    }
    for kind in ["http", "question-answering"] {
        assert_eq!(examine(&config(&[pool("p", &format!("kind = \"{kind}\""))])), [], "{kind}");
    }
}

#[test]
fn numbers_that_cannot_work_together_are_named_at_their_key() {
    for (keys, key) in [
        ("probe = { interval = \"12s\", timeout = \"10s\" }", "probe.timeout"),
        ("probe = { kind = \"tcp\" }", "probe.kind"),
        ("probe = false", "probe"),
        ("attempt_timeout = \"8s\"\nprobe = { interval = \"12s\", timeout = \"10s\" }", "attempt_timeout"),
        ("failback = { hold = \"5s\" }", "failback.hold"),
        ("failback = { mode = \"approve\", hold = \"0s\" }", "failback.hold"),
        ("failback = { hold = \"20m\" }", "flap"),
        ("failback = { hold = \"60s\" }\nflap = { failovers = 10, within = \"5m\" }", "flap"),
    ] {
        assert_eq!(concerns(keys), [format!("pool[0].{key}")], "{keys}");
    }
}

#[test]
fn a_concern_tells_the_simulated_figures_and_what_to_change() {
    // The first requests fail at their deadline, just before the second probe does: ten of them are evidence enough.
    let concern = examine(&bot("probe = { interval = \"12s\", timeout = \"10s\" }")).remove(0);
    assert_eq!(
        concern.message,
        "2 probes of up to 10 s; simulated, the pool moves after 15.1 s when its backend hangs: no request is saved within \
         the deadline (14 s)"
    );
    assert!(concern.hint.contains("attempt_timeout"), "{}", concern.hint);
    let concern = examine(&bot("failback = { hold = \"20m\" }")).remove(0);
    assert!(concern.message.contains("at most 3 failovers within 1 h, and the budget is 3"), "{}", concern.message);
}
