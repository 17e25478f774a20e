//! Hosts and paths against a route table, and against a reading of its rules that looks at every route.
//!
//! Lines `HOST PATH`, or `! HOST PATH` for a guarded route, an empty line, then lines `HOST PATH` that are asked for. A host
//! of `*` is any, `*.x` what is below x.

use botgate::config::{HostPattern, RouteConfig, is_path, is_route_host};
use botgate::snapshot::{Miss, Route, RouteTable};

const MOST: usize = 24;

pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (routes, asked) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut all: Vec<Route> = Vec::new();
    for line in routes.lines().take(MOST) {
        let (guarded, line) = line.strip_prefix("! ").map_or((false, line), |line| (true, line));
        let Some((host, path)) = line.split_once(' ') else { continue };
        let Some(host) = pattern(host) else { continue };
        let same = |known: &Route| known.config.host == host && trimmed(&known.config.path) == trimmed(path);
        if is_path(path) && !all.iter().any(same) {
            let config = RouteConfig { host, path: path.to_owned(), pool: "p".into(), max_body: 0, guard: None };
            all.push(Route { config, pool: all.len(), guard: guarded.then_some(0) });
        }
    }
    let table = RouteTable::new(all.iter().cloned());
    for (host, path) in asked.lines().take(MOST).filter_map(|line| line.split_once(' ')) {
        let host = host.to_ascii_lowercase();
        if path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()) {
            judge(&all, &host, path, table.find(&host, path));
        }
    }
}

fn pattern(host: &str) -> Option<HostPattern> {
    let host = host.to_ascii_lowercase();
    if host == "*" {
        return Some(HostPattern::Any);
    }
    if !is_route_host(&host) || host.ends_with('.') {
        return None;
    }
    Some(
        host.strip_prefix("*.")
            .map_or_else(|| HostPattern::Exact(host.clone()), |below| HostPattern::Below(below.to_owned())),
    )
}

fn trimmed(path: &str) -> &str {
    path.trim_end_matches('/')
}

/// How well a pattern knows a host; none where it does not.
fn rank(pattern: &HostPattern, host: &str) -> Option<usize> {
    match pattern {
        HostPattern::Any => Some(0),
        HostPattern::Below(below) => host.strip_suffix(below.as_str())?.ends_with('.').then_some(1 + below.len()),
        HostPattern::Exact(exact) => (exact == host).then_some(usize::MAX),
    }
}

fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn judge(all: &[Route], host: &str, path: &str, found: Result<&Route, Miss>) {
    let known: Vec<(usize, &Route)> =
        all.iter().filter_map(|route| Some((rank(&route.config.host, host)?, route))).collect();
    let serves = |route: &&(usize, &Route)| is_below(trimmed(path), trimmed(&route.1.config.path));
    let best = known.iter().filter(serves).max_by_key(|(rank, route)| (*rank, trimmed(&route.config.path).len()));
    let Some((class, best)) = best else {
        let miss = if known.is_empty() { Miss::Host } else { Miss::Path };
        assert_eq!(found.map(|route| route.pool), Err(miss), "{host} {path}");
        return;
    };
    let found = found.unwrap_or_else(|miss| panic!("{host} {path}: {miss:?}, and {best:?} serves it"));
    // The guarded route, of the same host, that a loose server would take this path for.
    let (loose, least) = (folded(path), folded(&best.config.path).len());
    let guarded = known.iter().filter(|(rank, route)| rank == class && route.guard.is_some());
    let around = guarded.filter(|(_, route)| {
        let prefix = folded(&route.config.path);
        is_below(&loose, &prefix) && prefix.len() > least
    });
    let around: Vec<usize> = around.map(|(_, route)| route.pool).collect();
    if best.guard.is_some() || around.is_empty() {
        assert_eq!(found.pool, best.pool, "{host} {path}");
    } else {
        assert!(found.guard.is_some() && around.contains(&found.pool), "{host} {path} goes around a guard: {around:?}");
    }
}

/// As loosely as any server reads a path.
fn folded(path: &str) -> String {
    let mut all = String::new();
    for segment in path.split('/') {
        let bytes = segment.as_bytes();
        let (mut plain, mut at) = (String::new(), 0);
        while at < bytes.len() {
            let hex = segment.get(at + 1..at + 3).filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
            match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| bytes[at] == b'%') {
                Some(byte) => (plain.push(char::from(byte)), at += 3).0,
                None => (plain.push(char::from(bytes[at])), at += 1).0,
            }
        }
        let plain = plain.split(';').next().unwrap_or_default().to_ascii_lowercase();
        if !plain.is_empty() {
            all.push('/');
            all.push_str(&plain);
        }
    }
    all
}
