//! When a pool moves: every key, what it means, and what is said about the wrong ones.

use std::time::Duration;

use super::*;
use crate::config::{
    DrillConfig, FailbackConfig, FlapConfig, FollowConfig, JournalConfig, PinConfig, PoolConfig, TunnelConfig,
    TunnelDrainConfig,
};
use crate::model::{FailbackMode, TunnelPolicy, WhenBothBad, WhenUnavailable};

/// The least config with `lines` in its pool.
fn pool(lines: &str) -> String {
    LEAST.replace("name = \"p\"\n", &format!("name = \"p\"\n{lines}\n"))
}

fn read(lines: &str) -> PoolConfig {
    let Loaded { mut config, warnings } = bare(&pool(lines)).unwrap_or_else(|report| panic!("{report}"));
    assert!(warnings.is_empty(), "{warnings}");
    config.pools.remove(0)
}

/// Asserts the problems of a text: all of them, and no others.
fn check(text: &str, expected: &[&str]) {
    assert_eq!(problems(text), expected, "{text}");
}

/// A config of these pools: name, keys, names of backends. Each pool takes 3 lines, and 3 for each backend; the first
/// begins at line 1.
fn pools(all: &[(&str, &str, &[&str])]) -> String {
    let mut text = String::new();
    for (name, keys, backends) in all {
        text += &format!("[[pool]]\nname = \"{name}\"\n{keys}\n");
        for backend in *backends {
            text += &format!("[[pool.backend]]\nname = \"{backend}\"\nurl = \"http://{name}-{backend}\"\n");
        }
    }
    text += "[[listener]]\nbind = \"127.0.0.1:0\"\ntls = false\n";
    for (name, ..) in all {
        text += &format!("[[route]]\npath = \"/{name}\"\npool = \"{name}\"\n");
    }
    text
}

const BOTH: &[&str] = &["weu", "neu"];

#[test]
fn a_pool_that_says_nothing_has_the_defaults_of_the_design() {
    let pool = read("");
    let seconds = Duration::from_secs;
    assert_eq!(pool.failback, FailbackConfig { mode: FailbackMode::Auto, hold: seconds(60), windows: vec![] });
    assert_eq!(pool.flap, FlapConfig { failovers: 3, within: seconds(3600) });
    assert_eq!((pool.when_both_bad, pool.pin.yield_when_down, &pool.follow), (WhenBothBad::Stay, false, &None));
    let drill = DrillConfig { windows: vec![], lasts: seconds(600), max_error_rate: 0.01, max_slowdown: 3.0 };
    assert_eq!(pool.drill, drill);
    let journal = JournalConfig { max_age: seconds(400 * 86_400), max_size: 256 << 20 };
    assert_eq!(bare(LEAST).unwrap().config.journal, journal);
}

#[test]
fn every_key_that_says_when_a_pool_moves_is_read() {
    let lines = r#"
failback = { mode = "window", hold = "5m", windows = ["Sat 02:00-04:00", "Mon-Fri 22:00-04:00"] }
flap = { failovers = 1, within = "30m" }
when_both_bad = "priority"
pin = { yield_when_down = true }
drill = { for = "90s", max_error_rate = "0.5%", max_slowdown = 2 }
"#;
    let pool = read(lines);
    let windows: Vec<String> = pool.failback.windows.iter().map(ToString::to_string).collect();
    assert_eq!(windows, ["Sat 02:00-04:00 UTC", "Mon,Tue,Wed,Thu,Fri 22:00-04:00 UTC"]);
    assert_eq!((pool.failback.mode, pool.failback.hold), (FailbackMode::Window, Duration::from_secs(300)));
    assert_eq!(pool.flap, FlapConfig { failovers: 1, within: Duration::from_secs(1800) });
    assert_eq!(pool.when_both_bad, WhenBothBad::Priority);
    assert_eq!(pool.pin, PinConfig { yield_when_down: true });
    let DrillConfig { lasts, max_error_rate, max_slowdown, .. } = pool.drill;
    assert_eq!((lasts, max_error_rate, max_slowdown), (Duration::from_secs(90), 0.005, 2.0));
    for mode in [FailbackMode::Auto, FailbackMode::Approve, FailbackMode::Never] {
        assert_eq!(read(&format!("failback = {{ mode = \"{}\" }}", mode.as_str())).failback.mode, mode);
    }
}

