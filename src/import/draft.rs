//! What a config will say, before it is written.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use crate::config;

/// Something that somebody should know before the config is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What it is about, in the words of the document: the name of a profile, an endpoint, a route.
    pub about: String,
    /// What could not carry over, or works in another way, and what to do.
    pub text: String,
}

impl Note {
    pub(super) fn new(about: impl Into<String>, text: impl Into<String>) -> Self {
        Self { about: about.into(), text: text.into() }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.text)
    }
}

/// A config in the making. Its texts have passed the rules of their keys, but for comments.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// What it was made of: lines of comment.
    pub(super) title: Vec<String>,
    pub(super) routes: Vec<Route>,
    pub(super) pools: Vec<Pool>,
    pub(super) notes: Vec<Note>,
}

#[derive(Debug)]
pub(super) struct Route {
    /// None: any host.
    pub(super) host: Option<String>,
    pub(super) path: String,
    /// Its name.
    pub(super) pool: String,
    pub(super) comment: Option<String>,
}

#[derive(Debug)]
pub(super) struct Pool {
    pub(super) name: String,
    pub(super) comment: String,
    pub(super) deadline: Option<Duration>,
    pub(super) probe: Option<Probe>,
    /// By priority.
    pub(super) backends: Vec<Backend>,
}

/// A probe; a pool without one does not probe.
#[derive(Debug, Default)]
pub(super) struct Probe {
    pub(super) tcp: bool,
    pub(super) head: bool,
    pub(super) path: Option<String>,
    pub(super) interval: Option<Duration>,
    pub(super) timeout: Option<Duration>,
    pub(super) fall: Option<u64>,
    /// As the config writes statuses.
    pub(super) status: Option<String>,
    pub(super) headers: Vec<(String, String)>,
}

#[derive(Debug)]
pub(super) struct Backend {
    pub(super) name: String,
    /// None: not known, and written as a comment.
    pub(super) url: Option<String>,
    pub(super) host: Option<String>,
    /// Why it stands as it does. With `off`, why it is written as a comment.
    pub(super) comment: Option<String>,
    pub(super) off: bool,
}

impl Backend {
    /// Whether requests can be sent to it.
    pub(super) const fn serves(&self) -> bool {
        self.url.is_some() && !self.off
    }
}

/// Names for a config, each given once.
#[derive(Debug, Default)]
pub(super) struct Names {
    given: HashSet<String>,
    /// The last number that each name was told apart by: many alike are not counted from the start again.
    numbers: HashMap<String, usize>,
}

/// Longest name of a pool or a backend, in bytes.
const LONGEST: usize = 64;

impl Names {
    /// A name like this one that the config takes; `else_name` where nothing is left of it.
    pub(super) fn take(&mut self, wanted: &str, else_name: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
        let name: String = wanted.trim().chars().map(plain).take(LONGEST).collect();
        let name = Some(name.trim_matches('-').to_owned()).filter(|name| config::is_plain_name(name));
        let name = name.unwrap_or_else(|| else_name.to_owned());
        let mut free = name.clone();
        let number = self.numbers.entry(name.to_ascii_lowercase()).or_insert(1);
        while !self.given.insert(free.to_ascii_lowercase()) {
            *number += 1;
            let suffix = format!("-{number}");
            free = format!("{}{suffix}", &name[..name.len().min(LONGEST - suffix.len())]);
        }
        free
    }
}

/// A span of so many seconds, if a deadline can be that long.
pub(super) fn seconds(number: u64) -> Option<Duration> {
    Some(Duration::from_secs(number)).filter(|span| config::is_deadline(*span))
}

/// The URL of a backend; the port is left out where the scheme has it.
pub(super) fn url(tls: bool, host: &str, port: u64) -> Option<String> {
    let (scheme, usual) = if tls { ("https", 443) } else { ("http", 80) };
    let bare = host.trim_end_matches('.');
    let address = bare.parse::<std::net::Ipv6Addr>().is_ok();
    // What would make something else of the rest of the URL is no host.
    if bare.contains(['/', '@', '\\']) || (bare.contains(':') && !address) {
        return None;
    }
    let host = if address { format!("[{bare}]") } else { bare.to_owned() };
    let url = if port == usual { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{port}") };
    config::is_backend_url(&url).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_that_a_config_takes_and_there_once() {
        let mut names = Names::default();
        let long = "x".repeat(80);
        let wanted = ["West Europe", "west-europe", "", "…", "..", &long, &long, "pool", "Pool"];
        let taken: Vec<String> = wanted.iter().map(|name| names.take(name, "pool")).collect();
        assert_eq!(taken[..5], ["West-Europe", "west-europe-2", "pool", "pool-2", "pool-3"]);
        assert!(taken.iter().all(|name| config::is_plain_name(name)), "{taken:?}");
        let distinct: HashSet<String> = taken.iter().map(|name| name.to_ascii_lowercase()).collect();
        assert_eq!(distinct.len(), wanted.len(), "{taken:?}");
    }

    #[test]
    fn a_host_is_not_more_than_a_host() {
        assert_eq!(url(true, "a.example.", 443).as_deref(), Some("https://a.example"));
        assert_eq!(url(false, "2001:db8::1", 8080).as_deref(), Some("http://[2001:db8::1]:8080"));
        for bad in ["a/b", "u@a", "a:1", "a b", "", "a?x", "[parameters('x')]"] {
            assert_eq!(url(true, bad, 443), None, "{bad}");
        }
        assert_eq!((url(true, "a", 0), url(true, "a", 70_000)), (None, None));
    }
}
