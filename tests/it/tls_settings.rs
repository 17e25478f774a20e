//! What TLS clients are offered: versions, suites, groups, and what they are told by headers and operators by metrics.

use std::process::{Command, Stdio};

use rustls::{CipherSuite, NamedGroup};

use crate::support::backend::Backend;
use crate::support::client::{Protocol, tls};
use crate::support::process::run;
use crate::support::site::{HOST, PROBE, Site};
use crate::support::wait::together;
use crate::support::{Gateway, Outcome};

/// Whether `openssl s_client` with these arguments gets through a handshake, and what it says; none where there is no openssl.
async fn s_client(gateway: &Gateway, arguments: &[&str]) -> Option<(bool, String)> {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &gateway.address().to_string(), "-servername", HOST]).args(arguments);
    let command = command.stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let output = tokio::task::spawn_blocking(move || command.ok()?.wait_with_output().ok()).await.unwrap()?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Some((output.status.success(), text))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_versions_and_weak_suites_are_refused_and_good_ones_are_not() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let gateway = Gateway::start(&site, &site.config(PROBE, &[&backend])).await;
    let cases: [(&[&str], bool); 9] = [
        (&["-tls1_3"], true),
        (&["-tls1_2"], true),
        (&["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], false),
        (&["-tls1", "-cipher", "DEFAULT@SECLEVEL=0"], false),
        (&["-tls1_2", "-cipher", "AES128-SHA"], false),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"], false),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"], false),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], true),
        (&["-tls1_3", "-groups", "X25519"], true),
    ];
    for (arguments, good) in cases {
        let Some((connected, said)) = s_client(&gateway, arguments).await else {
            println!("there is no openssl here: nothing was tried");
            return Ok(());
        };
        assert_eq!(connected, good, "{arguments:?}\n{said}");
        if good {
            assert!(said.contains("Compression: NONE") || said.contains("No compression"), "{arguments:?}\n{said}");
        }
    }
    let wishes = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256";
    let (_, said) = s_client(&gateway, &["-tls1_2", "-cipher", wishes]).await.unwrap();
    assert!(said.contains("Cipher is ECDHE-ECDSA-AES128-GCM-SHA256"), "the order is not the client's: {said}");
    Ok(())
}

