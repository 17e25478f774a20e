//! A person talks to a bot over Direct Line: one conversation, while regions are lost and come back.

use super::bots::Sdk;
use super::regions::{NORTH, Regions, WEST};
use super::session::Session;
use super::support::together;

/// What is said before, during and after a region is lost.
const LINES: usize = 5;

/// Says lines in the conversation: every one has its reply from `region`.
async fn talk(person: &mut Session, conversation: &str, topic: &str, region: &str) {
    for number in 0..LINES {
        let line = format!("{topic} {number}");
        let said = person.ask(&line, "reply").await;
        assert_eq!(said["reply"], format!("{region}: you said '{line}'"), "{said}");
        assert_eq!(said["conversation"], conversation, "{said}");
        assert_ne!(said["id"], "retry", "the channel answered with an error: {said}");
    }
}

#[tokio::test]
async fn a_direct_line_conversation_goes_on_when_its_region_is_killed_and_when_it_comes_back() {
    let _machine = together().await;
    let mut regions = Regions::start(Sdk::BotBuilder).await;
    let mut person = Session::node("directline.mjs", &regions.ca(), &[&regions.url()]);
    let opened = person.event("conversation").await;
    let conversation = opened["conversation"].as_str().unwrap();

    talk(&mut person, conversation, "before", WEST).await;
    regions.west.kill();
    talk(&mut person, conversation, "without the first region", NORTH).await;
    regions.until(NORTH).await;
    regions.west.restart();
    regions.until(WEST).await;
    talk(&mut person, conversation, "after", WEST).await;

    // The conversation's beginning is an activity too.
    let (west, north) = (regions.west.received(), regions.north.received());
    assert_eq!((west.len(), north.len()), (1 + 2 * LINES, LINES), "{west:?} {north:?}");
    assert_eq!(regions.received_twice(), 0, "every line was delivered once");
}

#[tokio::test]
async fn a_direct_line_conversation_goes_on_when_its_region_hangs_and_when_it_goes_on() {
    let _machine = together().await;
    let regions = Regions::start(Sdk::BotBuilder).await;
    let mut person = Session::node("directline.mjs", &regions.ca(), &[&regions.url()]);
    let opened = person.event("conversation").await;
    let conversation = opened["conversation"].as_str().unwrap();

    talk(&mut person, conversation, "before", WEST).await;
    regions.west.freeze();
    talk(&mut person, conversation, "without the first region", NORTH).await;
    regions.until(NORTH).await;
    regions.west.thaw();
    regions.until(WEST).await;
    talk(&mut person, conversation, "after", WEST).await;
    assert!(regions.received_twice() <= 1, "only the line that waited when it hung may be read there too, later");
}
