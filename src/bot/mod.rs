//! What a bot speaks: activities and question answering.

mod activity;
mod members;
pub mod token;

pub use activity::{Activity, DeliveryMode, Facts, NoActivity};