#[test]
fn a_pool_follows_by_name_or_with_its_own_rule() {
    let follow = |written: &str| {
        let text = pools(&[("bot", "", BOTH), ("qna", &format!("follow = {written}"), BOTH)]);
        let Loaded { mut config, warnings } = bare(&text).unwrap_or_else(|report| panic!("{report}"));
        assert!(warnings.is_empty() && config.pools[0].follow.is_none(), "{warnings}");
        config.pools.remove(1).follow
    };
    let expected = |when_unavailable| Some(FollowConfig { pool: "bot".into(), when_unavailable });
    assert_eq!(follow("\"bot\""), expected(WhenUnavailable::Stay));
    assert_eq!(follow("{ pool = \"bot\" }"), expected(WhenUnavailable::Stay));
    assert_eq!(follow("{ pool = \"bot\", when_unavailable = \"priority\" }"), expected(WhenUnavailable::Priority));
}

#[test]
fn the_sample_s_question_answering_can_follow_its_bot() {
    let directory = directory();
    let text = SAMPLE.replace("# follow = ", "follow = ");
    let Loaded { config, warnings } = in_directory(&text, directory.path()).unwrap();
    assert!(warnings.is_empty(), "{warnings}");
    assert_eq!(config.pools[1].follow.as_ref().map(|follow| follow.pool.as_str()), Some("bot-api"));
}

#[test]
fn a_drill_has_a_schedule_that_it_fits_into() {
    let text = pools(&[("p", "drill = { schedule = [\"Wed 03:00-03:10\"] }", BOTH)]);
    let Loaded { config, warnings } = bare(&text).unwrap();
    assert!(warnings.is_empty(), "{warnings}");
    assert_eq!(config.pools[0].drill.windows, ["Wed 03:00-03:10".parse().unwrap()]);
    check(
        &pools(&[("p", "drill = { schedule = [\"03:00-04:00\", \"Wed 03:00-03:05\"], for = \"10m\" }", BOTH)]),
        &[
            "3:64: warning: pool[0].drill.for: 10m is longer than the window Wed 03:00-03:05 UTC (5m) (a drill begins within its window, and this one would end after it)",
        ],
    );
    check(
        &pools(&[("p", "drill = { schedule = [\"Wed 03:00-03:05\"] }", BOTH)]),
        &[
            "3:22: warning: pool[0].drill.schedule: 10m is longer than the window Wed 03:00-03:05 UTC (5m) (a drill begins within its window, and this one would end after it)",
        ],
    );
    check(
        &pool("drill = { schedule = [\"Wed 03:00-04:00\"] }"),
        &[
            "11:22: warning: pool[0].drill.schedule: the pool has one backend (a drill needs a standby to move to: none will begin)",
        ],
    );
}

#[test]
fn limits_of_a_drill_that_limit_nothing_are_told() {
    check(
        &pool("drill = { max_error_rate = 1, max_slowdown = 1.0 }"),
        &[
            "11:28: warning: pool[0].drill.max_error_rate: no drill is ever given up for its errors (1 is 100 %: it goes on though every request fails; the default is \"1%\")",
            "11:46: pool[0].drill.max_slowdown: 1.0 times as slow is not slower (more than 1: 3.0 gives up when the p99 is over three times that of the hour before)",
        ],
    );
    check(
        &pool("drill = { for = \"0s\", max_error_rate = \"two\", max_slowdown = 1001 }"),
        &[
            "11:17: pool[0].drill.for: zero would let nothing pass (the default is 600s)",
            "11:40: pool[0].drill.max_error_rate: \"two\" is no share (a percentage from 0% to 100%, or a number from 0 to 1)",
            "11:62: pool[0].drill.max_slowdown: 1001 is out of range (at most 1000)",
        ],
    );
    for number in ["nan", "inf", "-3"] {
        assert!(bare(&pool(&format!("drill = {{ max_slowdown = {number} }}"))).is_err(), "{number}");
    }
}

