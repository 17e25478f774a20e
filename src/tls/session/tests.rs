//! Against the library's client, in memory: every suite of both versions, whole and byte by byte.

use std::io::{IoSlice, Read, Write};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, Error, RootCertStore, ServerConfig, SupportedCipherSuite,
};

use super::{Fault, Handshake, MAX_PLAINTEXT, Meaning, Session};
use crate::tls::fixture::certificate_files;
use crate::tls::{CertificateSet, CertificateStore, Realm, Tickets, provider};

fn configs(suite: SupportedCipherSuite) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let folder = tempfile::tempdir().unwrap();
    let files = certificate_files(folder.path(), &["bot.test"]);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&files.chain).unwrap()).unwrap();
    let set = CertificateSet::load(&[files]).unwrap();
    let realm = Realm::new(CertificateStore::new(Arc::new(set)), None, &Tickets::new().unwrap(), &[b"h2"]).unwrap();
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
    let mut handshake = Handshake::new(server.clone()).unwrap();
    let (mut came, mut out) = (Vec::new(), Vec::new());
    // Written before the handshake is done, it is sent in the same breath as its end.
    client.writer().write_all(behind).unwrap();
    loop {
        let mut done = false;
        let bytes = sent(&mut client);
        for part in bytes.chunks(piece) {
            came.extend_from_slice(part);
            done = done || handshake.advance(&mut came, &mut out).unwrap();
        }
        heard(&mut client, &out).unwrap();
        out.clear();
        if done {
            assert_eq!(handshake.server_name(), Some("bot.test"));
            assert_eq!(handshake.agreed().alpn_protocol(), Some(&b"h2"[..]));
            assert!(!client.is_handshaking());
            // In a full handshake of TLS 1.2 the server has the last word, and data come after it.
            came.extend(sent(&mut client));
            return (client, handshake.finish().unwrap(), came);
        }
    }
}

/// Opens all of `bytes`, and what is to be answered.
fn open(session: &mut Session, mut bytes: Vec<u8>) -> Result<(Vec<u8>, Vec<u8>, bool), Fault> {
    let (mut plain, mut reply, mut goodbye, mut begin) = (Vec::new(), Vec::new(), false, 0);
    while let Some(opened) = session.open(&mut bytes[begin..], &mut reply)? {
        match opened.meaning {
            Meaning::Data(place) => plain.extend_from_slice(&bytes[begin + place.start..begin + place.end]),
            Meaning::Nothing => {}
            Meaning::Goodbye => goodbye = true,
        }
        begin += opened.length;
    }
    assert_eq!(begin, bytes.len(), "a record was left");
    Ok((plain, reply, goodbye))
}

fn seal(session: &mut Session, bytes: &[&[u8]]) -> Vec<u8> {
    let parts: Vec<IoSlice<'_>> = bytes.iter().map(|part| IoSlice::new(part)).collect();
    let mut out = vec![0; 1 << 20];
    let (taken, length) = session.seal(&parts, &mut out).unwrap();
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
        let configs = configs(suite);
        let (mut client, mut session, came) = pair(&configs, usize::MAX, b"right behind");
        assert_eq!(open(&mut session, came).unwrap().0, b"right behind", "{suite:?}");
        for length in [0, 1, 1000, MAX_PLAINTEXT, MAX_PLAINTEXT + 1, 60_000] {
            client.writer().write_all(&text(length)).unwrap();
            assert_eq!(open(&mut session, sent(&mut client)).unwrap().0, text(length), "{suite:?}");
            let sealed = seal(&mut session, &[&text(length)]);
            assert_eq!(heard(&mut client, &sealed).unwrap(), text(length), "{suite:?}");
            let sealed = seal(&mut session, &[b"", &text(length), b"", &text(7), b"x"]);
            assert_eq!(heard(&mut client, &sealed).unwrap(), [text(length), text(7), b"x".to_vec()].concat());
        }
    }
}

