//! PROXY protocol headers, and what comes after them.

use botgate::server::fuzzing::proxy_header;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// What is read here is always ready.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits for what is there"),
    }
}

pub fn target(data: &[u8]) {
    let (part, bytes) = crate::choice(data);
    let whole = now(proxy_header(bytes, usize::MAX));
    let parts = now(proxy_header(bytes, part));
    match (&whole, &parts) {
        (Ok((addresses, rest)), Ok(other)) => {
            assert_eq!((addresses, rest), (&other.0, &other.1), "in parts of {part} bytes it is another");
            assert!(bytes.ends_with(rest), "the client's bytes changed");
            let header = &bytes[..bytes.len() - rest.len()];
            assert!(header.starts_with(b"PROXY ") && header.ends_with(b"\r\n") || header.starts_with(SIGNATURE));
            assert!(header.len() <= 4096 + 16, "{} bytes of header", header.len());
        }
        (Err(_), Err(_)) => {}
        (whole, parts) => panic!("whole: {whole:?}, in parts of {part} bytes: {parts:?}"),
    }
}
