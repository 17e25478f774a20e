//! The rest of a request body whose request is refused before it has come.

use std::pin::pin;
use std::time::Duration;

use bytes::Buf;
use http_body::Body;
use http_body_util::BodyExt;

/// Most bytes that are read only to be thrown away, and how long they may take.
const MOST: u64 = 64 * 1024;
const PATIENCE: Duration = Duration::from_millis(200);

/// Reads a small body to its end before a refusal is sent.
///
/// A refusal that overtakes its request's body ends the stream by RST_STREAM (RFC 9113, section 8.1) or the connection by
/// a reset, and there are clients that then report a broken stream instead of the answer. A body that is known to be
/// large, or that `expects` 100 Continue, is not waited for: its client had better hear at once.
pub(super) async fn read_rest<B: Body>(body: B, expects: bool) {
    if expects || body.is_end_stream() || body.size_hint().lower() > MOST {
        return;
    }
    let read = async {
        let (mut body, mut read) = (pin!(body), 0);
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, |data| data.remaining() as u64);
            if read > MOST {
                return;
            }
        }
    };
    // A client that dawdles gets its answer all the same.
    let _ = tokio::time::timeout(PATIENCE, read).await;
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::StreamExt;
    use http_body::Frame;
    use http_body_util::StreamBody;
    use tokio::time::Instant;

    use super::*;

    /// Parts of 16 KiB, each 10 ms after the one before, and how many were taken.
    async fn taken(parts: usize, expects: bool) -> usize {
        let mut taken = 0;
        let part = |_| {
            taken += 1;
            async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(&[0; 16 * 1024])))
            }
        };
        read_rest(StreamBody::new(futures_util::stream::iter(0..parts).then(part)), expects).await;
        taken
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_body_is_read_to_its_end_and_a_large_one_is_not() {
        assert_eq!(taken(3, false).await, 3);
        assert_eq!(taken(1000, false).await, 5);
        assert_eq!(taken(3, true).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_comes_delays_its_refusal_by_no_more_than_the_patience() {
        let began = Instant::now();
        let never = futures_util::stream::pending::<Result<Frame<Bytes>, std::io::Error>>();
        read_rest(StreamBody::new(never), false).await;
        assert_eq!(began.elapsed(), PATIENCE);
    }
}
