use super::*;

/// Asserts the problems of a text: all of them, and no others.
fn check(text: &str, expected: &[&str]) {
    assert_eq!(problems(text), expected, "{text}");
}

fn top(line: &str) -> String {
    format!("{line}{LEAST}")
}
fn listener(line: &str) -> String {
    LEAST.replace("tls = false\n", &format!("tls = false\n{line}\n"))
}
fn route(line: &str) -> String {
    LEAST.replace("pool = \"p\"\n", &format!("pool = \"p\"\n{line}\n"))
}
fn pool(line: &str) -> String {
    LEAST.replace("name = \"p\"\n", &format!("name = \"p\"\n{line}\n"))
}
fn backend(line: &str) -> String {
    format!("{LEAST}{line}\n")
}

#[test]
fn mistakes_in_top_level_keys_are_placed_and_hinted() {
    check(&top("workerz = 2"), &["1:1: workerz: unknown key `workerz` (did you mean `workers`?)"]);
    check(&top("workers = 0"), &["1:11: workers: 0 is out of range (from 1 to 1024)"]);
    check(
        &top("shutdown_grace = 30"),
        &[
            "1:18: shutdown_grace: expected a string, found an integer (a duration in quotes, such as \"250ms\", \"2s\", \"1h30m\")",
        ],
    );
    check(
        &top("x = 1979-05-27"),
        &[
            "1:1: x: unknown key `x` (the keys here are: access_log, admin, dns, group, held_bodies, journal, listener, pool, route, shutdown_grace, state_dir, user, workers)",
        ],
    );
    check(
        &top("workers = nan"),
        &["1:11: workers: expected an integer, found a number beyond what fits (a whole number)"],
    );
    let hint = "(as in /etc/passwd or /etc/group: \"botgate\", or a number)";
    check(&top("user = \"a b\""), &[&format!("1:8: user: this is no name of an account {hint}")]);
    check(&top("user = \"\""), &[&format!("1:8: user: this is no name of an account {hint}")]);
    check(&top("group = \"botgate\""), &["1:9: group: a group without a user (set `user` as well)"]);
}

#[test]
fn mistakes_in_a_listener_are_placed_and_hinted() {
    check(
        &listener("trusted = [\"10.0.0.0/33\", 5, \"::1\", \"y\"]"),
        &[
            "5:12: listener[0].trusted[0]: \"10.0.0.0/33\" is no network (an address and a prefix length: \"10.0.0.0/8\")",
            "5:27: listener[0].trusted[1]: expected a string, found an integer (put it in quotes)",
            "5:37: listener[0].trusted[3]: \"y\" is no network (an address and a prefix length: \"10.0.0.0/8\")",
        ],
    );
    check(&listener("bnd = 1"), &["5:1: listener[0].bnd: unknown key `bnd` (did you mean `bind`?)"]);
    check(
        &listener("certificates = []"),
        &["5:16: listener[0].certificates: a listener with tls = false shows no certificate (leave it out)"],
    );
    check(
        &listener("max_header_size = \"1KiB\""),
        &["5:19: listener[0].max_header_size: 1024 bytes is out of range (from 8KiB to 1MiB)"],
    );
    check(
        &listener("min_read_rate = \"1KiB\"\nrate_grace = \"5s\""),
        &[
            "6:14: listener[0].rate_grace: 1024 bytes per second are less than 64KiB in 5s (a longer rate_grace, a higher min_read_rate, or 0 for no minimum: reading shows in steps of 32KiB)",
        ],
    );
    check(
        &listener("max_connections_per_address = -1"),
        &["5:31: listener[0].max_connections_per_address: -1 is out of range (from 0 to 10000000)"],
    );
    check(
        &listener("idle_timeout = \"0s\""),
        &["5:16: listener[0].idle_timeout: zero would let nothing pass (the default is 75s)"],
    );
    check(
        &listener("trusted = \"10.0.0.0/8\""),
        &["5:11: listener[0].trusted: expected an array, found a string (put it in brackets: [ … ])"],
    );
    check(
        &LEAST.replace("tls = false\n", ""),
        &[
            "2:1: listener[0].certificates: a listener with TLS needs a certificate (certificates = [{ chain = \"…\", key = \"…\" }], or tls = false for plain HTTP)",
        ],
    );
    check(
        &LEAST.replace("127.0.0.1:0", ":443"),
        &["3:8: listener[0].bind: \":443\" is no address to bind (address and port: \"0.0.0.0:443\")"],
    );
    check(
        &LEAST.replace("[[listener]]", "[listener]"),
        &["2:1: listener: expected an array, found a table (write its header with two brackets: [[listener]])"],
    );
    check(
        &LEAST.replace("tls = false", "certificates = [{ chain = \"no.pem\", key = \"no.key\" }]"),
        &[
            "4:17: listener[0].certificates[0]: cannot read /nonexistent/no.pem: No such file or directory (os error 2) (check the path, which is relative to the config file, and who may read it)",
        ],
    );
}

