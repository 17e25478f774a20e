//! The real gateway over real sockets and real TLS, against backends that misbehave on command.
#![allow(unreachable_pub, reason = "nothing is exported from a test")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "these are tests")]

#[path = "../support/mod.rs"]
mod support;

mod admin_access;
mod admin_oidc;
mod admin_tls;
mod all_down;
mod backend_tls;
mod bad_config;
mod bad_input;
mod body;
mod corpus;
mod deliveries;
mod drills;
mod failover;
mod greedy;
mod guard;
mod h1_backends;
mod h1_requests;
mod h2_backends;
mod h2_floods;
mod h2_good_clients;
mod h2_requests;
mod h2_stalls;
mod import;
mod journal;
mod layers;
mod long_wires;
mod machine_limits;
mod machine_privileges;
mod machine_signals;
mod machine_threads;
mod names;
mod operators;
mod phases;
mod power_cuts;
mod probe_connections;
mod probes;
mod promises;
mod qna;
mod regions;
mod reload;
mod request;
mod resends;
mod restart;
mod scale;
mod siblings;
mod simulate;
mod slow_clients;
mod source;
mod storms;
mod support_works;
mod tls_clients;
mod tls_settings;
mod tls_stapling;
mod tokens;
mod tunnels;
mod tunnels_in_crowds;
mod warm;
mod watching;
mod websocket;
mod wire_properties;
