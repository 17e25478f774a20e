//! The PROXY protocol, versions 1 and 2: who the client is, said by the load balancer in front.
//!
//! A listener that expects the header requires it: if it were optional, any client that reaches the port could claim
//! an address. Reads stop at 4 KiB and may go past the header; what is past it is given back.

use std::io;
use std::net::{IpAddr, SocketAddr};

use bytes::{Bytes, BytesMut};
use ppp::{HeaderResult, PartialResult, v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Most bytes of a header, addresses and extensions (TLVs) included.
const MAX_HEADER: usize = 4096;

/// Why a connection is closed before its first byte is served.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeaderError {
    #[error("the connection does not begin with a PROXY protocol header, though the listener asks for one")]
    Malformed,
    #[error("the PROXY protocol header is longer than {MAX_HEADER} bytes")]
    TooLong,
    #[error("the connection closed within the PROXY protocol header")]
    Closed,
    #[error("cannot read the PROXY protocol header: {0}")]
    Read(#[from] io::Error),
}

/// What a header said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Client and destination; none when the proxy speaks for itself (`LOCAL`, `UNKNOWN`) or over a UNIX socket: the
    /// socket's own addresses count then.
    pub(super) addresses: Option<(SocketAddr, SocketAddr)>,
    /// What was read past the header: the client's first bytes.
    pub(super) surplus: Bytes,
}

/// Reads the header. The caller bounds the time.
pub(super) async fn read_header(io: &mut (impl AsyncRead + Unpin)) -> Result<Header, HeaderError> {
    let mut buffer = BytesMut::with_capacity(256);
    loop {
        if io.read_buf(&mut buffer).await? == 0 {
            return Err(HeaderError::Closed);
        }
        if let Some((length, addresses)) = parse(&buffer)? {
            let surplus = buffer.split_off(length).freeze();
            return Ok(Header { addresses, surplus });
        }
        if buffer.len() >= MAX_HEADER {
            return Err(HeaderError::TooLong);
        }
    }
}

type Parsed = (usize, Option<(SocketAddr, SocketAddr)>);

/// The header's length and addresses; none when more bytes are needed.
fn parse(bytes: &[u8]) -> Result<Option<Parsed>, HeaderError> {
    let signature = &bytes[..bytes.len().min(v2::PROTOCOL_PREFIX.len())];
    if v2::PROTOCOL_PREFIX.starts_with(signature) {
        return parse_v2(bytes);
    }
    // Version 1 is one line of at most 107 bytes: what comes after it must not reach a text parser.
    let line = bytes.windows(2).take(v1_max(bytes)).position(|pair| pair == b"\r\n");
    let Some(end) = line else {
        let prefix = &bytes[..bytes.len().min(V1_PREFIX.len())];
        let may_grow = bytes.len() < V1_MAX && V1_PREFIX.starts_with(prefix);
        return if may_grow { Ok(None) } else { Err(HeaderError::Malformed) };
    };
    let header = v1::Header::try_from(&bytes[..end + 2]).map_err(|_| HeaderError::Malformed)?;
    let addresses = match header.addresses {
        v1::Addresses::Tcp4(a) => {
            Some(pair((a.source_address.into(), a.source_port), (a.destination_address.into(), a.destination_port)))
        }
        v1::Addresses::Tcp6(a) => {
            Some(pair((a.source_address.into(), a.source_port), (a.destination_address.into(), a.destination_port)))
        }
        v1::Addresses::Unknown => None,
    };
    Ok(Some((end + 2, addresses)))
}

const V1_PREFIX: &[u8] = b"PROXY ";
/// The longest line of version 1, with its CRLF.
const V1_MAX: usize = 107;

fn v1_max(bytes: &[u8]) -> usize {
    bytes.len().min(V1_MAX - 1)
}

