//! Against the library's client, in memory: every suite of both versions, whole and byte by byte.

use std::io::{IoSlice, Read, Write};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, Error, RootCertStore, ServerConfig, SupportedCipherSuite,
};

use super::{Fault, MAX_PLAINTEXT, Progress, Session};
use crate::config::CipherOrder;
use crate::tls::fixture::certificate_files;
use crate::tls::{CertificateSet, CertificateStore, Realm, Tickets, provider};

fn configs(suite: SupportedCipherSuite) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let folder = tempfile::tempdir().unwrap();
    let files = certificate_files(folder.path(), &["bot.test"]);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&files.chain).unwrap()).unwrap();
    let set = CertificateSet::load(&[files]).unwrap();
    let realm =
        Realm::new(CertificateStore::new(Arc::new(set)), None, CipherOrder::Fast, &Tickets::new().unwrap(), &[b"h2"])
            .unwrap();
    let provider = CryptoProvider { cipher_suites: vec![suite], ..aws_lc_rs::default_provider() };
    let client = ClientConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(&[suite.version()]);
    let mut client = client.unwrap().with_root_certificates(roots).with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec()];
    (realm.config(), Arc::new(client))
}

/// All suites that a certificate with this kind of key can be used with.
fn suites() -> Vec<SupportedCipherSuite> {
    let all = provider().cipher_suites.clone();
    all.into_iter().filter(|suite| !format!("{:?}", suite.suite()).contains("_RSA_")).collect()
}

fn sent(client: &mut ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).unwrap();
    }
    bytes
}

fn heard(client: &mut ClientConnection, mut bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut plain = Vec::new();
    while !bytes.is_empty() {
        client.read_tls(&mut bytes).unwrap();
        client.process_new_packets()?;
        let mut part = vec![0; 1 << 20];
        while let Ok(length @ 1..) = client.reader().read(&mut part) {
            plain.extend_from_slice(&part[..length]);
        }
    }
    Ok(plain)
}

