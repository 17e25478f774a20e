//! Host and path to pool, in time that does not grow with the number of routes.

use std::sync::Arc;

use super::Route;
use super::hash::ByName;
use crate::config::HostPattern;
use crate::upstream::unescaped;

/// The compiled routes.
///
/// The most specific host wins (exact, then the longest `*.` suffix, then any), and within it the longest path prefix. A
/// host that has routes but none for the path is a [`Miss::Path`] unless a less specific host has one.
///
/// A clone shares the tables: a snapshot that changes no route costs nothing for them.
#[derive(Clone, Debug, Default)]
pub struct RouteTable(Arc<Tables>);

#[derive(Debug, Default)]
struct Tables {
    exact: ByName<Paths>,
    below: ByName<Paths>,
    any: Paths,
}

#[derive(Debug, Default)]
struct Paths {
    by_prefix: ByName<Route>,
    /// Length of the longest prefix: longer ones need no look, however many segments a path has.
    longest: usize,
    /// The guarded ones, by what their prefix is to a server that reads it as loosely as any.
    guarded: ByName<Route>,
}

/// Why no route was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// No route serves this host: 421.
    Host,
    /// The host is served, the path is not: 404.
    Path,
}

impl RouteTable {
    /// Compiles routes; of two with the same host and path, the first stays (config reports such a pair as an error).
    pub fn new(routes: impl IntoIterator<Item = Route>) -> Self {
        let mut table = Tables::default();
        for route in routes {
            let paths = match &route.config.host {
                HostPattern::Any => &mut table.any,
                HostPattern::Exact(host) => table.exact.entry(host.as_str().into()).or_default(),
                HostPattern::Below(host) => table.below.entry(host.as_str().into()).or_default(),
            };
            let prefix = route.config.path.trim_end_matches('/');
            paths.longest = paths.longest.max(prefix.len());
            if route.guard.is_some() {
                paths.guarded.entry(folded(prefix).into()).or_insert_with(|| route.clone());
            }
            paths.by_prefix.entry(prefix.into()).or_insert(route);
        }
        Self(Arc::new(table))
    }

    /// The route for a host (lower case, no port, no trailing dot) and a path (as sent, without its query).
    ///
    /// # Errors
    /// [`Miss`], when there is none.
    pub fn find(&self, host: &str, path: &str) -> Result<&Route, Miss> {
        let mut miss = Miss::Host;
        let exact = self.0.exact.get(host);
        let within = if self.0.below.is_empty() { "" } else { host };
        let below = borders(within, '.').filter_map(|at| self.0.below.get(&host[at + 1..]));
        let any = (!self.0.any.by_prefix.is_empty()).then_some(&self.0.any);
        for paths in exact.into_iter().chain(below).chain(any) {
            if let Some(route) = longest_prefix(paths, path) {
                return Ok(guarded(paths, path, route).unwrap_or(route));
            }
            miss = Miss::Path;
        }
        Err(miss)
    }
}

/// The guarded route that a path means to a server which disregards case, escapes, empty segments and path parameters, where
/// it was found to be on a route without a guard: a bot behind both must not be reached around its guard. None where the
/// route that was found is the more specific one.
fn guarded<'a>(paths: &'a Paths, path: &str, found: &Route) -> Option<&'a Route> {
    if found.guard.is_some() || paths.guarded.is_empty() {
        return None;
    }
    let (path, least) = (folded(path), folded(&found.config.path).len());
    let shorter = path.rmatch_indices('/').map(|(at, _)| &path[..at]);
    let known = std::iter::once(&*path).chain(shorter).skip_while(|prefix| prefix.len() > paths.longest);
    known.take_while(|prefix| prefix.len() > least).find_map(|prefix| paths.guarded.get(prefix))
}

/// A path as loosely as any server reads it: unescaped, in lower case, without empty segments and path parameters.
fn folded(path: &str) -> String {
    let mut folded = String::with_capacity(path.len());
    for segment in path.split('/') {
        let segment = unescaped(segment);
        let named = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        if !named.is_empty() {
            folded.push('/');
            folded.extend(named.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
        }
    }
    folded
}

fn longest_prefix<'a>(paths: &'a Paths, path: &str) -> Option<&'a Route> {
    let slash = |byte: &u8| *byte == b'/';
    let bytes = path.as_bytes();
    let mut end = bytes.iter().rposition(|byte| !slash(byte)).map_or(0, |last| last + 1);
    loop {
        if end <= paths.longest
            && let Some(route) = path.get(..end).and_then(|prefix| paths.by_prefix.get(prefix))
        {
            return Some(route);
        }
        // On to the next shorter one that may be a prefix: it ends before a slash, and is no longer than the longest.
        end = bytes.get(..end.min(paths.longest + 1))?.iter().rposition(slash)?;
    }
}

