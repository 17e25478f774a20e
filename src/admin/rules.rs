//! The one place where the rules in force are, and how a reload changes them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::access::{Access, AccessError};
use super::actor::Actor;
use crate::config::{AdminConfig, Config};
use crate::control::{Handle, Participant, Prepared};
use crate::model::Utc;
use crate::tls::CertificateBook;

/// What is under way by a proof that ends is judged again after this long at the latest: clocks can be set.
const AGAIN: Duration = Duration::from_secs(30);

/// The rules in force; cheap to clone. Takes part in reloads: a new config's tokens, roles and certificates hold from then
/// on, for requests, for streams that are open and for connections that are.
#[derive(Clone)]
pub struct Rules {
    current: watch::Sender<Arc<Access>>,
    /// The address that is bound, whatever a later config would like.
    bind: IpAddr,
    book: CertificateBook,
}

impl Rules {
    /// The rules of the config that the process is started with; what certificates are shown is written into `book`.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn new(config: &AdminConfig, book: CertificateBook) -> Result<Self, AccessError> {
        let bind = config.bind.ip();
        let access = Access::new(config, bind)?;
        enter(&book, &access);
        Ok(Self { current: watch::Sender::new(Arc::new(access)), bind, book })
    }

    /// The rules that hold now.
    pub(super) fn now(&self) -> Arc<Access> {
        self.current.borrow().clone()
    }

    /// Hears of every change from now on.
    pub(super) fn changes(&self) -> watch::Receiver<Arc<Access>> {
        self.current.subscribe()
    }
}

impl Participant for Rules {
    fn prepare(&self, next: &Config) -> Result<Prepared, Vec<String>> {
        let access = Access::new(&next.admin, self.bind).map_err(|error| vec![error.to_string()])?;
        let (current, book, access) = (self.current.clone(), self.book.clone(), Arc::new(access));
        let commit = Box::new(move || {
            enter(&book, &access);
            drop(current.send_replace(access));
        });
        Ok(Prepared { commit, needs_restart: Vec::new() })
    }
}

/// Has control look after the certificates that are shown.
fn enter(book: &CertificateBook, access: &Access) {
    if let Some(tls) = &access.tls {
        book.show("admin", &tls.set, false);
    }
}

/// A caller whose request goes on for long, and what it was let in by.
pub(super) struct Standing {
    actor: Actor,
    control: Handle,
    changes: watch::Receiver<Arc<Access>>,
}

impl Standing {
    /// Of a caller that was let in a moment ago.
    pub(super) fn new(actor: Actor, rules: &Rules, control: Handle) -> Self {
        let mut changes = rules.changes();
        // They may have changed since the guard looked at them.
        changes.mark_changed();
        Self { actor, control, changes }
    }

    /// Waits until what it was let in by is good no more. Cancel-safe.
    pub(super) async fn lost(&mut self) {
        loop {
            let left = self.actor.proven.until.map(|until| until.since(Utc::now()).min(AGAIN));
            let again = async {
                match left {
                    // A moment later than the last one at which it is good.
                    Some(left) => tokio::time::sleep(left + Duration::from_millis(1)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.changes.changed() => if changed.is_err() { return },
                () = again => {}
            }
            let access = self.changes.borrow_and_update().clone();
            let keys = self.control.operator_keys();
            match access.judge(&self.actor.credential, keys.as_ref(), Utc::now()) {
                Ok(proven) => self.actor.proven = proven,
                Err(_) => return,
            }
        }
    }
}
