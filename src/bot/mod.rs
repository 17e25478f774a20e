//! What a bot speaks: activities and question answering.

mod activity;

pub use activity::{Activity, Conversation, DeliveryMode};
