//! The schedule of name resolution: what is asked when, and what is known.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::outside::Addresses;
use crate::config::{BackendUrl, DnsConfig};
use crate::model::Moment;

/// A look-up out of turn, after a failed dial, happens at most this often for one name.
const FORCED: Duration = Duration::from_secs(1);

/// After a failed look-up the next follows within these bounds, and not later than `dns.min_ttl`.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// No answer holds shorter than this, whatever its TTL and `dns.min_ttl` say: both may be zero.
const LEAST: Duration = Duration::from_millis(100);

/// The names of all backends.
#[derive(Debug, Default)]
pub(super) struct Names {
    hosts: HashMap<String, Host>,
    /// When the next look-up is due.
    soonest: Option<Moment>,
}

#[derive(Debug)]
struct Host {
    /// The last good answer; kept when a look-up fails.
    addresses: Vec<IpAddr>,
    next: Moment,
    running: bool,
    /// Whether the look-up under way was overtaken: its answer counts, but another is wanted at once.
    overtaken: bool,
    /// Whether any look-up has ended.
    settled: bool,
    trouble: Option<String>,
    forced: Option<Moment>,
}

impl Names {
    /// Follows these hosts from now on, and forgets all others. New ones are due at once; an IP literal is no name.
    pub(super) fn follow<'a>(&mut self, hosts: impl Iterator<Item = &'a str>, now: Moment) {
        let wanted: HashSet<&str> = hosts.filter(|host| literal(host).is_none()).collect();
        self.hosts.retain(|host, _| wanted.contains(host.as_str()));
        wanted.into_iter().for_each(|host| _ = self.entry(host, now));
        self.reckon();
    }

    /// Follows one more host, and tells whether it waits for its first answer.
    pub(super) fn add(&mut self, host: &str, now: Moment) -> bool {
        let Some(settled) = self.entry(host, now) else { return false };
        self.soonest = self.soonest.into_iter().chain((!settled).then_some(now)).min();
        !settled
    }

    /// Follows a host that is a name, and tells whether any look-up of it has ended.
    fn entry(&mut self, host: &str, now: Moment) -> Option<bool> {
        if literal(host).is_some() {
            return None;
        }
        let new = || Host {
            addresses: Vec::new(),
            next: now,
            running: false,
            overtaken: false,
            settled: false,
            trouble: None,
            forced: None,
        };
        Some(self.hosts.entry(host.to_owned()).or_insert_with(new).settled)
    }

    /// Whether any look-up of this host has ended, well or badly.
    pub(super) fn settled(&self, host: &str) -> bool {
        self.hosts.get(host).is_none_or(|known| known.settled)
    }

    /// The hosts to be asked for now; they count as asked.
    pub(super) fn take_due(&mut self, now: Moment) -> Vec<String> {
        if self.soonest.is_none_or(|soonest| now < soonest) {
            return Vec::new();
        }
        let due = self.hosts.iter_mut().filter(|(_, host)| !host.running && host.next <= now);
        let due = due.map(|(name, host)| {
            host.running = true;
            name.clone()
        });
        let due = due.collect();
        self.reckon();
        due
    }

    /// When the next is to be asked for.
    pub(super) fn wakeup(&self) -> Option<Moment> {
        self.soonest
    }

    /// A dial to this host failed: its addresses may be old, so ask at once.
    pub(super) fn force(&mut self, host: &str, now: Moment) {
        let Some(host) = self.hosts.get_mut(host) else { return };
        if host.forced.is_none_or(|at| now.since(at) >= FORCED) && now < host.next {
            (host.next, host.forced) = (now, Some(now));
            self.reckon();
        }
    }

    /// Names are resolved in another way from now on: all of them are due at once.
    pub(super) fn ask_again(&mut self, now: Moment) {
        for host in self.hosts.values_mut() {
            (host.next, host.overtaken) = (now, host.running);
        }
        self.reckon();
    }

    /// Takes an answer in, and tells whether the addresses changed. A failure keeps the last good answer.
    pub(super) fn answered(
        &mut self,
        name: &str,
        answer: Result<Addresses, String>,
        dns: &DnsConfig,
        now: Moment,
    ) -> bool {
        let Some(host) = self.hosts.get_mut(name) else { return false };
        (host.running, host.settled) = (false, true);
        let changed = host.answered(name, answer, dns, now);
        if std::mem::take(&mut host.overtaken) {
            host.next = now;
        }
        self.reckon();
        changed
    }

    /// Something has changed about when a host is to be asked for.
    fn reckon(&mut self) {
        self.soonest = self.hosts.values().filter(|host| !host.running).map(|host| host.next).min();
    }

    /// Where a URL leads now; empty when its name was never resolved.
    pub(super) fn addresses(&self, url: &BackendUrl) -> Arc<[SocketAddr]> {
        let port = |ip: &IpAddr| SocketAddr::new(*ip, url.port);
        match literal(&url.host) {
            Some(ip) => Arc::new([port(&ip)]),
            None => self.hosts.get(&url.host).into_iter().flat_map(|host| &host.addresses).map(port).collect(),
        }
    }
}

