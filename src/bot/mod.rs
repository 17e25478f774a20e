//! What a bot speaks: activities and question answering.

mod activity;
pub mod token;

pub use activity::{Activity, Conversation, DeliveryMode};