#[test]
fn windows_belong_to_the_mode_that_keeps_them() {
    for windows in ["", ", windows = []"] {
        let text = pool(&format!("failback = {{ mode = \"window\"{windows} }}"));
        let column = if windows.is_empty() { 12 } else { 41 };
        check(
            &text,
            &[&format!(
                "11:{column}: pool[0].failback.windows: the mode \"window\" needs at least one window (windows = [\"Sat 02:00-04:00\"], in UTC)"
            )],
        );
    }
    check(
        &pool("failback = { windows = [\"Sat 02:00-04:00\"] }"),
        &[
            "11:24: pool[0].failback.windows: windows without a mode (mode = \"window\" keeps to them; left out, it is \"auto\", which moves back at any time)",
        ],
    );
    check(
        &pool("failback = { mode = \"approve\", windows = [\"Sat 02:00-04:00\"] }"),
        &[
            "11:42: warning: pool[0].failback.windows: windows have no effect while the mode is \"approve\" (mode = \"window\", or leave them out)",
        ],
    );
    check(
        &pool("failback = { mode = \"windows\", windows = [\"Sat 2-4\", 02:00:00] }"),
        &[
            "11:21: pool[0].failback.mode: \"windows\" is no choice here (did you mean \"window\"? It is one of \"auto\", \"approve\", \"never\", \"window\")",
            "11:43: pool[0].failback.windows[0]: \"Sat 2-4\" is no window (days and hours in UTC: \"Sat 02:00-04:00\", \"Mon-Fri 22:00-04:00\", or \"02:00-04:00\" for every day)",
            "11:54: pool[0].failback.windows[1]: expected a string, found a date or time (a weekly UTC window in quotes, such as \"Sat 02:00-04:00\", \"Mon-Fri 22:00-04:00\", \"02:00-04:00\")",
        ],
    );
}

#[test]
fn mistakes_in_flap_pin_and_both_bad_are_placed_and_hinted() {
    check(
        &pool("flap = { failovers = 0, within = \"0s\" }"),
        &[
            "11:22: pool[0].flap.failovers: 0 is out of range (from 1 to 1000000)",
            "11:34: pool[0].flap.within: zero would let nothing pass (the default is 3600s)",
        ],
    );
    check(
        &pool("pin = { yield = true }"),
        &["11:9: pool[0].pin.yield: unknown key `yield` (did you mean `yield_when_down`?)"],
    );
    check(
        &pool("when_both_bad = \"first\""),
        &["11:17: pool[0].when_both_bad: \"first\" is no choice here (one of \"stay\", \"priority\")"],
    );
}

#[test]
fn the_journal_keeps_an_hour_and_a_mebibyte_at_least() {
    let text = format!("journal = {{ max_age = \"1h\", max_size = \"1MiB\" }}\n{LEAST}");
    let journal = bare(&text).unwrap().config.journal;
    assert_eq!(journal, JournalConfig { max_age: Duration::from_secs(3600), max_size: 1 << 20 });
    check(
        &format!("journal = {{ max_age = \"59m\", max_size = \"1MB\" }}\n{LEAST}"),
        &[
            "1:23: journal.max_age: 59m is out of range (at least \"1h\"; the default is \"400d\")",
            "1:41: journal.max_size: 1000000 bytes is out of range (from \"1MiB\" to \"1024GiB\")",
        ],
    );
    check(
        &format!("journal = {{ max_size = \"1025GiB\", keep = 1 }}\n{LEAST}"),
        &[
            "1:24: journal.max_size: 1100585369600 bytes is out of range (from \"1MiB\" to \"1024GiB\")",
            "1:35: journal.keep: unknown key `keep` (the keys here are: max_age, max_size)",
        ],
    );
}