impl Host {
    fn answered(&mut self, name: &str, answer: Result<Addresses, String>, dns: &DnsConfig, now: Moment) -> bool {
        let answer = match answer {
            Ok(answer) if answer.addresses.is_empty() => Err("the answer holds no address".into()),
            other => other,
        };
        match answer {
            Ok(answer) => {
                self.next = now + answer.ttl.min(dns.max_ttl).max(dns.min_ttl).max(LEAST);
                if self.trouble.take().is_some() {
                    tracing::info!(host = name, "{name} resolves again");
                }
                // Name servers rotate the order of their answers: the same addresses are no change.
                let changed = !same_set(&self.addresses, &answer.addresses);
                if changed {
                    tracing::info!(host = name, addresses = ?answer.addresses, "{name} has new addresses");
                    self.addresses = answer.addresses;
                }
                changed
            }
            Err(trouble) => {
                self.next = now + dns.min_ttl.clamp(RETRY.0, RETRY.1);
                if self.trouble.as_ref() != Some(&trouble) {
                    let kept = self.addresses.len();
                    tracing::warn!(host = name, kept, "cannot resolve {name}: {trouble}; {kept} known addresses stay");
                    self.trouble = Some(trouble);
                }
                false
            }
        }
    }
}

fn literal(host: &str) -> Option<IpAddr> {
    host.parse().ok()
}

fn same_set(a: &[IpAddr], b: &[IpAddr]) -> bool {
    a.iter().collect::<HashSet<_>>() == b.iter().collect::<HashSet<_>>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dns() -> DnsConfig {
        let (min_ttl, max_ttl) = (Duration::from_secs(5), Duration::from_secs(60));
        DnsConfig { servers: vec![], min_ttl, max_ttl, timeout: Duration::from_secs(2) }
    }

    fn at(seconds: u64) -> Moment {
        Moment::from_origin(Duration::from_secs(seconds))
    }

    fn answer(last: &[u8], ttl: u64) -> Result<Addresses, String> {
        let addresses = last.iter().map(|&d| IpAddr::from([10, 0, 0, d])).collect();
        Ok(Addresses { addresses, ttl: Duration::from_secs(ttl) })
    }

    fn url(host: &str) -> BackendUrl {
        BackendUrl { tls: false, host: host.into(), port: 80, base_path: String::new() }
    }

    fn asked() -> Names {
        let mut names = Names::default();
        names.follow(["weu.example", "10.1.1.1"].into_iter(), at(0));
        assert_eq!(names.take_due(at(0)), ["weu.example"], "an address is no name");
        names
    }

    #[test]
    fn a_ttl_is_held_within_its_bounds() {
        for (ttl, next) in [(0, 5), (30, 30), (86_400, 60)] {
            let mut names = asked();
            assert!(names.answered("weu.example", answer(&[1], ttl), &dns(), at(0)));
            assert_eq!(names.wakeup(), Some(at(next)), "ttl {ttl}");
        }
    }

    #[test]
    fn a_ttl_of_zero_without_a_floor_is_no_storm_of_questions() {
        let mut names = asked();
        names.answered("weu.example", answer(&[1], 0), &DnsConfig { min_ttl: Duration::ZERO, ..dns() }, at(0));
        assert!(names.take_due(at(0)).is_empty());
        assert_eq!(names.wakeup(), Some(at(0) + LEAST));
    }

    #[test]
    fn a_failed_look_up_keeps_the_last_good_answer() {
        let mut names = asked();
        names.answered("weu.example", answer(&[1, 2], 30), &dns(), at(0));
        let known = names.addresses(&url("weu.example"));
        names.take_due(at(30));
        assert!(!names.answered("weu.example", Err("NXDOMAIN".into()), &dns(), at(30)));
        assert!(!names.answered("weu.example", answer(&[], 30), &dns(), at(35)));
        assert_eq!(names.addresses(&url("weu.example")), known);
        assert_eq!(names.wakeup(), Some(at(40)), "and is asked again soon");
    }

    #[test]
    fn the_same_addresses_in_another_order_are_no_change() {
        let mut names = asked();
        names.answered("weu.example", answer(&[1, 2], 30), &dns(), at(0));
        assert!(!names.answered("weu.example", answer(&[2, 1], 30), &dns(), at(30)));
        assert!(names.answered("weu.example", answer(&[2, 3], 30), &dns(), at(60)));
    }

    #[test]
    fn a_failed_dial_asks_at_once_but_not_in_a_storm() {
        let mut names = asked();
        names.answered("weu.example", answer(&[1], 60), &dns(), at(0));
        names.force("weu.example", at(10));
        assert_eq!(names.take_due(at(10)).len(), 1);
        names.answered("weu.example", answer(&[1], 60), &dns(), at(10));
        names.force("weu.example", at(10));
        assert!(names.take_due(at(10)).is_empty());
        names.force("weu.example", at(11));
        assert_eq!(names.take_due(at(11)).len(), 1);
    }

    #[test]
    fn a_look_up_that_a_reload_overtook_is_made_again() {
        let mut names = asked();
        names.ask_again(at(1));
        assert!(names.take_due(at(1)).is_empty(), "one at a time");
        assert!(names.answered("weu.example", answer(&[1], 60), &dns(), at(2)));
        assert_eq!(names.take_due(at(2)), ["weu.example"]);
        names.answered("weu.example", answer(&[2], 60), &dns(), at(3));
        assert_eq!(names.wakeup(), Some(at(63)));
        names.ask_again(at(4));
        assert_eq!(names.take_due(at(4)), ["weu.example"]);
    }

    #[test]
    fn an_address_in_the_url_needs_no_name() {
        assert_eq!(*Names::default().addresses(&url("10.1.1.1")), ["10.1.1.1:80".parse().unwrap()]);
        assert!(Names::default().settled("10.1.1.1"));
    }
}
