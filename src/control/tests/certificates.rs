//! Certificates and what their responders say, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, IsCa, KeyPair};
use rustls::pki_types::UnixTime;
use tokio::time::sleep;

use super::world::{Rig, two};
use crate::control::Command;
use crate::model::Utc;
use crate::pki::ocsp::fixture::{Answer, access};
use crate::tls::{CertificateSet, fixture};

/// A certificate with its issuer in the chain, shown by nobody yet.
struct Shown {
    ca: CertifiedIssuer<'static, KeyPair>,
    leaf: Vec<u8>,
    set: Arc<CertificateSet>,
    _files: tempfile::TempDir,
}

fn shown(change: impl FnOnce(&mut CertificateParams)) -> Shown {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(vec!["bot.test".to_owned()]).unwrap();
    let responder = CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], access("http://ocsp.test/a"));
    params.custom_extensions.push(responder);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &ca).unwrap();
    let files = tempfile::tempdir().unwrap();
    let config = fixture::write(files.path(), &format!("{}{}", leaf.pem(), ca.pem()), &key);
    let set = Arc::new(CertificateSet::load(&[config]).unwrap());
    Shown { leaf: leaf.der().to_vec(), ca, set, _files: files }
}

impl Shown {
    fn answers(&self, rig: &Rig, change: impl FnOnce(&mut Answer)) {
        let mut answer = Answer::good(&self.leaf, self.ca.der(), Utc::now().millis() / 1000);
        change(&mut answer);
        rig.world.ocsp.lock().unwrap().1 = Ok(answer.sign(self.ca.key()));
    }

    fn stapled(&self) -> bool {
        self.set.first().stapled(UnixTime::now()).is_some()
    }
}

fn asked(rig: &Rig) -> u32 {
    rig.world.ocsp.lock().unwrap().0
}

async fn trouble(rig: &Rig) -> Vec<String> {
    rig.handle.ask(Command::Ready).await.unwrap().trouble
}

#[tokio::test(start_paused = true)]
async fn a_good_answer_is_stapled_and_asked_for_anew_before_it_ends() {
    let (rig, shown) = (Rig::start(two()).await, shown(|_| ()));
    shown.answers(&rig, |answer| answer.next_update = Some(Utc::now().millis() / 1000 + 10 * 86_400));
    rig.world.book.show("listener", &shown.set, true);
    sleep(Duration::from_secs(5)).await;
    assert!(shown.stapled() && asked(&rig) == 1);
    assert!(trouble(&rig).await.is_empty());
    assert!(rig.stats.certificates()[0].stapled_until.is_some());
    sleep(Duration::from_secs(20 * 3600)).await;
    assert_eq!(asked(&rig), 1);
    sleep(Duration::from_secs(6 * 3600)).await;
    assert_eq!((asked(&rig), rig.stats.ocsp()), (2, [0, 2]));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_good_is_not_stapled_and_what_was_is_not_shown_once_it_is_revoked() {
    let (rig, shown) = (Rig::start(two()).await, shown(|_| ()));
    rig.world.book.show("listener", &shown.set, true);
    sleep(Duration::from_secs(3)).await;
    assert!(trouble(&rig).await[0].contains("http://ocsp.test/a: connection refused"), "{:?}", trouble(&rig).await);
    shown.answers(&rig, |_| ());
    sleep(Duration::from_secs(60)).await;
    assert!(shown.stapled() && trouble(&rig).await.is_empty(), "it is asked again soon after a failure");
    shown.answers(&rig, |answer| answer.status = 1);
    sleep(Duration::from_secs(24 * 3600)).await;
    assert!(!shown.stapled());
    assert!(trouble(&rig).await[0].contains("the certificate is REVOKED"), "{:?}", trouble(&rig).await);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_where_the_config_does_not_say_so() {
    let (rig, shown) = (Rig::start(two()).await, shown(|_| ()));
    rig.world.book.show("listener", &shown.set, false);
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(asked(&rig), 0);
    assert!(trouble(&rig).await.is_empty());
    assert_eq!(rig.stats.certificates().len(), 1, "it is looked after all the same");
    rig.world.book.show("listener", &shown.set, true);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(asked(&rig), 1, "a reload changed that");
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_ends_soon_or_has_ended_is_told() {
    let soon = |days: i64| {
        move |params: &mut CertificateParams| {
            let seconds = Utc::now().millis() / 1000 + days * 86_400;
            let day = jiff::Timestamp::from_second(seconds).unwrap().to_zoned(jiff::tz::TimeZone::UTC);
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(day.year().into(), day.month() as u8, day.day() as u8);
        }
    };
    let rig = Rig::start(two()).await;
    for (days, words) in [(10, "ends at"), (-10, "expired at"), (30, "")] {
        let shown = shown(soon(days));
        rig.world.book.show("listener", &shown.set, false);
        sleep(Duration::from_secs(5)).await;
        let told = trouble(&rig).await;
        assert_eq!(told.first().is_some_and(|told| told.contains(words)), !words.is_empty(), "{days}: {told:?}");
    }
}