#[test]
fn mistakes_in_a_route_are_placed_and_hinted() {
    check(
        &route("host = \"a:80\""),
        &[
            "8:8: route[0].host: a route's host takes no port (\"bot.contoso.com\" or \"*.contoso.com\"; leave the key out for any host)",
        ],
    );
    check(&route("path = \"api\""), &["8:8: route[0].path: \"api\" does not begin with a slash (\"/api\")"]);
    check(
        &route("[[route]]\npool = \"q\""),
        &[
            "8:1: route[1]: route[0] has the same host and path (leave one of them out)",
            "9:8: route[1].pool: there is no pool \"q\" (the pools are: p)",
        ],
    );
    check(&route("max_body = -1"), &["8:12: route[0].max_body: -1 is out of range (at least 0)"]);
    check(
        &route("[[route]]\npath = \"/\"\npool = \"p\""),
        &["8:1: route[1]: route[0] has the same host and path (leave one of them out)"],
    );
}

#[test]
fn mistakes_in_a_pool_are_placed_and_hinted() {
    check(
        &pool("kind = \"bots\""),
        &[
            "11:8: pool[0].kind: \"bots\" is no choice here (did you mean \"bot\"? It is one of \"http\", \"bot\", \"question-answering\")",
        ],
    );
    check(
        &pool("deadline = \"2 parsecs\""),
        &[
            "11:12: pool[0].deadline: \"2 parsecs\" is no duration (a number and a unit of ms, s, m, h, d: \"250ms\", \"2s\", \"1h30m\")",
        ],
    );
    check(
        &pool("deadline = 14"),
        &[
            "11:12: pool[0].deadline: expected a string, found an integer (a duration in quotes, such as \"250ms\", \"2s\", \"1h30m\")",
        ],
    );
    check(&pool("warm = 65"), &["11:8: pool[0].warm: 65 is out of range (from 0 to 64)"]);
    check(
        &pool("replay = \"safe\"\nledger = { entries = -1, age = \"0s\", bytes = \"x\" }"),
        &[
            "12:10: warning: pool[0].ledger: it has no effect with replay = \"safe\" (replay = \"keyed\", or leave it out)",
            "12:22: pool[0].ledger.entries: -1 is out of range (from 0 to 10000000)",
            "12:32: pool[0].ledger.age: zero would let nothing pass (the default is 120s)",
            "12:46: pool[0].ledger.bytes: \"x\" is no size (a number of bytes, or a number and a unit of B, KiB, MiB, GiB: \"256KiB\")",
        ],
    );
    check(
        &pool("replay = \"keyed\"\nledger = { age = \"10s\" }"),
        &[
            "12:18: warning: pool[0].ledger.age: 10s is short (channels resend after 15 s: what is forgotten by then is delivered twice)",
        ],
    );
    check(
        &pool("probe = { fall = 0, status = \"abc\" }"),
        &[
            "11:18: pool[0].probe.fall: 0 is out of range (from 1 to 1000)",
            "11:30: pool[0].probe.status: \"abc\" is no status (a status from 100 to 599, or a range: 503, \"200-299\", \"200-299,304\")",
        ],
    );
    check(
        &pool("probe = { kind = \"tcp\", path = \"/\" }"),
        &["11:32: pool[0].probe.path: a probe of kind \"tcp\" sends no request (leave it out, or use kind = \"http\")"],
    );
    check(
        &pool("probe = \"/x\""),
        &[
            "11:9: pool[0].probe: expected a boolean or a table, found a string (a table or false, such as false, { path = \"/healthz\" })",
        ],
    );
    check(
        &pool("probe = { method = \"HEAD\", contains = \"x\" }"),
        &["11:39: pool[0].probe.contains: an answer to HEAD has no body (use method = \"GET\")"],
    );
    check(
        &pool("retry = { status = [200, 503], budget = \"120%\" }"),
        &[
            "11:20: warning: pool[0].retry.status: 200 would be tried elsewhere (a status below 400 says that the request was served: it would be served twice)",
            "11:41: pool[0].retry.budget: \"120%\" is no share (a percentage from 0% to 100%, or a number from 0 to 1)",
        ],
    );
    check(
        &pool("probe = { json = { pointer = \"a\" } }"),
        &[
            "11:18: pool[0].probe.json.equals: the key `equals` is missing (`equals`: What: any TOML value but a date)",
            "11:30: pool[0].probe.json.pointer: a JSON pointer begins with a slash (RFC 6901) (\"/a\")",
        ],
    );
    check(
        &pool("probe = { interval = \"1ms\", timeout = \"1ms\" }"),
        &[
            "11:22: pool[0].probe.interval: 1ms between probes is shorter than 10ms (\"2s\" is the default; live traffic that finds trouble has a backend probed at once anyway)",
        ],
    );
    check(
        &pool("replay = 1"),
        &[
            "11:10: pool[0].replay: expected a string, found an integer (one of \"unsent\", \"safe\", \"keyed\", \"all\")",
        ],
    );
}