fn borders(text: &str, separator: char) -> impl Iterator<Item = usize> {
    text.match_indices(separator).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RouteConfig;

    fn route(host: HostPattern, path: &str, pool: usize) -> Route {
        Route {
            config: RouteConfig { host, path: path.into(), pool: "p".into(), max_body: 0, guard: None },
            pool,
            guard: None,
        }
    }

    fn table() -> RouteTable {
        RouteTable::new([
            route(HostPattern::Exact("bot.contoso.com".into()), "/api/messages", 0),
            route(HostPattern::Exact("bot.contoso.com".into()), "/api", 1),
            route(HostPattern::Below("contoso.com".into()), "/", 2),
            route(HostPattern::Below("eu.contoso.com".into()), "/qna", 3),
        ])
    }

    fn find(host: &str, path: &str) -> Result<usize, Miss> {
        table().find(host, path).map(|route| route.pool)
    }

    #[test]
    fn the_longest_prefix_wins_on_segment_borders() {
        assert_eq!(find("bot.contoso.com", "/api/messages"), Ok(0));
        assert_eq!(find("bot.contoso.com", "/api/messages/"), Ok(0));
        assert_eq!(find("bot.contoso.com", "/api/messages/x/y"), Ok(0));
        assert_eq!(find("bot.contoso.com", "/api/messagesx"), Ok(1));
        assert_eq!(find("bot.contoso.com", "/apix"), Ok(2));
    }

    #[test]
    fn the_most_specific_host_wins() {
        assert_eq!(find("x.contoso.com", "/anything"), Ok(2));
        assert_eq!(find("a.b.contoso.com", "/anything"), Ok(2));
        assert_eq!(find("x.eu.contoso.com", "/qna/a"), Ok(3));
        assert_eq!(find("x.eu.contoso.com", "/other"), Ok(2));
    }

    #[test]
    fn a_guard_is_not_passed_by_spelling_its_path_in_another_way() {
        let host = || HostPattern::Exact("bot".into());
        let guarded = Route { guard: Some(0), ..route(host(), "/api/Messages", 1) };
        let other = route(HostPattern::Exact("other".into()), "/", 3);
        let all = [route(host(), "/", 0), guarded, route(host(), "/api/messages/open", 2), other];
        let table = RouteTable::new(all);
        for (path, pool) in [
            ("/api/Messages", 1),
            ("/api/messages", 1),
            ("/API/MESSAGES/x", 1),
            ("/api/%6dessage%73", 1),
            ("//api//messages/", 1),
            ("/api/messages;x=1", 1),
            ("/api;v=1/messages/x", 1),
            ("/api/messages%3bx", 1),
            ("/api/messages/open", 2),
            ("/api/messages/open/x", 2),
            ("/api/messages/OPEN", 1),
            ("/api/messagesx", 0),
            ("/api/message", 0),
            ("/page/api/messages", 0),
            ("/%", 0),
            ("/api/messages%", 0),
        ] {
            assert_eq!(table.find("bot", path).map(|route| route.pool), Ok(pool), "{path}");
            assert_eq!(table.find("other", path).map(|route| route.pool), Ok(3), "{path}");
        }
    }

    #[test]
    fn a_strange_host_is_told_from_a_strange_path() {
        assert_eq!(find("evil.example", "/api/messages"), Err(Miss::Host));
        assert_eq!(find("contoso.com", "/"), Err(Miss::Host));
        let only = RouteTable::new([route(HostPattern::Exact("a".into()), "/api", 0)]);
        assert_eq!(only.find("a", "/").map(|r| r.pool), Err(Miss::Path));
    }

    #[test]
    fn a_path_of_many_segments_does_not_hold_up_a_worker() {
        let path = "/a".repeat(30_000);
        let begun = std::time::Instant::now();
        for _ in 0..100 {
            assert_eq!(table().find("bot.contoso.com", &path).map(|route| route.pool), Ok(2));
        }
        // Looking at every prefix took a hundred times as long.
        assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_route_for_any_host_serves_every_host() {
        let any = RouteTable::new([route(HostPattern::Any, "/", 7)]);
        assert_eq!(any.find("whatever", "/").map(|r| r.pool), Ok(7));
        assert_eq!(any.find("", "*").map(|r| r.pool), Err(Miss::Path));
    }
}