/// The suites of TLS 1.3.
const AES_128: CipherSuite = CipherSuite::TLS13_AES_128_GCM_SHA256;
const AES_256: CipherSuite = CipherSuite::TLS13_AES_256_GCM_SHA384;
const CHACHA20: CipherSuite = CipherSuite::TLS13_CHACHA20_POLY1305_SHA256;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_client_gets_the_first_of_its_suites_in_the_order_that_is_configured() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let config = |keys: &str| site.head(keys) + &site.pool(PROBE, &[&backend]);
    let gateway = Gateway::start(&site, &config("")).await;
    let taken = async |offers: &[CipherSuite]| -> Outcome<Option<CipherSuite>> {
        let stream = tls(gateway.address(), HOST, site.authority.client_offering(offers)).await?;
        Ok(stream.get_ref().1.negotiated_cipher_suite().map(|suite| suite.suite()))
    };
    // What clients offer, and what they get by "fast", "strong" and "client".
    let cases = [
        (&[AES_256, AES_128, CHACHA20][..], [AES_128, AES_256, AES_256]),
        (&[AES_128, AES_256, CHACHA20], [AES_128, AES_256, AES_128]),
        (&[CHACHA20, AES_256, AES_128], [CHACHA20, CHACHA20, CHACHA20]),
        (&[AES_256, CHACHA20], [AES_256, AES_256, AES_256]),
        (&[AES_128, CHACHA20], [AES_128, CHACHA20, AES_128]),
        (&[AES_256], [AES_256; 3]),
        (&[AES_128], [AES_128; 3]),
        (&[CHACHA20], [CHACHA20; 3]),
    ];
    for (at, order) in ["fast", "strong", "client"].into_iter().enumerate() {
        site.write("botgate.toml", &config(&format!("cipher_order = \"{order}\"")));
        gateway.reload().await;
        for (offers, expected) in cases {
            assert_eq!(taken(offers).await?, Some(expected[at]), "{order}: {offers:?}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_post_quantum_hybrid_is_taken_before_any_other_group() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let gateway = Gateway::start(&site, &site.config(PROBE, &[&backend])).await;
    let stream = tls(gateway.address(), HOST, site.authority.client(&[b"h2"])).await?;
    let group = stream.get_ref().1.negotiated_key_exchange_group().map(|group| group.name());
    assert_eq!(group, Some(NamedGroup::X25519MLKEM768));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hsts_is_on_every_answer_of_a_listener_that_has_it() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let plain = "\n[[listener]]\nbind = \"127.0.0.1:0\"\ntls = false\n\n";
    let hsts = "hsts = { max_age = \"365d\", subdomains = true }";
    let config = site.head(hsts) + plain + &site.pool(PROBE, &[&backend]);
    let gateway = Gateway::start(&site, &config).await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = gateway.client(&site, protocol).await;
        let answer = client.get("/").await?;
        assert_eq!(
            (answer.status, answer.header("strict-transport-security")),
            (200, "max-age=31536000; includeSubDomains")
        );
    }
    let mut client = crate::support::Client::open_plain(gateway.addresses()[1], HOST).await?;
    assert_eq!(client.get("/").await?.header("strict-transport-security"), "", "never over plain HTTP");
    let mut client = gateway.client(&site, Protocol::H1).await;
    site.write("botgate.toml", &config.replace(hsts, ""));
    assert_eq!(gateway.reload().await["result"], "applied");
    assert_eq!(client.get("/").await?.header("strict-transport-security"), "max-age=31536000; includeSubDomains");
    let answer = gateway.client(&site, Protocol::H1).await.get("/").await?;
    assert_eq!(answer.header("strict-transport-security"), "", "a new connection goes by the new config");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_ends_soon_and_a_key_that_others_can_read_are_warned_of() -> Outcome<()> {
    use std::os::unix::fs::PermissionsExt;
    let _machine = together().await;
    let site = Site::new();
    let backend = Backend::start("one").await;
    let end = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().saturating_add(jiff::Span::new().days(5));
    let soon = site.authority.issue_with(&[HOST], |params| {
        params.not_before = rcgen::date_time_ymd(2025, 1, 1);
        params.not_after = rcgen::date_time_ymd(end.year().into(), end.month() as u8, end.day() as u8);
    });
    soon.write(site.dir(), "bot");
    std::fs::set_permissions(site.path("bot.key"), std::fs::Permissions::from_mode(0o644))?;
    let config = site.config(PROBE, &[&backend]);
    let gateway = Gateway::start(&site, &config).await;
    let (code, out, _) = run(&["check", "--config", gateway.config.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{out}");
    let log = gateway.process.stderr();
    for told in [&out, &log] {
        assert!(told.contains("bot.key can be read by other users"), "{told}");
        assert!(told.contains(&format!("days, on {end}")), "{told}");
    }
    let trouble = gateway.api("/readyz").await["trouble"].to_string();
    assert!(trouble.contains("bot.pem ends at"), "{trouble}");
    let until = gateway.metric("botgate_certificate_not_after_seconds", &["bot.pem"]).await;
    let left = until - jiff::Timestamp::now().as_second() as f64;
    assert!((3.0 * 86_400.0..6.0 * 86_400.0).contains(&left), "{left}");
    // Renewed, the trouble is over.
    site.authority.issue(&[HOST]).write(site.dir(), "bot");
    let over = async || gateway.api("/readyz").await["trouble"].is_null();
    crate::support::wait_until("the trouble is over", over).await;
    Ok(())
}
