//! Simulated regions with faults on command.
//!
//! Each region has a bot and a question-answering service; each service has its own listener, thread and runtime. One
//! control listener sets faults, heals them, and tells what every service received.

mod answers;
mod config;
mod connection;
mod control;
mod fault;
mod handler;
mod qna;
mod received;
mod running;
mod service;
mod stream;
mod websocket;

pub use config::{QnaIdentity, RegionConfig, SimConfig};
pub use fault::{Distribution, Fault, FaultKind};
pub use running::{RegionAddresses, Running, Sim, SimError};
pub use service::ServiceKind;

#[cfg(test)]
mod tests;
