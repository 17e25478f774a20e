use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::*;

fn trusts(made: &DevCertificates, name: &str) -> bool {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&made.ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let leaf = CertificateDer::from_pem_file(&made.chain).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    verifier.verify_server_cert(&leaf, &[], &name, &[], UnixTime::now()).is_ok()
}

#[test]
fn a_client_that_trusts_the_ca_trusts_localhost_and_the_extra_names() {
    let dir = tempfile::tempdir().unwrap();
    let made = ensure(dir.path(), &["bot.test".to_owned(), "192.0.2.1".to_owned()]).unwrap();
    assert!(made.created);
    for name in ["localhost", "127.0.0.1", "::1", "bot.test", "192.0.2.1"] {
        assert!(trusts(&made, name), "{name}");
    }
    assert!(!trusts(&made, "contoso.com"));
    for key in [dir.path().join("ca.key"), made.key] {
        assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_second_start_changes_nothing_and_new_names_change_only_the_leaf() {
    let dir = tempfile::tempdir().unwrap();
    let first = ensure(dir.path(), &[]).unwrap();
    let (ca, chain) = (fs::read(&first.ca).unwrap(), fs::read(&first.chain).unwrap());
    let second = ensure(dir.path(), &[]).unwrap();
    assert!(!second.created);
    assert_eq!((fs::read(&first.ca).unwrap(), fs::read(&first.chain).unwrap()), (ca.clone(), chain.clone()));
    let third = ensure(dir.path(), &["bot.test".to_owned()]).unwrap();
    assert_eq!(fs::read(&third.ca).unwrap(), ca);
    assert!(fs::read(&third.chain).unwrap() != chain && trusts(&third, "bot.test"));
}

#[test]
fn a_leaf_that_does_not_fit_its_key_or_its_ca_is_issued_anew() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made = ensure(dir.path(), &[]).unwrap();
    let foreign = ensure(other.path(), &[]).unwrap();
    fs::copy(&foreign.key, &made.key).unwrap();
    let before = fs::read(&made.chain).unwrap();
    ensure(dir.path(), &[]).unwrap();
    assert_ne!(fs::read(&made.chain).unwrap(), before);
    fs::copy(&foreign.key, &made.key).unwrap();
    fs::copy(&foreign.chain, &made.chain).unwrap();
    assert!(!trusts(&made, "localhost"));
    assert!(trusts(&ensure(dir.path(), &[]).unwrap(), "localhost"));
}

#[test]
fn a_broken_or_foreign_ca_is_left_alone_and_the_error_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    fs::write(&ca, "nonsense").unwrap();
    let error = ensure(dir.path(), &[]).unwrap_err().to_string();
    assert!(error.contains("delete") && error.contains("ca.key"), "{error}");
    let foreign = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap().cert.pem();
    fs::write(&ca, &foreign).unwrap();
    assert!(matches!(ensure(dir.path(), &[]), Err(DevCaError::Foreign(_))));
    assert_eq!(fs::read_to_string(&ca).unwrap(), foreign);
}

#[test]
fn starts_at_the_same_time_agree() {
    let dir = tempfile::tempdir().unwrap();
    let made: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| ensure(dir.path(), &[]).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(made.iter().filter(|made| made.created).count(), 1);
    assert!(trusts(&made[0], "localhost"));
}