#[test]
fn mistakes_in_backends_and_what_follows_are_placed_and_hinted() {
    check(
        &backend("http2 = \"yes\""),
        &["15:9: pool[0].backend[0].http2: expected a boolean, found a string (true or false, without quotes)"],
    );
    check(&backend("priority = 0"), &["15:12: pool[0].backend[0].priority: 0 is out of range (from 1 to 1000000)"]);
    check(
        &backend("rewrite = [{ prefix = \"x\" }]"),
        &["15:12: pool[0].backend[0].rewrite[0].to: the key `to` is missing (`to`: What takes its place)"],
    );
    check(
        &backend("ca = \"no.pem\""),
        &[
            "15:6: pool[0].backend[0].ca: cannot read /nonexistent/no.pem: No such file or directory (os error 2) (check the path, which is relative to the config file, and who may read it)",
        ],
    );
    check(
        &backend("headers = { Host = \"x\" }"),
        &[
            "15:20: pool[0].backend[0].headers.Host: this header belongs to the connection and is set by botgate (leave it out)",
        ],
    );
    check(
        &backend("host = \"a b\""),
        &["15:8: pool[0].backend[0].host: this is no Host header (a host, with a port if need be: \"contoso.net\")"],
    );
    check(
        &backend("[[pool.backend]]\nname = \"a\"\nurl = \"http://a\"\nca = \"x\""),
        &[
            "16:8: pool[0].backend[1].name: there is another backend of this pool named \"a\" (names are unique)",
            "18:6: pool[0].backend[1].ca: this needs TLS, and the backend's URL says http (use https, or leave the key out)",
        ],
    );
    check(
        &backend("[[pool]]\nname = \"p\"\nbackend = []"),
        &[
            "16:8: pool[1].name: there is another pool named \"p\" (names are unique)",
            "17:1: pool[1].backend: the list is empty (give at least one)",
        ],
    );
    check(
        &backend("[admin]\nbind = \"0.0.0.0:1\""),
        &[
            "16:8: admin.bind: anybody who reaches 0.0.0.0:1 could steer botgate: there is no token (token = \"${BOTGATE_ADMIN_TOKEN}\", or bind to 127.0.0.1)",
        ],
    );
    check(
        &backend("[dns]\nmin_ttl = \"2m\""),
        &["16:11: dns.min_ttl: min_ttl (120s) is longer than max_ttl (60s) (swap them)"],
    );
    check(
        &backend("server_name = \"a/b\""),
        &["15:15: pool[0].backend[0].server_name: \"a/b\" is no server name (a host name, without port)"],
    );
    check(&LEAST.replace("url", "uri"), &["14:3: pool[0].backend[0].uri: unknown key `uri` (did you mean `url`?)"]);
    check(
        &LEAST.replace("\"https://a.example\"", "\"a.example\""),
        &[
            "14:9: pool[0].backend[0].url: the URL has no scheme (\"https://host\", with a port or a base path if need be)",
        ],
    );
}

