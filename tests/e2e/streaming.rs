//! The SDK's streaming protocol: activities and replies as requests both ways on one WebSocket through the gateway.

use super::bots::{Bot, Sdk};
use super::regions::{More, NORTH, POOL, Regions, WEST};
use super::session::Session;
use super::support::issuer::Issuer;
use super::support::{Site, together};
use super::trust::{Trust, guard};

/// "Service restart" (RFC 6455's registry): open another connection, at once.
const SERVICE_RESTART: u64 = 1012;

/// The default policies, at a pace that a test can wait for.
const POLICY: &str =
    r#"tunnel = { on_failover = "close", on_failback = "drain", drain = { over = "2s", per_second = 20 } }"#;

/// A channel that streams to two regions that check tokens.
struct Stage {
    regions: Regions,
    channel: Session,
    /// Keeps the published keys in reach.
    _issuer: Issuer,
}

impl Stage {
    async fn start() -> Self {
        let (site, issuer) = (Site::new(), Issuer::start().await);
        let trust = Trust::of(&issuer);
        let west = Bot::start_with(Sdk::BotBuilder, WEST, site.dir(), Some(&trust));
        let north = Bot::start_with(Sdk::BotBuilder, NORTH, site.dir(), Some(&trust));
        let more = More { route: &guard(&issuer), pool: POLICY, ..More::default() };
        let regions = Regions::around(site, west, north, &more).await;
        let token = issuer.token();
        let url = regions.url().replace("https:", "wss:");
        let mut channel = Session::node("streaming.mjs", &regions.ca(), &[&url, &token]);
        assert_eq!(channel.event("opened").await["opened"], 1);
        Self { regions, channel, _issuer: issuer }
    }

    /// Sends activities on connection number `connection`: each is taken with 200, and replied to by `region`.
    async fn talk(&mut self, topic: &str, connection: u64, region: &str) {
        for number in 0..5 {
            let line = format!("{topic} {number}");
            let said = self.channel.ask(&line, "reply").await;
            assert_eq!(said["status"], 200, "{said}");
            assert_eq!(said["reply"], format!("{region}: you said '{line}'"), "{said}");
            assert_eq!((said["connection"].as_u64(), said["sent"].as_u64()), (Some(connection), Some(1)), "{said}");
        }
    }

    /// Waits until connection number `connection` was closed as a restart of the service, and the next is open.
    async fn moves(&mut self, connection: u64) {
        let closed = self.channel.event("closed").await;
        assert_eq!(
            (closed["closed"].as_u64(), closed["code"].as_u64()),
            (Some(connection), Some(SERVICE_RESTART)),
            "{closed}"
        );
        assert_eq!(self.channel.event("opened").await["opened"], connection + 1);
    }
}

#[tokio::test]
async fn a_streaming_conversation_moves_with_a_failover_and_with_the_failback() {
    let _machine = together().await;
    let mut stage = Stage::start().await;

    stage.talk("before", 1, WEST).await;
    stage.regions.west.freeze();
    stage.moves(1).await;
    stage.talk("without the first region", 2, NORTH).await;
    stage.regions.west.thaw();
    stage.regions.gateway.until_active(POOL, WEST).await;
    stage.moves(2).await;
    stage.talk("after", 3, WEST).await;
    assert_eq!(stage.regions.received_twice(), 0, "every activity was delivered once");
}

#[tokio::test]
async fn a_streaming_conversation_goes_on_when_its_region_is_killed() {
    let _machine = together().await;
    let mut stage = Stage::start().await;

    stage.talk("before", 1, WEST).await;
    stage.regions.west.kill();
    stage.moves(1).await;
    stage.talk("without the first region", 2, NORTH).await;
    assert_eq!(stage.regions.received_twice(), 0, "every activity was delivered once");
}
