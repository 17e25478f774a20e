//! Over pipes that dribble, against the library's client.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::{Wake, Waker};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, CommonState, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::spare::{READ, WRITE};
use super::*;
use crate::config::CipherOrder;
use crate::server::fixture::certificate_files;
use crate::tls::{CertificateSet, CertificateStore, Realm, Tickets};

/// A pipe that takes and gives a few bytes at a time.
struct Dribble(DuplexStream, usize);

impl AsyncRead for Dribble {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let most = self.1.min(buf.remaining());
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(most));
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut part))?;
        let length = part.filled().len();
        buf.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Dribble {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let most = self.1.min(bytes.len());
        Pin::new(&mut self.0).poll_write(cx, &bytes[..most])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Both ends of a connection over a pipe that holds so many bytes.
async fn pair(pipe: usize) -> (TlsStream<DuplexStream>, Encrypted<Dribble>) {
    dribbling(pipe, usize::MAX).await
}

/// The same, with a server that reads and writes so many bytes at a time. The pipe has room for the session tickets.
async fn dribbling(pipe: usize, most: usize) -> (TlsStream<DuplexStream>, Encrypted<Dribble>) {
    let (realm, client) = both();
    let (ours, theirs) = duplex(pipe);
    let connector = TlsConnector::from(client);
    let connecting = connector.connect(ServerName::try_from("bot.test").unwrap(), theirs);
    let accepting = accept(Dribble(ours, most), &realm, |_: &CommonState| Ok::<_, Infallible>(()));
    let (client, accepted) = tokio::join!(connecting, accepting);
    let (accepted, ()) = accepted.unwrap();
    assert!(accepted.http2 && accepted.server_name.as_deref() == Some("bot.test"));
    (client.unwrap(), accepted.stream)
}

/// What a server accepts with, and a client that trusts it.
fn both() -> (Arc<Realm>, Arc<ClientConfig>) {
    let folder = tempfile::tempdir().unwrap();
    let files = certificate_files(folder.path(), &["bot.test"]);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&files.chain).unwrap()).unwrap();
    let set = CertificateSet::load(&[files]).unwrap();
    let realm =
        Realm::new(CertificateStore::new(Arc::new(set)), None, CipherOrder::Fast, &Tickets::new().unwrap(), &[b"h2"])
            .unwrap();
    let client = ClientConfig::builder_with_provider(crate::tls::provider()).with_safe_default_protocol_versions();
    let mut client = client.unwrap().with_root_certificates(roots).with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec()];
    (realm, Arc::new(client))
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

fn holds<S>(stream: &Encrypted<S>) -> usize {
    stream.incoming.room() + stream.outgoing.room()
}

#[tokio::test]
async fn all_that_is_sent_arrives_whatever_the_pipe_holds() {
    for (pipe, most, length) in
        [(2_000, 1, 3_000), (2_000, 7, 20_000), (2_000, 3_000, 100_000), (1 << 20, 1 << 20, 3_000_000)]
    {
        let (client, server) = dribbling(pipe, most).await;
        let (mut from_client, mut to_server) = tokio::io::split(client);
        let (mut from_server, mut to_client) = tokio::io::split(server);
        let sent = text(length);
        let sending = async {
            to_server.write_all(&sent).await.unwrap();
            to_server.shutdown().await.unwrap();
        };
        let echoing = async {
            tokio::io::copy(&mut from_server, &mut to_client).await.unwrap();
            to_client.shutdown().await.unwrap();
        };
        let reading = async {
            let mut back = Vec::new();
            from_client.read_to_end(&mut back).await.unwrap();
            assert_eq!(back, text(length), "through a pipe of {pipe}, {most} at a time");
        };
        tokio::join!(sending, echoing, reading);
    }
}

#[tokio::test]
async fn a_reader_of_single_bytes_gets_them_all() {
    let (mut client, mut server) = pair(1 << 20).await;
    client.write_all(&text(40_000)).await.unwrap();
    client.flush().await.unwrap();
    for expected in text(40_000) {
        assert_eq!(server.read_u8().await.unwrap(), expected);
    }
    assert_eq!(holds(&server), 0);
}

