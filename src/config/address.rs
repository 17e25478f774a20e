//! URLs, hosts, paths, networks and socket addresses: text to value.

use std::net::{IpAddr, SocketAddr};

use super::findings::{Fault, fault};
use super::types::{HostPattern, Network};
use super::types_backend::BackendUrl;

/// The URL of a backend. A fault never repeats it: it may hold credentials.
pub(super) fn backend_url(text: &str) -> Result<BackendUrl, Fault> {
    const HINT: &str = "\"https://host\", with a port or a base path if need be";
    if text.contains(['?', '#']) {
        return Err(fault("a backend's URL takes no query and no fragment", HINT));
    }
    let Ok(uri) = text.parse::<http::Uri>() else {
        return Err(fault("this is no URL", HINT));
    };
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        Some(_) => return Err(fault("the scheme must be https or http", HINT)),
        None => return Err(fault("the URL has no scheme", HINT)),
    };
    let authority = uri.authority().map_or("", http::uri::Authority::as_str);
    if authority.contains('@') {
        return Err(fault("this URL takes no credentials", "send them by `headers`, as a secret"));
    }
    let host = uri.host().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if host.parse::<IpAddr>().is_err() && !is_name(&host) {
        return Err(fault("the URL has no valid host", HINT));
    }
    let port = match authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        None => {
            if tls {
                443
            } else {
                80
            }
        }
        Some((_, port)) => match port.parse() {
            Ok(0) | Err(_) => return Err(fault("the URL has no valid port", "a port from 1 to 65535")),
            Ok(port) => port,
        },
    };
    let base_path = uri.path().trim_end_matches('/').to_owned();
    if !base_path.is_empty() {
        path(&base_path)?;
    }
    Ok(BackendUrl { tls, host, port, base_path })
}

/// The host of a route.
pub(super) fn host_pattern(text: &str) -> Result<HostPattern, Fault> {
    const HINT: &str = "\"bot.contoso.com\" or \"*.contoso.com\"; leave the key out for any host";
    let host = text.trim_end_matches('.').to_ascii_lowercase();
    if host == "*" {
        return Err(fault("\"*\" is no host", "leave the key out for any host"));
    }
    if let Some((_, port)) = host.rsplit_once(':').filter(|(before, _)| !before.contains(':'))
        && port.bytes().all(|b| b.is_ascii_digit())
    {
        return Err(fault("a route's host takes no port", HINT));
    }
    match host.strip_prefix("*.") {
        Some(below) if is_name(below) => Ok(HostPattern::Below(below.to_owned())),
        None if is_name(&host) || host.parse::<IpAddr>().is_ok() => Ok(HostPattern::Exact(host)),
        _ if !host.is_ascii() => {
            Err(fault(format!("{text:?} is not ASCII"), "write the name as browsers send it: \"xn--…\""))
        }
        _ => Err(fault(format!("{text:?} is no host"), HINT)),
    }
}

/// Whether this is a host name (RFC 1123; underscores are tolerated, as container networks use them).
pub(super) fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

/// A path prefix: absolute, without query, `.` and `..`.
pub(super) fn path(text: &str) -> Result<(), Fault> {
    if !text.starts_with('/') {
        return Err(fault(format!("{text:?} does not begin with a slash"), format!("\"/{text}\"")));
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) || text.contains(['?', '#', '\\']) {
        return Err(fault(
            format!("{text:?} is no path"),
            "ASCII without spaces, query or fragment; escape others as %XX",
        ));
    }
    if text.split('/').any(|segment| segment == "." || segment == "..") {
        return Err(fault(format!("{text:?} has a segment . or .."), "write the path that it stands for"));
    }
    Ok(())
}

/// `10.0.0.0/8`, `2001:db8::/32`, or a single address.
pub(super) fn network(text: &str) -> Result<Network, Fault> {
    let wrong = || fault(format!("{text:?} is no network"), "an address and a prefix length: \"10.0.0.0/8\"");
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let address: IpAddr = address.trim().parse().map_err(|_| wrong())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => most,
        Some(prefix) => prefix.trim().parse().ok().filter(|prefix| *prefix <= most).ok_or_else(wrong)?,
    };
    Ok(Network { address, prefix })
}

/// An address to bind.
pub(super) fn bind(text: &str) -> Result<SocketAddr, Fault> {
    text.parse().map_err(|_| {
        let port = text.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
        let hint = match (text.rsplit_once(':').map_or("", |(host, _)| host), port) {
            ("", Some(port)) => format!("address and port: \"0.0.0.0:{port}\""),
            ("localhost", Some(port)) => format!("an address, not a name: \"127.0.0.1:{port}\""),
            _ => "address and port: \"0.0.0.0:443\", \"[::]:443\"".to_owned(),
        };
        fault(format!("{text:?} is no address to bind"), hint)
    })
}

/// The address of a name server; port 53 when it has none.
pub(super) fn name_server(text: &str) -> Result<SocketAddr, Fault> {
    let address = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53));
    let wrong = |_| fault(format!("{text:?} is no address"), "\"10.0.0.53\" or \"10.0.0.53:53\"");
    address.or_else(|_| text.parse()).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backend_urls_are_taken_apart() {
        let url = |text: &str| backend_url(text).map(|url| url.to_string()).map_err(|fault| fault.message);
        assert_eq!(url("https://Contoso.net/").as_deref(), Ok("https://contoso.net"));
        assert_eq!(url("http://127.0.0.1:3978/base/").as_deref(), Ok("http://127.0.0.1:3978/base"));
        assert_eq!(url("https://[::1]:8443").as_deref(), Ok("https://[::1]:8443"));
        assert_eq!(url("https://[::1]").as_deref(), Ok("https://[::1]"));
        for bad in [
            "",
            "contoso.net",
            "ftp://x",
            "https://",
            "https://u:p@x",
            "https://x?y=1",
            "https://x#y",
            "https://x:99999",
            "https://x:0",
            "https://x:",
            "https://a b",
            "https://x/../y",
        ] {
            assert!(url(bad).is_err(), "{bad}");
        }
        assert!(!url("https://user:s3cr3t@host").unwrap_err().contains("s3cr3t"));
    }

    #[test]
    fn hosts_are_names_or_wildcards() {
        assert_eq!(host_pattern("Bot.Contoso.com."), Ok(HostPattern::Exact("bot.contoso.com".into())));
        assert_eq!(host_pattern("*.contoso.com"), Ok(HostPattern::Below("contoso.com".into())));
        for bad in ["", "*", "a:443", "a b", "*.*.x", "http://x", "ümlaut.de", "-a", "a..b"] {
            assert!(host_pattern(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_have_a_prefix_that_fits() {
        assert_eq!(network("10.0.0.0/8").map(|network| network.prefix), Ok(8));
        assert_eq!(network("::1").map(|network| network.prefix), Ok(128));
        for bad in ["10.0.0.0/33", "x/8", "10.0.0.0/", "10.0.0/8"] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }
}
