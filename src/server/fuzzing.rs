//! The door of the fuzz target for the PROXY protocol.

use super::proxy_protocol::{Header, HeaderError, read_header};
use std::net::SocketAddr;

/// Client and destination, and what came after the header; or the words of why there is none.
pub type Said = Result<(Option<(SocketAddr, SocketAddr)>, Vec<u8>), String>;

/// Reads a PROXY protocol header from bytes that come in parts of `part` bytes.
pub async fn proxy_header(bytes: &[u8], part: usize) -> Said {
    let mut io = InParts { rest: bytes, part: part.max(1) };
    let Header { addresses, surplus } = read_header(&mut io).await.map_err(|error: HeaderError| error.to_string())?;
    Ok((addresses, [&surplus[..], io.rest].concat()))
}

/// Bytes that come a few at a time, and then the end.
struct InParts<'a> {
    rest: &'a [u8],
    part: usize,
}

impl tokio::io::AsyncRead for InParts<'_> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let most = self.part.min(buffer.remaining()).min(self.rest.len());
        let (now, rest) = self.rest.split_at(most);
        buffer.put_slice(now);
        self.rest = rest;
        std::task::Poll::Ready(Ok(()))
    }
}