#[tokio::test]
async fn an_idle_connection_holds_no_buffer_and_one_that_waits_for_a_record_only_that() {
    let (mut client, mut server) = pair(1 << 20).await;
    let mut buffer = vec![0; 70_000];
    for length in [1, 1000, 60_000] {
        client.write_all(&text(length)).await.unwrap();
        client.flush().await.unwrap();
        server.read_exact(&mut buffer[..length]).await.unwrap();
        server.write_all(&buffer[..length]).await.unwrap();
        client.read_exact(&mut buffer[..length]).await.unwrap();
        assert!(futures_util::poll!(std::pin::pin!(server.read_u8())).is_pending());
        assert_eq!(holds(&server), 0);
    }
    // The beginning of a record.
    client.get_mut().0.write_all(&[23, 3, 3, 1, 0, 7, 7]).await.unwrap();
    assert!(futures_util::poll!(std::pin::pin!(server.read_u8())).is_pending());
    assert!((7..100).contains(&holds(&server)), "{}", holds(&server));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_sent_no_more_than_fits() {
    let (mut client, mut server) = pair(2000).await;
    let sent = text(1 << 20);
    let mut taken = 0;
    while let std::task::Poll::Ready(length) = futures_util::poll!(std::pin::pin!(server.write(&sent[taken..]))) {
        taken += length.unwrap();
    }
    assert!(taken <= WRITE, "{taken}");
    assert!(holds(&server) <= WRITE);
    let (mut back, rest) = (Vec::new(), async {
        server.write_all(&sent[taken..]).await.unwrap();
        server.shutdown().await.unwrap();
    });
    tokio::join!(rest, async { client.read_to_end(&mut back).await.unwrap() });
    assert_eq!(back, sent);
    assert_eq!(holds(&server), 0);
}

#[tokio::test]
async fn an_end_without_goodbye_is_an_error_once_and_one_with_it_is_an_end() {
    let (mut client, mut server) = pair(1 << 16).await;
    client.write_all(b"all").await.unwrap();
    client.shutdown().await.unwrap();
    let mut came = Vec::new();
    server.read_to_end(&mut came).await.unwrap();
    assert_eq!(came, b"all");
    // The other direction goes on.
    server.write_all(b"still here").await.unwrap();
    server.shutdown().await.unwrap();
    let mut back = Vec::new();
    client.read_to_end(&mut back).await.unwrap();
    assert_eq!(back, b"still here");

    let (mut client, mut server) = pair(1 << 16).await;
    client.write_all(b"some").await.unwrap();
    client.flush().await.unwrap();
    drop(client.into_inner().0);
    let (mut came, mut buffer) = (Vec::new(), [0; 100]);
    let error = loop {
        match server.read(&mut buffer).await {
            Ok(length) => came.extend_from_slice(&buffer[..length]),
            Err(error) => break error,
        }
    };
    assert_eq!((came, error.kind()), (b"some".to_vec(), io::ErrorKind::UnexpectedEof));
    assert_eq!(server.read(&mut buffer).await.unwrap(), 0);
}

#[tokio::test]
async fn within_a_record_that_never_ends_the_other_direction_goes_on() {
    let (mut client, mut server) = pair(1 << 16).await;
    client.get_mut().0.write_all(&[23, 3, 3, 1, 0, 7, 7]).await.unwrap();
    client.get_mut().0.shutdown().await.unwrap();
    assert_eq!(server.read(&mut [0; 9]).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 0);
    server.write_all(b"still here").await.unwrap();
    server.shutdown().await.unwrap();
    let mut back = Vec::new();
    client.read_to_end(&mut back).await.unwrap();
    assert_eq!(back, b"still here");
    assert!(server.write(b"more").await.is_err());
    assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 0);
}

