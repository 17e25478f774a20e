//! The data plane: one request, top to bottom: route → guard → attempts → response.

mod client;

pub use client::Client;
