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
fn show() {
    let all = [
        top("workerz = 2"),
        top("workers = 0"),
        top("shutdown_grace = 30"),
        top("x = 1979-05-27"),
        top("workers = nan"),
        listener("trusted = [\"10.0.0.0/33\", 5, \"::1\", \"y\"]"),
        listener("bnd = 1"),
        listener("certificates = []"),
        listener("max_header_size = \"1KiB\""),
        listener("idle_timeout = \"0s\""),
        listener("trusted = \"10.0.0.0/8\""),
        LEAST.replace("tls = false\n", ""),
        LEAST.replace("127.0.0.1:0", ":443"),
        LEAST.replace("[[listener]]", "[listener]"),
        LEAST.replace("tls = false", "certificates = [{ chain = \"no.pem\", key = \"no.key\" }]"),
        route("host = \"a:80\""),
        route("path = \"api\""),
        route("[[route]]\npool = \"q\""),
        route("max_body = -1"),
        route("[[route]]\npath = \"/\"\npool = \"p\""),
        pool("kind = \"bots\""),
        pool("deadline = \"2 parsecs\""),
        pool("deadline = 14"),
        pool("failback = { mode = \"window\" }"),
        pool("probe = { fall = 0, status = \"abc\" }"),
        pool("probe = { kind = \"tcp\", path = \"/\" }"),
        pool("probe = \"/x\""),
        pool("probe = { method = \"HEAD\", contains = \"x\" }"),
        pool("retry = { status = [200, 503], budget = \"120%\" }"),
        pool("probe = { json = { pointer = \"a\" } }"),
        pool("replay = 1"),
        backend("http2 = \"yes\""),
        backend("priority = 0"),
        backend("rewrite = [{ prefix = \"x\" }]"),
        backend("ca = \"no.pem\""),
        backend("headers = { Host = \"x\" }"),
        backend("host = \"a b\""),
        backend("[[pool.backend]]\nname = \"a\"\nurl = \"http://a\"\nca = \"x\""),
        backend("[[pool]]\nname = \"p\"\nbackend = []"),
        backend("[admin]\nbind = \"0.0.0.0:1\""),
        backend("[dns]\nmin_ttl = \"2m\""),
        backend("server_name = \"a/b\""),
        LEAST.replace("url", "uri"),
        LEAST.replace("\"https://a.example\"", "\"a.example\""),
        String::new(),
        "a = \nb = 2\n".to_owned(),
        "[[pool]\nname = 1\n".to_owned(),
        top("workers = 1\nworkers = 2"),
    ];
    for text in all {
        for line in problems(&text) {
            println!("{line}");
        }
        println!();
    }
}