fn parse_v2(bytes: &[u8]) -> Result<Option<Parsed>, HeaderError> {
    let header = match HeaderResult::parse(bytes) {
        HeaderResult::V2(Ok(header)) => header,
        // A length that can never fit is refused before its bytes are waited for.
        HeaderResult::V2(Err(v2::ParseError::Partial(_, wanted))) if wanted > MAX_HEADER => {
            return Err(HeaderError::TooLong);
        }
        result if result.is_incomplete() => return Ok(None),
        _ => return Err(HeaderError::Malformed),
    };
    let addresses = match (header.command, header.addresses) {
        (v2::Command::Local, _) | (_, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => None,
        (v2::Command::Proxy, v2::Addresses::IPv4(a)) => {
            Some(pair((a.source_address.into(), a.source_port), (a.destination_address.into(), a.destination_port)))
        }
        (v2::Command::Proxy, v2::Addresses::IPv6(a)) => {
            Some(pair((a.source_address.into(), a.source_port), (a.destination_address.into(), a.destination_port)))
        }
    };
    Ok(Some((header.len(), addresses)))
}

fn pair(source: (IpAddr, u16), destination: (IpAddr, u16)) -> (SocketAddr, SocketAddr) {
    (source.into(), destination.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> (SocketAddr, SocketAddr) {
        ("192.0.2.7:5555".parse().unwrap(), "198.51.100.1:443".parse().unwrap())
    }

    fn v2_header(command: v2::Command) -> Vec<u8> {
        v2::Builder::with_addresses(v2::Version::Two | command, v2::Protocol::Stream, addresses()).build().unwrap()
    }

    /// Feeds the bytes one by one: the worst that a network can do.
    async fn read(bytes: &[u8]) -> Result<Header, HeaderError> {
        let (mut near, mut far) = tokio::io::duplex(1);
        let feed = async {
            use tokio::io::AsyncWriteExt;
            let _ = far.write_all(bytes).await;
            drop(far);
        };
        let read = async {
            let header = read_header(&mut near).await;
            drop(near);
            header
        };
        tokio::join!(read, feed).0
    }

    #[tokio::test]
    async fn version_1_names_the_client() {
        let header = read(b"PROXY TCP4 192.0.2.7 198.51.100.1 5555 443\r\n").await.unwrap();
        assert_eq!(header.addresses, Some(addresses()));
        let header = read(b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n").await.unwrap();
        assert_eq!(header.addresses.unwrap().0, "[2001:db8::1]:1".parse().unwrap());
    }

    #[tokio::test]
    async fn version_2_names_the_client() {
        assert_eq!(read(&v2_header(v2::Command::Proxy)).await.unwrap().addresses, Some(addresses()));
    }

    #[tokio::test]
    async fn a_proxy_that_speaks_for_itself_keeps_the_sockets_addresses() {
        assert_eq!(read(&v2_header(v2::Command::Local)).await.unwrap().addresses, None);
        assert_eq!(read(b"PROXY UNKNOWN\r\n").await.unwrap().addresses, None);
    }

    #[tokio::test]
    async fn what_is_past_the_header_is_given_back() {
        let mut bytes = v2_header(v2::Command::Proxy);
        bytes.extend_from_slice(b"GET / HTTP/1.1\r\n\r\n");
        let header = read_header(&mut &bytes[..]).await.unwrap();
        assert_eq!(&header.surplus[..], b"GET / HTTP/1.1\r\n\r\n");
        let header = read_header(&mut &b"PROXY TCP4 192.0.2.7 198.51.100.1 5555 443\r\n\x16\x03\x01\xff"[..]).await;
        assert_eq!(&header.unwrap().surplus[..], b"\x16\x03\x01\xff");
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"PROXY TCP4 192.0.2.7\r\n",
            b"PROXY TCP4 999.0.2.7 198.51.100.1 5555 443\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c............",
        ] {
            assert!(matches!(read(bytes).await, Err(HeaderError::Malformed)), "{bytes:?}");
        }
        assert!(matches!(read(b"PROXY TCP4 19").await, Err(HeaderError::Closed)));
        assert!(matches!(read(&[b"PROXY ", &[b'1'; 200][..]].concat()).await, Err(HeaderError::Malformed)));
    }

    #[tokio::test]
    async fn a_header_beyond_four_kibibytes_is_refused() {
        let mut bytes = v2_header(v2::Command::Proxy);
        bytes[14..16].copy_from_slice(&60_000u16.to_be_bytes());
        bytes.resize(60_016, 0);
        assert!(matches!(read(&bytes).await, Err(HeaderError::TooLong)));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = parse(&bytes);
            let mut with_prefix = v2::PROTOCOL_PREFIX.to_vec();
            with_prefix.extend_from_slice(&bytes);
            let _ = parse(&with_prefix);
            let _ = parse(&[V1_PREFIX, &bytes].concat());
        }
    }
}
