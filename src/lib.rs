//! botgate: one TLS endpoint in front of a bot that is deployed in several regions.
//!
//! It keeps one region active and the others standing by, decides when to move, moves without losing a request, and can
//! tell afterwards why it moved. The modules are ranked; a file imports only from lower ranks or from its own folder
//! (`tests/it/layers.rs` holds the rule):
//!
//! | rank | modules | |
//! |---|---|---|
//! | 7 | `main`, [`cli`] | one file per command |
//! | 6 | [`app`] | wires the parts, starts and stops them |
//! | 5 | [`server`], [`admin`], [`sim`] | listeners and workers; the admin API; simulated regions |
//! | 4 | [`proxy`], [`control`] | the data plane; the control plane |
//! | 3 | [`snapshot`] | the immutable view that a request reads, and its one swap cell |
//! | 2 | [`upstream`], [`steering`], [`bot`], [`ledger`], [`import`], [`tls`] | reaching a backend; pure decisions; what a bot speaks; activities in flight and done; ARM JSON to config; terminating TLS |
//! | 1 | [`config`], [`telemetry`], [`wire`] | text to validated config; counters, events, logs; what may be on the wire |
//! | 0 | [`model`], [`pki`] | the words of the design, as types; what certificates and OCSP responses say |
#![forbid(unsafe_code)]

pub mod admin;
pub mod app;
pub mod bot;
pub mod cli;
pub mod config;
pub mod control;
pub mod import;
pub mod ledger;
pub mod model;
pub mod pki;
pub mod proxy;
pub mod server;
pub mod sim;
pub mod snapshot;
pub mod steering;
pub mod telemetry;
pub mod tls;
pub mod upstream;
pub mod wire;