#[test]
fn a_handshake_and_its_records_may_come_byte_by_byte() {
    for suite in suites() {
        let (mut client, mut session, came) = pair(&configs(suite), 1, b"");
        assert!(came.is_empty());
        client.writer().write_all(&text(500)).unwrap();
        let (mut held, mut reply) = (Vec::new(), Vec::new());
        let bytes = sent(&mut client);
        for (at, byte) in bytes.iter().enumerate() {
            assert_eq!(session.open(&mut held, &mut reply).unwrap(), None, "at {at} of {}", bytes.len());
            held.push(*byte);
        }
        assert_eq!(open(&mut session, held).unwrap().0, text(500));
    }
}

#[test]
fn a_session_is_resumed_and_goes_on_like_a_new_one() {
    for suite in suites() {
        let configs = configs(suite);
        for round in 0..3 {
            let (mut client, mut session, came) = pair(&configs, usize::MAX, b"hello");
            assert_eq!(open(&mut session, came).unwrap().0, b"hello");
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
            assert_eq!(open(&mut session, sent(&mut client)).unwrap().0, text(round));
            let sealed = seal(&mut session, &[&text(3 * round), b"!"]);
            assert_eq!(heard(&mut client, &sealed).unwrap().len(), 3 * round + 1);
        }
        let tired = (0..40).find_map(|_| {
            client.refresh_traffic_keys().unwrap();
            open(&mut session, sent(&mut client)).err()
        });
        assert_eq!(tired, Some(Fault::TooMany), "without data between them");
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
        let fault = open(&mut session, record).unwrap_err();
        assert_eq!(fault, Fault::BadRecord);
        let mut told = Vec::new();
        session.refuse(fault, &mut told);
        assert_eq!(heard(&mut client, &told), Err(Error::AlertReceived(AlertDescription::BadRecordMac)));
        let parts = [IoSlice::new(b"more")];
        assert_eq!(session.seal(&parts, &mut [0; 100]), Err(Fault::Unexpected), "nothing is sent after an alert");
    }
    // A record again, or two in another order.
    let (mut client, mut session, _) = pair(&configs(suites()[0]), usize::MAX, b"");
    client.writer().write_all(b"once").unwrap();
    let record = sent(&mut client);
    assert_eq!(open(&mut session, record.clone()).unwrap().0, b"once");
    assert_eq!(open(&mut session, record).unwrap_err(), Fault::BadRecord);
}

#[test]
fn each_side_says_goodbye_and_the_other_may_go_on() {
    for suite in suites() {
        let (mut client, mut session, _) = pair(&configs(suite), usize::MAX, b"");
        client.writer().write_all(b"the end").unwrap();
        client.send_close_notify();
        let (plain, reply, goodbye) = open(&mut session, sent(&mut client)).unwrap();
        assert_eq!((plain, reply, goodbye), (b"the end".to_vec(), Vec::new(), true));
        let sealed = seal(&mut session, &[b"one word more"]);
        assert_eq!(heard(&mut client, &sealed).unwrap(), b"one word more");
        let mut out = Vec::new();
        session.close(&mut out).unwrap();
        session.close(&mut out).unwrap();
        heard(&mut client, &out).unwrap();
        assert_eq!(client.reader().read(&mut [0; 1]).unwrap(), 0, "it heard goodbye, and not merely the end");
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
        let mut handshake = Handshake::new(server.clone()).unwrap();
        let (mut came, mut out) = (garbage.to_vec(), Vec::new());
        assert!(handshake.advance(&mut came, &mut out).is_err(), "{garbage:?}");
        assert!(!told || (out.first(), out.len()) == (Some(&21), 7), "{garbage:?} was answered with {out:?}");
    }
}

#[test]
fn a_room_that_is_too_small_takes_as_much_as_fits() {
    let (mut client, mut session, _) = pair(&configs(suites()[0]), usize::MAX, b"");
    let (bytes, mut out, mut sent, mut whole) = (text(100_000), vec![0; 20_000], 0, Vec::new());
    while sent < bytes.len() {
        let (taken, length) = session.seal(&[IoSlice::new(&bytes[sent..])], &mut out).unwrap();
        assert!(taken > 0 && length <= out.len());
        whole.extend(heard(&mut client, &out[..length]).unwrap());
        sent += taken;
    }
    assert_eq!(whole, bytes);
}