#[test]
fn a_text_that_is_not_toml_says_where_and_hides_little() {
    check(
        "",
        &[
            "1:1: listener: the key `listener` is missing (`listener`: Where clients connect)",
            "1:1: route: the key `route` is missing (`route`: Host and path to pool)",
            "1:1: pool: the key `pool` is missing (`pool`: The backends that can serve a route)",
        ],
    );
    check(
        "a = \nb = 2\n",
        &[
            "1:5: not TOML: string values must be quoted, expected literal string (strings stand in quotes, tables as [name], lists of tables as [[name]])",
            "2:1: b: unknown key `b` (the keys here are: access_log, admin, dns, group, held_bodies, journal, listener, pool, route, shutdown_grace, state_dir, user, workers)",
        ],
    );
    check(
        "[[pool]\nname = 1\n",
        &[
            "1:8: not TOML: unclosed array table, expected `]` (strings stand in quotes, tables as [name], lists of tables as [[name]])",
        ],
    );
    check(
        &top("workers = 1\nworkers = 2"),
        &["2:1: not TOML: duplicate key (strings stand in quotes, tables as [name], lists of tables as [[name]])"],
    );
}

#[test]
fn every_mistake_of_a_file_is_reported_at_once() {
    let text = r#"
stat_dir = "x"
workers = "four"

[[listener]]
bind = "localhost:443"
tls = false
idle_timeout = "75"

[admin]
bind = "0.0.0.0:9443"

[[route]]
host = "bot.contoso.com:443"
pool = "bot-apy"

[[pool]]
name = "bot-api"
kind = "robot"
probe = { path = "healthz", fall = 0 }
replay_buffer = "1 potato"

  [[pool.backend]]
  name = "west europe"
  url = "https://user@host"
  headers = { Authorization = "${NOT_SET}" }

  [[pool.backend]]
  url = "http://b"
  http2 = true
"#;
    let report = parse("botgate.toml", text, Path::new(""), &|_| None).unwrap_err();
    let places: Vec<String> = report
        .problems
        .iter()
        .map(|problem| {
            assert!(problem.hint.is_some(), "{problem}");
            let position = problem.position.as_ref().unwrap();
            format!("{}:{} {}", position.line, position.column, problem.key)
        })
        .collect();
    let expected = [
        "2:1 stat_dir",
        "3:11 workers",
        "6:8 listener[0].bind",
        "8:16 listener[0].idle_timeout",
        "11:8 admin.bind",
        "14:8 route[0].host",
        "15:8 route[0].pool",
        "18:8 pool[0].name",
        "19:8 pool[0].kind",
        "20:18 pool[0].probe.path",
        "20:36 pool[0].probe.fall",
        "21:17 pool[0].replay_buffer",
        "24:10 pool[0].backend[0].name",
        "25:9 pool[0].backend[0].url",
        "26:31 pool[0].backend[0].headers.Authorization",
        "28:3 pool[0].backend[1].name",
        "30:11 pool[0].backend[1].http2",
    ];
    // The pool's name is only unused because the route misspells it: a warning among the errors.
    assert_eq!(places, expected, "{report}");
    assert_eq!((report.errors(), report.warnings()), (16, 1));
}

#[test]
fn a_report_reads_like_a_compiler_s() {
    let report = bare(&pool("deadline = \"2 parsecs\"")).unwrap_err();
    let expected = "\
error: pool[0].deadline: \"2 parsecs\" is no duration
  --> botgate.toml:11:12
   |
11 | deadline = \"2 parsecs\"
   |            ^^^^^^^^^^^
   |
   = help: a number and a unit of ms, s, m, h, d: \"250ms\", \"2s\", \"1h30m\"";
    assert_eq!(report.to_string(), expected);
}

#[test]
fn two_listeners_cannot_have_one_address() {
    let second = "[[listener]]\nbind = \"127.0.0.1:9443\"\ntls = false\n";
    check(
        &backend(second),
        &[
            "16:8: listener[1].bind: 127.0.0.1:9443 is bound by admin.bind already (give each listener its own address or port)",
        ],
    );
}
