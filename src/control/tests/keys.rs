//! Keys of token issuers, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::time::sleep;

use super::world::{Rig, two};
use crate::bot::token::{IssuerKind, KeySet};
use crate::config::Config;
use crate::control::Command;

const METADATA: &str = "https://login.botframework.com/v1/.well-known/openidconfiguration";
const HOUR: Duration = Duration::from_secs(3600);

/// A config whose route is guarded.
fn guarded() -> Config {
    let text = "[[listener]]\nbind = \"127.0.0.1:0\"\ntls = false\n[[route]]\npool = \"p\"\n[route.guard]\napp_ids = [\"app\"]\n\
        [[pool]]\nname = \"p\"\nkind = \"bot\"\n[[pool.backend]]\nname = \"weu\"\nurl = \"http://a\"\n";
    let mut parsed = crate::config::parse("botgate.toml", text, "".as_ref(), &|_| None).unwrap().config;
    let mut config = two();
    config.routes[0].guard = parsed.routes.remove(0).guard;
    config
}

/// A set of one key of this name.
fn jwks(kid: &str) -> String {
    let modulus = URL_SAFE_NO_PAD.encode([0xC1; 256]);
    format!(r#"{{"keys":[{{"kty":"RSA","use":"sig","kid":"{kid}","n":"{modulus}","e":"AQAB"}}]}}"#)
}

fn publish(rig: &Rig, answer: Result<String, &str>) {
    let answer = answer.map_err(str::to_owned);
    rig.world.keys.lock().unwrap().published.insert(METADATA.to_owned(), answer);
}

fn asked(rig: &Rig) -> u32 {
    rig.world.keys.lock().unwrap().asked
}

/// The keys that requests see.
fn seen(rig: &Rig) -> Option<Arc<KeySet>> {
    rig.snapshots.load().guards[0].keys.as_ref().unwrap().channel.set.clone()
}

fn miss(rig: &Rig) {
    rig.snapshots.load().guards[0].keys.as_ref().unwrap().miss(IssuerKind::Channel);
}

async fn trouble(rig: &Rig) -> Vec<String> {
    rig.handle.ask(Command::Ready).await.unwrap().trouble
}

/// A control that has fetched `jwks("one")`.
async fn fetched() -> Rig {
    let rig = Rig::start(two()).await;
    publish(&rig, Ok(jwks("one")));
    rig.reload(Ok(guarded())).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!((asked(&rig), seen(&rig).map(|set| set.len())), (1, Some(1)));
    rig
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_when_a_guard_appears_and_daily_and_published_only_when_they_change() {
    let rig = fetched().await;
    let (first, generation) = (seen(&rig).unwrap(), rig.snapshots.load().generation);
    sleep(24 * HOUR).await;
    assert_eq!(asked(&rig), 2);
    assert!(Arc::ptr_eq(&first, &seen(&rig).unwrap()));
    assert_eq!(rig.snapshots.load().generation, generation, "nothing changed");
    publish(&rig, Ok(jwks("two")));
    sleep(24 * HOUR).await;
    assert_ne!(seen(&rig).unwrap(), first);
    // A reload that leaves the guard as it is leaves its keys alone.
    let before = asked(&rig);
    rig.reload(Ok(guarded())).await;
    sleep(HOUR).await;
    assert_eq!(asked(&rig), before);
    rig.reload(Ok(two())).await;
    sleep(48 * HOUR).await;
    assert_eq!(asked(&rig), before, "nobody wants them any more");
    assert!(rig.stats.keys().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_fetched_or_used_does_not_take_the_place_of_good_keys_and_is_an_alarm() {
    let rig = fetched().await;
    let first = seen(&rig).unwrap();
    assert!(trouble(&rig).await.is_empty() && rig.stats.keys()[0].fresh);
    for bad in [Err("connection refused"), Ok("<html>".to_owned()), Ok("{\"keys\":[]}".to_owned())] {
        publish(&rig, bad);
        sleep(24 * HOUR).await;
        assert!(Arc::ptr_eq(&first, &seen(&rig).unwrap()));
        let told = trouble(&rig).await;
        assert!(told.len() == 1 && told[0].contains("token keys cannot be fetched, those of"), "{told:?}");
        assert!(!rig.stats.keys()[0].fresh);
        publish(&rig, Ok(jwks("one")));
        sleep(Duration::from_secs(70)).await;
        assert!(trouble(&rig).await.is_empty() && rig.stats.keys()[0].fresh, "it is tried again each minute");
    }
}

#[tokio::test(start_paused = true)]
async fn without_any_keys_they_are_asked_for_again_and_again_but_more_and_more_slowly() {
    let rig = Rig::start(guarded()).await;
    sleep(Duration::from_secs(600)).await;
    // 1 + 2 + 4 … + 60, then each minute.
    assert!((12..=18).contains(&asked(&rig)), "{}", asked(&rig));
    assert!(seen(&rig).is_none());
    assert!(trouble(&rig).await[0].contains("token keys were never fetched"));
    publish(&rig, Ok(jwks("one")));
    sleep(Duration::from_secs(70)).await;
    assert!(seen(&rig).is_some());
}

#[tokio::test(start_paused = true)]
async fn an_unknown_kid_has_keys_fetched_at_once_and_then_at_most_hourly() {
    let rig = fetched().await;
    publish(&rig, Ok(jwks("two")));
    miss(&rig);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(asked(&rig), 2);
    assert_ne!(seen(&rig), KeySet::read(&jwks("one"), None).ok().map(Arc::new));
    for _ in 0..1000 {
        miss(&rig);
        sleep(Duration::from_secs(3)).await;
    }
    assert_eq!(asked(&rig), 2, "whoever makes up names");
    sleep(HOUR / 4).await;
    assert_eq!(asked(&rig), 3, "but what was missed is looked for when the hour is over");
}
