//! What each metric means: the `# HELP` lines of `/metrics`.

use metrics::{KeyName, Recorder};
use metrics_exporter_prometheus::PrometheusRecorder;

/// Tells the recorder of counters and gauges; histograms bring their own help.
pub(super) fn describe(recorder: &PrometheusRecorder) {
    for (name, help) in [
        ("botgate_requests_total", "Requests by the backend that ended them, and how."),
        ("botgate_attempts_total", "Tries of a request at one backend, and how they ended."),
        ("botgate_pool_requests_total", "Requests routed to a pool."),
        ("botgate_retries_total", "Attempts beyond the first of a request, rescues aside."),
        ("botgate_rescued_total", "Requests taken from a backend that was given up and sent to the new active one."),
        ("botgate_retry_budget_spent_total", "Requests that wanted another attempt beyond the retry budget."),
        ("botgate_no_backend_total", "Requests that no backend could be tried for."),
        ("botgate_tokens_total", "Tokens that a guard looked at, and what it found."),
        ("botgate_admin_refused_total", "Requests to the admin API that were refused for who sent them, and why."),
        ("botgate_malformed_total", "Requests that a guard refused because they are no activities."),
        (
            "botgate_responses_malformed_total",
            "HTTP/1 responses that break a rule of framing, or that nobody asked for.",
        ),
        ("botgate_evidence_dropped_total", "Evidence that control was too busy to take."),
        (
            "botgate_tunnels_closed_total",
            "Tunnels (WebSockets and other upgrades) that ended, by who or what ended them.",
        ),
        ("botgate_shed_total", "Requests refused because too many were under way in their pool."),
        ("botgate_backend_shed_total", "Requests refused because too many were under way at their backend."),
        ("botgate_rate_limited_total", "Requests refused because their address or token sends too many."),
        ("botgate_unheld_total", "Bodies that were to be held, and found no room."),
        ("botgate_replays_total", "Attempts that followed one of which nobody knows whether its backend acted on it."),
        ("botgate_resends_total", "Resends of activities under way or done, and how they were answered."),
        ("botgate_ledger_full_total", "Activities that were delivered untracked because the ledger was full."),
        ("botgate_ocsp_fetches_total", "Questions to OCSP responders, by whether the answer was good."),
        ("botgate_tls_handshakes_total", "Handshakes of clients, and how they ended."),
        ("botgate_connections_accepted_total", "Client connections accepted."),
        (
            "botgate_connections_handed_over_total",
            "Client connections that the worker which accepted them gave to one that had fewer.",
        ),
        (
            "botgate_connections_taken_over_total",
            "Connections to a backend that one worker did not use and another took over.",
        ),
        (
            "botgate_connections_turned_away_total",
            "Client connections over a cap: of their listener, or of their address.",
        ),
        ("botgate_slow_readers_total", "Client connections cut because their client read too slowly."),
        ("botgate_requests_refused_total", "Requests refused before a route was found."),
        ("botgate_access_log_dropped_total", "Lines of the access log that its writer could not keep up with."),
        ("botgate_http2_floods_total", "HTTP/2 connections of clients that were ended, by what there was too much of."),
        (
            "botgate_backend_http2_floods_total",
            "HTTP/2 connections to backends that were ended, by what there was too much of.",
        ),
        ("botgate_reloads_total", "Reloads of the config, by how they ended."),
        ("botgate_drills_total", "Drills that ended, or did not take place, by what became of them."),
        ("botgate_failovers_total", "Switches of the active backend."),
        ("botgate_evidence_total", "Evidence that control took in from the request path."),
        ("botgate_publications_total", "Snapshots published."),
        (
            "botgate_journal_entries_total",
            "Decisions: durable, of these durable only after they took effect, and lost.",
        ),
    ] {
        recorder.describe_counter(KeyName::from(name), None, help.into());
    }
    for (name, help) in [
        ("botgate_connections", "Connections open now, by side."),
        ("botgate_certificate_not_after_seconds", "Until when a certificate is valid, in seconds since 1970."),
        ("botgate_ocsp_stapled_until_seconds", "Until when the stapled OCSP response holds, likewise; 0: none is."),
        ("botgate_warm_connections", "Connections kept open to a standby, for its first requests after a failover."),
        ("botgate_requests_under_way", "Requests from the end of a head to the end of the response."),
        (
            "botgate_held_bytes",
            "Bytes of requests that are held in memory; a worker counts up to 64 KiB that it keeps ready.",
        ),
        ("botgate_tunnels", "Tunnels (WebSockets and other upgrades) open now."),
        ("botgate_active", "1 for the backend that a pool's requests go to."),
        ("botgate_token_keys", "Keys of a token issuer that are used."),
        ("botgate_token_keys_age_seconds", "Since the keys of a token issuer were fetched."),
        ("botgate_token_keys_fresh", "1 while the keys of a token issuer could be fetched when it was last tried."),
        ("botgate_drill_active", "1 while a drill of the pool is under way."),
        ("botgate_phase", "1 for the phase that a pool is in."),
        ("botgate_backend_ready", "1 when a backend could take over now."),
        ("botgate_parity", "By parity check: 1 in step with the active backend, 0 drifted, -1 unknown."),
        ("botgate_journal_well", "1 while every decision gets onto the disk."),
        ("botgate_journal_damage", "What was found wrong with the journal at the start, until the next one."),
        ("botgate_ledger_entries", "Activities that the ledger of a pool remembers: in flight, and done."),
        ("botgate_ledger_bytes", "Bytes of the answers that it keeps."),
        ("botgate_epoch", "Grows by one at every switch of a pool."),
        ("botgate_backend_health", "1 healthy, 0.5 unknown, 0 unhealthy."),
    ] {
        recorder.describe_gauge(KeyName::from(name), None, help.into());
    }
}