#[tokio::test]
async fn what_came_whole_is_read_before_the_error_of_what_follows_it() {
    let (mut client, mut server) = pair(1 << 16).await;
    client.write_all(b"good").await.unwrap();
    client.flush().await.unwrap();
    client.get_mut().0.write_all(&[23, 3, 3, 0, 30]).await.unwrap();
    client.get_mut().0.write_all(&[9; 30]).await.unwrap();
    let mut buffer = [0; 100];
    assert_eq!(server.read(&mut buffer).await.unwrap(), 4);
    assert_eq!(server.read(&mut buffer).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(server.read(&mut buffer).await.unwrap(), 0);
    let told = client.read(&mut buffer).await.unwrap_err();
    assert!(told.to_string().contains("BadRecordMac"), "{told}");
    assert!(server.write(b"more").await.is_err());
}

/// Wakes nobody, and says whether it was to.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

#[tokio::test]
async fn who_waits_to_write_is_woken_though_another_task_reads_something_to_be_answered() {
    let (mut client, mut server) = pair(2000).await;
    let (writer, reader) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
    let (writing, reading) = (Waker::from(writer.clone()), Waker::from(reader));
    let (mut writing, mut reading) = (Context::from_waker(&writing), Context::from_waker(&reading));
    assert!(Pin::new(&mut server).poll_write(&mut writing, &text(5000)).is_ready());
    assert!(Pin::new(&mut server).poll_flush(&mut writing).is_pending());
    client.get_mut().0.write_all(&[23, 3, 3, 0, 30]).await.unwrap();
    client.get_mut().0.write_all(&[9; 30]).await.unwrap();
    // A record of data, and one of an alert.
    let (mut buffer, mut back) = ([0; 10], vec![0; 5000 + 22 + 2 + 22]);
    assert!(Pin::new(&mut server).poll_read(&mut reading, &mut ReadBuf::new(&mut buffer)).is_ready());
    let (read, flushed) = tokio::join!(client.get_mut().0.read_exact(&mut back), async {
        while !writer.0.swap(false, Relaxed) {
            tokio::task::yield_now().await;
        }
        server.flush().await
    });
    assert!(read.is_ok() && flushed.is_ok());
}

/// A pipe that counts what is written to it at once.
struct Counted(DuplexStream, Arc<AtomicUsize>);

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Relaxed);
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Relaxed);
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// What the library's client has to say, to the pipe at once.
async fn speak(client: &mut ClientConnection, pipe: &mut DuplexStream) {
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).unwrap();
    }
    pipe.write_all(&bytes).await.unwrap();
}

/// Has it hear what comes at once.
async fn hear(client: &mut ClientConnection, pipe: &mut DuplexStream) {
    let mut bytes = Vec::with_capacity(1 << 16);
    pipe.read_buf(&mut bytes).await.unwrap();
    let mut bytes = &bytes[..];
    while !bytes.is_empty() {
        client.read_tls(&mut bytes).unwrap();
        client.process_new_packets().unwrap();
    }
}

#[tokio::test]
async fn the_ticket_goes_out_with_the_response_and_so_does_the_goodbye() {
    for early in [true, false] {
        let (realm, client) = both();
        let (ours, mut theirs) = duplex(1 << 16);
        let writes = Arc::new(AtomicUsize::new(0));
        let mut client = ClientConnection::new(client, ServerName::try_from("bot.test").unwrap()).unwrap();
        let speaking = async {
            speak(&mut client, &mut theirs).await;
            hear(&mut client, &mut theirs).await;
            if early {
                client.writer().write_all(b"request").unwrap();
            }
            speak(&mut client, &mut theirs).await;
        };
        let accepting = accept(Counted(ours, writes.clone()), &realm, |_: &CommonState| Ok::<_, Infallible>(()));
        let (accepted, ()) = tokio::join!(accepting, speaking);
        let mut server = accepted.unwrap().0.stream;
        // Who says no more for now has its ticket for another connection at once.
        assert_eq!(writes.load(Relaxed), if early { 1 } else { 2 });
        if !early {
            client.writer().write_all(b"request").unwrap();
            speak(&mut client, &mut theirs).await;
        }
        let before = writes.load(Relaxed);
        server.read_exact(&mut [0; 7]).await.unwrap();
        server.cork();
        server.write_all(b"response").await.unwrap();
        assert_eq!(writes.load(Relaxed), before, "it waits for the goodbye");
        poll_fn(|cx| server.poll_goodbye(cx)).await.unwrap();
        assert_eq!(writes.load(Relaxed), before + 1, "all in one");
        assert_eq!(holds(&server), 0);
        hear(&mut client, &mut theirs).await;
        let mut back = Vec::new();
        client.reader().read_to_end(&mut back).unwrap();
        assert_eq!((back, client.tls13_tickets_received()), (b"response".to_vec(), 1));
    }
}

#[test]
fn a_buffer_is_lent_to_one_at_a_time_and_comes_back() {
    let (one, two) = (spare::for_reading(), spare::for_reading());
    assert_eq!((one.len(), two.len()), (READ, READ));
    let place = one.as_ptr();
    drop(two);
    spare::give_back(one);
    spare::give_back(vec![0; 10]);
    let again = spare::for_reading();
    assert_eq!(again.as_ptr(), place);
}
