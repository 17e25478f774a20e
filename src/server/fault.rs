//! Faults on command, for the tests that run the real binary: in debug builds only, and only where the environment variable
//! `BOTGATE_FAULTS` is set. The request's header `Botgate-Fault` names the fault.

use std::cell::Cell;
use std::sync::OnceLock;

use crate::wire::Request;

thread_local! {
    static END_WORKER: Cell<bool> = const { Cell::new(false) };
}

/// Lets happen what the request asks for.
#[expect(clippy::panic, reason = "that is what is asked for")]
pub(super) fn strike<B>(request: &Request<B>) {
    static ARMED: OnceLock<bool> = OnceLock::new();
    if !ARMED.get_or_init(|| std::env::var_os("BOTGATE_FAULTS").is_some()) {
        return;
    }
    match request.head.fields.iter().find(|(name, _)| *name == b"botgate-fault").map(|(_, fault)| fault) {
        Some(b"panic") => panic!("a request, on purpose"),
        Some(b"panic-in-task") => drop(tokio::task::spawn_local(async { panic!("a task, on purpose") })),
        Some(b"end-worker") => END_WORKER.set(true),
        _ => {}
    }
}

/// Ends this thread if a request asked for it; called from a task without which a worker does not live.
#[expect(clippy::panic, reason = "that is what is asked for")]
pub(super) fn end_worker_if_told() {
    if END_WORKER.get() {
        panic!("a worker, on purpose");
    }
}