/// Both sides after a handshake whose bytes come in pieces of this size, and what the client sent right behind it.
fn pair(
    (server, client): &(Arc<ServerConfig>, Arc<ClientConfig>),
    piece: usize,
    behind: &[u8],
) -> (ClientConnection, Session, Vec<u8>) {
    let name = ServerName::try_from("bot.test").unwrap();
    let mut client = ClientConnection::new(client.clone(), name).unwrap();
    let mut session = Session::new(server.clone()).unwrap();
    let (mut came, mut out, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    // Written before the handshake is done, it is sent in the same breath as its end.
    client.writer().write_all(behind).unwrap();
    while session.is_handshaking() || client.is_handshaking() || client.wants_write() {
        let bytes = sent(&mut client);
        for part in bytes.chunks(piece) {
            came.extend_from_slice(part);
            plain.extend(open(&mut session, &mut came, &mut out).unwrap().0);
        }
        heard(&mut client, &out).unwrap();
        out.clear();
    }
    assert_eq!(session.take_server_name().as_deref(), Some("bot.test"));
    assert_eq!(session.agreed().alpn_protocol(), Some(&b"h2"[..]));
    assert!(came.is_empty());
    (client, session, plain)
}

/// Opens what there is whole of `came`: the data, and whether they are the last.
fn open(session: &mut Session, came: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(Vec<u8>, bool), Fault> {
    let mut plain = Vec::new();
    loop {
        let before = plain.len();
        let (taken, progress) = session.advance(came, &mut |data| plain.extend_from_slice(data), out)?;
        assert!(plain.len() - before <= MAX_PLAINTEXT);
        came.drain(..taken);
        if progress != Progress::Data {
            assert_eq!(plain.len(), before);
            return Ok((plain, progress == Progress::Goodbye));
        }
    }
}

/// Opens all of `bytes`, which are whole records.
fn open_all(session: &mut Session, mut bytes: Vec<u8>) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    let (plain, _) = open(session, &mut bytes, &mut out)?;
    assert!(bytes.is_empty() && out.is_empty());
    Ok(plain)
}

fn seal(session: &mut Session, bytes: &[&[u8]]) -> Vec<u8> {
    let parts: Vec<IoSlice<'_>> = bytes.iter().map(|part| IoSlice::new(part)).collect();
    let mut out = vec![0; 1 << 20];
    let (taken, length) = session.seal(&mut [], &parts, &mut out, 0).unwrap();
    assert_eq!(taken, bytes.iter().map(|part| part.len()).sum::<usize>());
    out.truncate(length);
    out
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

#[test]
fn data_go_both_ways_with_every_suite_of_both_versions() {
    for suite in suites() {
        let (mut client, mut session, came) = pair(&configs(suite), usize::MAX, b"right behind");
        assert_eq!(came, b"right behind", "{suite:?}");
        for length in [0, 1, 1000, MAX_PLAINTEXT, MAX_PLAINTEXT + 1, 60_000] {
            client.writer().write_all(&text(length)).unwrap();
            assert_eq!(open_all(&mut session, sent(&mut client)).unwrap(), text(length), "{suite:?}");
            let sealed = seal(&mut session, &[&text(length)]);
            assert_eq!(heard(&mut client, &sealed).unwrap(), text(length), "{suite:?}");
            let sealed = seal(&mut session, &[b"", &text(length), b"", &text(7), b"x"]);
            assert_eq!(heard(&mut client, &sealed).unwrap(), [text(length), text(7), b"x".to_vec()].concat());
        }
    }
}

#[test]
fn short_parts_are_one_record() {
    let (_, mut session, _) = pair(&configs(suites()[0]), usize::MAX, b"");
    let sealed = seal(&mut session, &[&text(300), b"", &text(1000), b"x"]);
    assert_eq!(usize::from(u16::from_be_bytes([sealed[3], sealed[4]])), sealed.len() - 5);
}

#[test]
fn a_handshake_and_its_records_may_come_byte_by_byte() {
    for suite in suites() {
        let (mut client, mut session, plain) = pair(&configs(suite), 1, b"");
        assert!(plain.is_empty());
        client.writer().write_all(&text(500)).unwrap();
        let (mut held, mut out) = (Vec::new(), Vec::new());
        let bytes = sent(&mut client);
        for (at, byte) in bytes.iter().enumerate() {
            held.push(*byte);
            let whole = at + 1 == bytes.len();
            let expected = if whole { text(500) } else { Vec::new() };
            assert_eq!(open(&mut session, &mut held, &mut out).unwrap(), (expected, false), "at {at}");
            // Answers go out meanwhile.
            let (taken, length) = session.seal(&mut held, &[IoSlice::new(b"so")], &mut vec![0; 100], 0).unwrap();
            assert!(taken == 2 && length < 50);
        }
        assert!(held.is_empty() && out.is_empty());
    }
}

#[test]
fn a_session_is_resumed_and_goes_on_like_a_new_one() {
    for suite in suites() {
        let configs = configs(suite);
        for round in 0..3 {
            let (mut client, mut session, came) = pair(&configs, usize::MAX, b"hello");
            assert_eq!(came, b"hello");
            let resumed = client.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
            assert_eq!(resumed, round > 0, "{suite:?}");
            let sealed = seal(&mut session, &[b"well met"]);
            assert_eq!(heard(&mut client, &sealed).unwrap(), b"well met");
        }
    }
}

#[test]
fn new_keys_are_taken_and_given_as_often_as_they_are_asked_for() {
    for suite in suites().into_iter().filter(|suite| suite.tls13().is_some()) {
        let (mut client, mut session, _) = pair(&configs(suite), usize::MAX, b"");
        for round in 0..100 {
            client.refresh_traffic_keys().unwrap();
            client.writer().write_all(&text(round)).unwrap();
            assert_eq!(open_all(&mut session, sent(&mut client)).unwrap(), text(round));
            let sealed = seal(&mut session, &[&text(3 * round), b"!"]);
            assert_eq!(heard(&mut client, &sealed).unwrap().len(), 3 * round + 1);
        }
        let tired = (0..100).any(|_| {
            client.refresh_traffic_keys().unwrap();
            open_all(&mut session, sent(&mut client)).is_err()
        });
        assert!(tired, "without data between them");
    }
}

#[test]
fn a_change_of_any_byte_is_seen_and_the_peer_is_told() {
    for suite in suites() {
        let (mut client, mut session, _) = pair(&configs(suite), usize::MAX, b"");
        client.writer().write_all(b"pay 10").unwrap();
        let mut record = sent(&mut client);
        let last = record.len() - 1;
        record[last] ^= 1;
        let mut told = Vec::new();
        assert_eq!(open(&mut session, &mut record, &mut told), Err(Fault::Library(Error::DecryptError)));
        assert_eq!(heard(&mut client, &told), Err(Error::AlertReceived(AlertDescription::BadRecordMac)));
        assert_eq!(open(&mut session, &mut record, &mut told), Err(Fault::Ended), "it is shown nothing more");
        let parts = [IoSlice::new(b"more")];
        assert_eq!(
            session.seal(&mut [], &parts, &mut vec![0; 100], 0),
            Err(Fault::Ended),
            "nothing is sent after an alert"
        );
    }
    // A record again, or two in another order.
    let (mut client, mut session, _) = pair(&configs(suites()[0]), usize::MAX, b"");
    client.writer().write_all(b"once").unwrap();
    let record = sent(&mut client);
    assert_eq!(open_all(&mut session, record.clone()).unwrap(), b"once");
    assert_eq!(open_all(&mut session, record), Err(Fault::Library(Error::DecryptError)));
}

#[test]
fn each_side_says_goodbye_and_the_other_may_go_on() {
    for suite in suites() {
        let (mut client, mut session, _) = pair(&configs(suite), usize::MAX, b"");
        client.writer().write_all(b"the end").unwrap();
        client.send_close_notify();
        let (mut came, mut out) = (sent(&mut client), Vec::new());
        assert_eq!(open(&mut session, &mut came, &mut out).unwrap(), (b"the end".to_vec(), true));
        assert!(came.is_empty() && out.is_empty());
        let sealed = seal(&mut session, &[b"one word more"]);
        assert_eq!(heard(&mut client, &sealed).unwrap(), b"one word more");
        session.close(&mut [], &mut out).unwrap();
        let length = out.len();
        session.close(&mut [], &mut out).unwrap();
        assert_eq!(out.len(), length, "once");
        heard(&mut client, &out).unwrap();
        assert_eq!(client.reader().read(&mut [0; 1]).unwrap(), 0, "it heard goodbye, and not merely the end");

        // The server's side first.
        let (mut client, mut session, _) = pair(&configs(suite), usize::MAX, b"");
        out.clear();
        session.close(&mut [], &mut out).unwrap();
        let parts = [IoSlice::new(b"more")];
        assert_eq!(session.seal(&mut [], &parts, &mut vec![0; 100], 0), Err(Fault::Ended));
        heard(&mut client, &out).unwrap();
        client.writer().write_all(b"and I").unwrap();
        assert_eq!(open_all(&mut session, sent(&mut client)).unwrap(), b"and I");
    }
}

#[test]
fn what_is_no_handshake_ends_at_once_with_an_alert_where_the_library_has_one() {
    let (server, _) = configs(suites()[0]);
    let cases: [(&[u8], bool); 4] = [
        (b"GET / HTTP/1.1\r\n\r\n", true),
        (&[22, 3, 1, 0, 4, 9, 9, 9, 9], false),
        (&[22, 3, 1, 0, 4, 9, 0, 0, 0], true),
        (&[22, 3, 1, 0, 0], true),
    ];
    for (garbage, told) in cases {
        let mut session = Session::new(server.clone()).unwrap();
        let (mut came, mut out) = (garbage.to_vec(), Vec::new());
        assert!(open(&mut session, &mut came, &mut out).is_err(), "{garbage:?}");
        assert!(!told || (out.first(), out.len()) == (Some(&21), 7), "{garbage:?} was answered with {out:?}");
        came.extend_from_slice(garbage);
        assert_eq!(open(&mut session, &mut came, &mut out), Err(Fault::Ended));
    }
}

#[test]
fn a_handshake_that_was_changed_anywhere_never_panics() {
    let (server, client) = configs(suites()[0]);
    let name = ServerName::try_from("bot.test").unwrap();
    let hello = sent(&mut ClientConnection::new(client, name).unwrap());
    for at in 0..hello.len() {
        for (bit, piece) in [(1, usize::MAX), (0x80, 100)] {
            let mut session = Session::new(server.clone()).unwrap();
            let (mut came, mut out) = (Vec::new(), Vec::new());
            let mut changed = hello.clone();
            changed[at] ^= bit;
            for part in changed.chunks(piece) {
                came.extend_from_slice(part);
                // Not every change is wrong.
                let _ = open(&mut session, &mut came, &mut out);
            }
        }
    }
}

#[test]
fn a_message_may_come_in_several_records() {
    let (server, client) = configs(suites()[0]);
    let mut client = ClientConnection::new(client, ServerName::try_from("bot.test").unwrap()).unwrap();
    let hello = sent(&mut client);
    let mut session = Session::new(server).unwrap();
    let (mut came, mut out) = (Vec::new(), Vec::new());
    for part in hello[5..].chunks(50) {
        assert!(out.is_empty());
        came.extend_from_slice(&[22, 3, 1, 0, u8::try_from(part.len()).unwrap()]);
        came.extend_from_slice(part);
        open(&mut session, &mut came, &mut out).unwrap();
    }
    assert!(came.is_empty());
    heard(&mut client, &out).unwrap();
    came = sent(&mut client);
    out.clear();
    open(&mut session, &mut came, &mut out).unwrap();
    assert!(!session.is_handshaking() && !client.is_handshaking());
}

#[test]
fn a_message_in_ever_so_many_pieces_is_not_kept() {
    let mut session = Session::new(configs(suites()[0]).0).unwrap();
    let (mut came, mut out) = (vec![22, 3, 1, 0, 4, 1, 0, 0xff, 0xf0], Vec::new());
    let fault = loop {
        came.extend_from_slice(&[22, 3, 1, 0, 1, 0].repeat(100));
        assert!(came.len() < 100_000);
        if let Err(fault) = open(&mut session, &mut came, &mut out) {
            break fault;
        }
    };
    assert_eq!(fault, Fault::TooLong);
}

#[test]
fn a_room_that_is_too_small_takes_as_much_as_fits() {
    let (mut client, mut session, _) = pair(&configs(suites()[0]), usize::MAX, b"");
    let (bytes, mut out, mut sent, mut whole) = (text(100_000), vec![0; 20_000], 0, Vec::new());
    while sent < bytes.len() {
        let (taken, length) = session.seal(&mut [], &[IoSlice::new(&bytes[sent..])], &mut out, 0).unwrap();
        assert!(taken > 0 && length <= out.len());
        whole.extend(heard(&mut client, &out[..length]).unwrap());
        sent += taken;
    }
    assert_eq!(whole, bytes);
}

#[test]
fn a_room_for_four_records_takes_four_full_ones_and_no_crumb() {
    let (mut client, mut session, _) = pair(&configs(suites()[0]), usize::MAX, b"");
    let (bytes, mut out) = (text(100_000), vec![0; 4 * (MAX_PLAINTEXT + 64)]);
    let (taken, length) = session.seal(&mut [], &[IoSlice::new(&bytes)], &mut out, 0).unwrap();
    assert_eq!(taken, 4 * MAX_PLAINTEXT);
    assert_eq!(heard(&mut client, &out[..length]).unwrap(), bytes[..taken]);
    // Behind what is there already, three full ones and as much as there is room for, or the end.
    for left in [100_000, 60_000] {
        let (taken, length) = session.seal(&mut [], &[IoSlice::new(&bytes[..left])], &mut out, 500).unwrap();
        assert!(taken == left || (3 * MAX_PLAINTEXT..4 * MAX_PLAINTEXT).contains(&taken), "{taken}");
        assert_eq!(heard(&mut client, &out[500..length]).unwrap(), bytes[..taken]);
    }
}
