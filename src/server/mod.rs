//! Listeners, TLS termination, workers, connection limits, draining.