#[test]
fn a_pool_follows_only_a_pool_that_is_there() {
    check(
        &pools(&[("bot-api", "", BOTH), ("qna", "follow = \"bot-apy\"", BOTH)]),
        &["12:10: pool[1].follow: there is no pool \"bot-apy\" (did you mean \"bot-api\"?)"],
    );
    check(
        &pools(&[("bot-api", "", BOTH), ("qna", "follow = { pool = \"x\" }", BOTH)]),
        &["12:19: pool[1].follow.pool: there is no pool \"x\" (the pools are: bot-api, qna)"],
    );
    check(
        &pools(&[("qna", "follow = { when_unavailable = \"wait\" }", BOTH)]),
        &[
            "3:10: pool[0].follow.pool: the key `pool` is missing (`pool`: The name of that pool)",
            "3:31: pool[0].follow.when_unavailable: \"wait\" is no choice here (one of \"stay\", \"priority\")",
        ],
    );
    check(
        &pools(&[("qna", "follow = \"qna\"", BOTH)]),
        &["3:10: pool[0].follow: a pool cannot follow itself (name another pool, or leave the key out)"],
    );
    check(
        &pools(&[("qna", "follow = 1", BOTH)]),
        &[
            "3:10: pool[0].follow: expected a string or a table, found an integer (the name of a pool or a table, such as \"bot-api\", { pool = \"bot-api\", when_unavailable = \"stay\" })",
        ],
    );
}

#[test]
fn pools_that_follow_each_other_in_a_circle_are_named_once() {
    let follows = |name: &str| format!("follow = \"{name}\"");
    // `a` follows into the circle and is no part of it; a chain that ends at a pool of its own mind is none.
    let all = [
        ("a", follows("b"), BOTH),
        ("b", follows("c"), BOTH),
        ("c", follows("d"), BOTH),
        ("d", follows("b"), BOTH),
        ("e", follows("f"), BOTH),
        ("f", follows("g"), BOTH),
        ("g", String::new(), BOTH),
    ];
    let all: Vec<_> = all.iter().map(|(name, keys, backends)| (*name, keys.as_str(), *backends)).collect();
    check(
        &pools(&all),
        &[
            "12:10: pool[1].follow: pools follow each other in a circle: b → c → d → b (one of them must decide for itself: leave out its `follow`)",
        ],
    );
}

#[test]
fn backends_of_pools_that_move_together_bear_the_same_names() {
    let qna = |backends| pools(&[("bot", "", BOTH), ("qna", "follow = \"bot\"", backends)]);
    check(
        &qna(&["weu", "neu2"]),
        &[
            "17:8: warning: pool[1].backend[1].name: \"bot\", which this pool follows, has no backend \"neu2\" (did you mean \"neu\"?)",
        ],
    );
    check(
        &qna(&["weu"]),
        &[
            "12:10: warning: pool[1].follow: \"bot\" can move to \"neu\", where this pool has no backend (this pool then stays where it is: when_unavailable = \"stay\")",
        ],
    );
    check(
        &qna(&["weu"]).replace("\"bot\"\n[[pool.b", "{ pool = \"bot\", when_unavailable = \"priority\" }\n[[pool.b"),
        &[
            "12:19: warning: pool[1].follow.pool: \"bot\" can move to \"neu\", where this pool has no backend (this pool then goes to its own best backend by priority: when_unavailable = \"priority\")",
        ],
    );
    check(
        &qna(&["weu", "neu", "eastus"]),
        &[
            "20:8: warning: pool[1].backend[2].name: \"bot\", which this pool follows, has no backend \"eastus\" (it is not moved to by following; \"bot\" has: weu, neu)",
        ],
    );
    check(
        &qna(&["WEU", "NEU"]),
        &[
            "12:10: pool[1].follow: this pool and \"bot\" have no backend name in common (it moves to the backend of the same name, upper and lower case told apart; \"bot\" has: weu, neu)",
        ],
    );
}

#[test]
fn a_pool_that_follows_is_rehearsed_with_the_one_it_follows() {
    check(
        &pools(&[("bot", "", BOTH), ("qna", "follow = \"bot\"\ndrill.schedule = [\"Wed 03:00-04:00\"]", BOTH)]),
        &[
            "13:18: warning: pool[1].drill.schedule: this pool moves with \"bot\": a drill of its own would part them (give the schedule to \"bot\", and both are rehearsed)",
        ],
    );
}

