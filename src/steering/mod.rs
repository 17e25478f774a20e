//! PURE: health, policy, readiness, timeline. No clock, no I/O, no tokio.
