//! A long wire: what goes in comes out so much later, in order, and as much may be on its way as the sender likes.
//!
//! Each end speaks TCP with a neighbour, so the kernel's own windows are not in the way: what is measured through it is bound
//! by the windows of HTTP/2 alone. `benches/long-wire` puts the delay into the kernel's network instead.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// What is read at once, and how many such parts may be on their way: 128 MiB.
const PART: usize = 64 << 10;
const PARTS: usize = 2048;

/// A wire to one address, until it is dropped.
pub struct LongWire {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl LongWire {
    /// A wire to `target` on which everything takes `delay`, each way.
    pub async fn to(target: SocketAddr, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(target).await else { continue };
                let _ = (near.set_nodelay(true), far.set_nodelay(true));
                let ((near_out, near_in), (far_out, far_in)) = (near.into_split(), far.into_split());
                tokio::spawn(carry(near_out, far_in, delay));
                tokio::spawn(carry(far_out, near_in, delay));
            }
        });
        Self { address, task }
    }

    /// Its near end.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for LongWire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, delay: Duration) {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Bytes)>(PARTS);
    let read = async move {
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(PART);
            match from.read_buf(&mut buffer).await {
                Ok(1..) if sender.send((Instant::now() + delay, buffer.split().freeze())).await.is_ok() => {}
                _ => return,
            }
        }
    };
    let write = async {
        while let Some((due, part)) = receiver.recv().await {
            sleep_until(due).await;
            if to.write_all(&part).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}