#[test]
fn what_is_wrong_elsewhere_in_a_pool_brings_no_second_word_about_those_that_follow_it() {
    let text = pools(&[("bot", "", BOTH), ("qna", "follow = \"bot\"", BOTH)]);
    let nameless = text.replacen("name = \"bot\"", "name = 7", 1);
    let seen = problems(&nameless);
    assert!(seen.iter().all(|line| !line.contains("follow")), "{seen:?}");
    let nameless = text.replacen("name = \"weu\"", "name = 7", 1);
    check(&nameless, &["5:8: pool[0].backend[0].name: expected a string, found an integer (put it in quotes)"]);
}

mod random {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A config is refused for a circle if, and only if, some pool never gets to one that decides for itself.
        #[test]
        fn a_circle_is_found_wherever_it_is(follows in prop::collection::vec(prop::option::of(0..8_usize), 8)) {
            let names: Vec<String> = (0..8).map(|pool| format!("p{pool}")).collect();
            let keys: Vec<String> = follows.iter().enumerate()
                .map(|(pool, to)| to.filter(|to| *to != pool).map_or(String::new(), |to| format!("follow = \"p{to}\"")))
                .collect();
            let all: Vec<_> = names.iter().zip(&keys).map(|(name, keys)| (name.as_str(), keys.as_str(), BOTH)).collect();
            let lost = (0..8).any(|start| {
                let step = |at: &usize| follows[*at].filter(|to| to != at);
                std::iter::successors(Some(start), step).nth(8).is_some()
            });
            let result = bare(&pools(&all));
            prop_assert_eq!(result.is_err(), lost);
            if let Err(report) = result {
                prop_assert!(report.problems.iter().all(|problem| problem.message.contains("in a circle")), "{}", report);
            }
        }

        /// What a window is written as is what is read.
        #[test]
        fn every_window_survives_the_config(day in 0..7_usize, from in 0..1440_u32, to in 0..1440_u32) {
            let day = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][day];
            let text = format!("{day} {:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60);
            let pool = read(&format!("failback = {{ mode = \"window\", windows = [\"{text}\"] }}"));
            prop_assert_eq!(&pool.failback.windows, &[text.parse().unwrap()]);
        }
    }
}

#[test]
fn how_tunnels_end_has_a_default_for_every_key_and_each_can_be_set() {
    assert_eq!(read("").tunnel, TunnelConfig::default());
    assert_eq!(read("tunnel = {}").tunnel, TunnelConfig::default());
    let seconds = Duration::from_secs;
    let all = "tunnel = { idle = \"1m\", total = \"1h\", close_grace = \"1s\", on_failover = \"drain\", \
        on_failback = \"keep\", drain = { over = \"30s\", per_second = 5 } }";
    let expected = TunnelConfig {
        idle: seconds(60),
        total: Some(seconds(3600)),
        close_grace: seconds(1),
        on_failover: TunnelPolicy::Drain,
        on_failback: TunnelPolicy::Keep,
        drain: TunnelDrainConfig { over: seconds(30), per_second: 5 },
    };
    assert_eq!(read(all).tunnel, expected);
}

#[test]
fn what_cannot_be_said_of_tunnels_is_placed_and_hinted() {
    check(
        &pool("tunnel = { on_failover = \"cut\", idle = \"0s\", idel = \"1s\", drain = { per_second = 0 } }"),
        &[
            "11:26: pool[0].tunnel.on_failover: \"cut\" is no choice here (one of \"close\", \"drain\", \"keep\")",
            "11:40: pool[0].tunnel.idle: zero would let nothing pass (the default is 600s)",
            "11:46: pool[0].tunnel.idel: unknown key `idel` (did you mean `idle`?)",
            "11:82: pool[0].tunnel.drain.per_second: 0 is out of range (from 1 to 1000000)",
        ],
    );
    check(
        &pool("tunnel = { on_failback = \"close\", drain = { over = \"1m\" }, idle = \"2m\", total = \"1m\" }"),
        &[
            "11:43: warning: pool[0].tunnel.drain: no move of the pool drains its tunnels (on_failover = \"drain\" or on_failback = \"drain\" keeps to it; a shutdown does in any case)",
            "11:67: warning: pool[0].tunnel.idle: 2m is not shorter than total (1m) and has no effect (make it shorter than total, or leave it out)",
        ],
    );
}
