//! Names to addresses. The only place that names hickory.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{Hosts, TokioResolver, system_conf};

use crate::config::DnsConfig;

/// Looks names up: the hosts file first, then A and AAAA side by side.
///
/// It keeps no cache: whoever asks holds the answer for [`Answer::ttl`], and the last good one when DNS fails. The hosts
/// file and the system's settings are read once, by [`Resolver::new`].
pub struct Resolver {
    dns: TokioResolver,
    hosts: Hosts,
    min_ttl: Duration,
    max_ttl: Duration,
    timeout: Duration,
}

/// Where a name is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// At least one; IPv6 and IPv4 by turns, IPv6 first (RFC 8305 section 4), each family in the order of the answer.
    pub addresses: Vec<IpAddr>,
    /// How long the answer holds: the least TTL of its records, within the configured floor and ceiling.
    pub ttl: Duration,
}

/// Why a name has no addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// DNS answered that the name does not exist (NXDOMAIN), or that it has neither A nor AAAA records.
    #[error("no address is known for `{0}`: check the name, or that it has A or AAAA records")]
    NoSuchName(String),
    /// DNS did not answer the question: a timeout, SERVFAIL, a refusal. Nothing is known about the name.
    #[error("{0}")]
    Failed(String),
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver")
            .field("min_ttl", &self.min_ttl)
            .field("max_ttl", &self.max_ttl)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Resolver {
    /// A resolver that asks the configured name servers over UDP, and TCP where an answer is cut short; without any, the
    /// system's. Sends nothing yet.
    ///
    /// # Errors
    /// [`ResolveError::Failed`] when the resolver cannot be built from these settings.
    pub fn new(config: &DnsConfig) -> Result<Self, ResolveError> {
        let (servers, mut options) = if config.servers.is_empty() {
            system()
        } else {
            let servers = config.servers.iter().map(|server| name_server(server.ip(), server.port())).collect();
            (ResolverConfig::from_name_servers(servers), ResolverOpts::default())
        };
        // The deadline of a look-up bounds a first try and a second one: datagrams get lost.
        options.timeout = (config.timeout / 2).max(Duration::from_millis(1));
        options.attempts = 1;
        options.cache_size = 0;
        options.preserve_intermediates = true;
        options.use_hosts_file = ResolveHosts::Never;
        let mut builder = TokioResolver::builder_with_config(servers, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        let dns = builder.build().map_err(|e| ResolveError::Failed(format!("cannot set up name resolution: {e}")))?;
        let hosts = Hosts::from_system().unwrap_or_default();
        Ok(Self { dns, hosts, min_ttl: config.min_ttl, max_ttl: config.max_ttl, timeout: config.timeout })
    }

    /// The addresses of `host`. An address, with or without brackets, is its own answer; no query is sent.
    ///
    /// When one family answers and the other fails, the one that answered is the answer.
    ///
    /// # Errors
    /// [`ResolveError::NoSuchName`] when DNS says that there is no address, [`ResolveError::Failed`] when it does not say.
    pub async fn lookup(&self, host: &str) -> Result<Answer, ResolveError> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Answer { addresses: vec![address], ttl: self.max_ttl });
        }
        let name =
            Name::from_utf8(host).map_err(|e| ResolveError::Failed(format!("`{host}` is not a host name: {e}")))?;
        if let Some(addresses) = self.static_addresses(&name) {
            return Ok(Answer { addresses, ttl: self.max_ttl });
        }
        let (v6, v4) = tokio::join!(self.ask(&name, RecordType::AAAA), self.ask(&name, RecordType::A));
        self.combine(host, v6, v4)
    }

    async fn ask(&self, name: &Name, family: RecordType) -> Result<Vec<Record>, NetError> {
        match tokio::time::timeout(self.timeout, self.dns.lookup(name.clone(), family)).await {
            Ok(Ok(lookup)) => Ok(lookup.answers().to_vec()),
            Ok(Err(error)) if error.is_no_records_found() => Ok(Vec::new()),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(NetError::Timeout),
        }
    }

    fn combine(
        &self,
        host: &str,
        v6: Result<Vec<Record>, NetError>,
        v4: Result<Vec<Record>, NetError>,
    ) -> Result<Answer, ResolveError> {
        let records = |family: &Result<Vec<Record>, NetError>| family.clone().unwrap_or_default();
        let (six, four) = (records(&v6), records(&v4));
        let addresses = interleave(addresses(&six), addresses(&four));
        if !addresses.is_empty() {
            let least = six.iter().chain(&four).map(|record| record.ttl).min().unwrap_or_default();
            return Ok(Answer { addresses, ttl: clamp_ttl(least, self.min_ttl, self.max_ttl) });
        }
        // "No such name" only when both families said so: a failure of one may hide the address.
        match v4.and(v6) {
            Ok(_) => Err(ResolveError::NoSuchName(host.to_owned())),
            Err(error) => Err(ResolveError::Failed(format!("cannot resolve `{host}`: {}", self.describe(&error)))),
        }
    }

    /// What the hosts file says. `localhost` is loopback even where it does not say so (RFC 6761 section 6.3).
    fn static_addresses(&self, name: &Name) -> Option<Vec<IpAddr>> {
        let look_up = |family| {
            let found = self.hosts.lookup_static_host(&Query::query(name.clone(), family));
            found.map(|lookup| addresses(lookup.answers())).unwrap_or_default()
        };
        let known = interleave(look_up(RecordType::AAAA), look_up(RecordType::A));
        if !known.is_empty() {
            return Some(known);
        }
        name.is_localhost().then(|| vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])
    }

    fn describe(&self, error: &NetError) -> String {
        match error {
            NetError::Timeout => format!("no answer from the name server within {:?}", self.timeout),
            NetError::Dns(DnsError::ResponseCode(code)) => format!("the name server answered: {code}"),
            NetError::NoConnections => "no name server could be reached".to_owned(),
            other => other.to_string(),
        }
    }
}

