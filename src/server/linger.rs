//! The lingering close: after a refusal, what the client still sends is read and thrown away for a while.
//!
//! A socket that is closed with bytes unread is reset, and the reset can overtake the response: the client then sees a
//! broken connection instead of the reason (RFC 9112, section 9.6).

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Longest time that is waited for the client to close, and most bytes that are thrown away.
const PATIENCE: Duration = Duration::from_secs(1);
const MOST: usize = 1 << 20;

/// Reads until the client closes, or enough was thrown away.
pub(super) struct Linger {
    until: Pin<Box<Sleep>>,
    left: usize,
}

impl Linger {
    /// Begins now.
    pub(super) fn begin() -> Self {
        Self { until: Box::pin(sleep(PATIENCE)), left: MOST }
    }

    /// Ready when the socket can be closed.
    pub(super) fn poll(&mut self, io: &mut (impl AsyncRead + Unpin), cx: &mut Context<'_>) -> Poll<()> {
        let mut scrap = [0; 4096];
        while self.until.as_mut().poll(cx).is_pending() && self.left > 0 {
            let mut buffer = ReadBuf::new(&mut scrap);
            match ready!(Pin::new(&mut *io).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => self.left = self.left.saturating_sub(buffer.filled().len()),
                // The client closed, or broke off: there is nobody left to reset.
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;
    use tokio::time::Instant;

    use super::*;

    async fn lingered(io: &mut (impl AsyncRead + Unpin)) -> Duration {
        let (start, mut linger) = (Instant::now(), Linger::begin());
        poll_fn(|cx| linger.poll(io, cx)).await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_the_client_closes_or_the_patience_does() {
        let (mut ours, mut theirs) = tokio::io::duplex(1024);
        let writing = async move {
            theirs.write_all(&[0; 10_000]).await.unwrap();
            drop(theirs);
        };
        let (took, ()) = tokio::join!(lingered(&mut ours), writing);
        assert!(took < PATIENCE, "{took:?}");
        let (mut ours, _theirs) = tokio::io::duplex(1024);
        assert!(lingered(&mut ours).await >= PATIENCE, "a silent client is waited for");
    }

    #[tokio::test(start_paused = true)]
    async fn it_does_not_read_for_ever() {
        assert_eq!(lingered(&mut tokio::io::repeat(0)).await, Duration::ZERO);
    }
}