/// The system's name servers, or this machine's own when there are no settings to read (as resolv.conf(5) says).
fn system() -> (ResolverConfig, ResolverOpts) {
    system_conf::read_system_conf().unwrap_or_else(|error| {
        tracing::warn!(%error, "the system's name resolution settings cannot be read; asking 127.0.0.1:53");
        let local = name_server(Ipv4Addr::LOCALHOST.into(), 53);
        (ResolverConfig::from_name_servers(vec![local]), ResolverOpts::default())
    })
}

fn name_server(ip: IpAddr, port: u16) -> NameServerConfig {
    let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
    (udp.port, tcp.port) = (port, port);
    NameServerConfig::new(ip, true, vec![udp, tcp])
}

fn addresses(records: &[Record]) -> Vec<IpAddr> {
    let address = |record: &Record| match &record.data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
        _ => None,
    };
    records.iter().filter_map(address).collect()
}

/// First of `a`, first of `b`, second of `a` … (RFC 8305 section 4, with a first address family count of 1).
fn interleave(a: Vec<IpAddr>, b: Vec<IpAddr>) -> Vec<IpAddr> {
    let mut mixed = Vec::with_capacity(a.len() + b.len());
    let (mut a, mut b) = (a.into_iter(), b.into_iter());
    loop {
        let (one, other) = (a.next(), b.next());
        if one.is_none() && other.is_none() {
            return mixed;
        }
        mixed.extend(one.into_iter().chain(other));
    }
}

/// A TTL in seconds, kept within the floor and the ceiling. The floor wins where the two cross.
fn clamp_ttl(seconds: u32, min: Duration, max: Duration) -> Duration {
    Duration::from_secs(seconds.into()).min(max).max(min)
}

#[cfg(test)]
mod tests;
