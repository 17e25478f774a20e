//! The connection that one probe leaves to the next.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use super::super::exchange::{self, Answer, Question};
use super::super::outside::ProbeTarget;
use super::{BODY, judge};
use crate::config::HttpProbe;
use crate::model::BackendId;
use crate::upstream::{Dialed, Line, Reach};

/// What no check asked for of a response is read for so long, that the connection can be kept; past it that is closed.
const REST: Duration = Duration::from_millis(50);

/// Where a backend's probes leave their connection. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<Option<Line>>>);

impl Kept {
    fn swap(&self, line: Option<Line>) -> Option<Line> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), line)
    }
}

fn reach(target: &ProbeTarget) -> Reach<'_> {
    // Whose it is says where it is kept.
    Reach { backend: BackendId(0), addresses: &target.addresses, tls: target.tls.as_ref() }
}

/// Asks over the kept connection. None: there is none to be used, or it broke, be it that the backend had closed it
/// unused: then nothing is known, and the question is asked again over a new one.
pub(super) async fn ask(
    target: &ProbeTarget,
    question: &Question<'_>,
    probe: &HttpProbe,
) -> Option<Result<(), String>> {
    let mut line = target.kept.swap(None)?;
    if target.fresh || !probe.keep || !line.fits(reach(target)) {
        line.hang_up();
        return None;
    }
    let mut answer = exchange::ask_over(line, question, true).await.ok()?;
    let verdict = judge(&mut answer, probe).await;
    if answer.is_broken() {
        return None;
    }
    if verdict.is_ok() {
        leave(&target.kept, answer).await;
    }
    Some(verdict)
}

/// Asks over a connection that was just opened.
pub(super) async fn begin(
    target: &ProbeTarget,
    dialed: Dialed,
    question: &Question<'_>,
    probe: &HttpProbe,
) -> Result<(), String> {
    if !probe.keep {
        return judge(&mut exchange::ask(dialed, question).await?, probe).await;
    }
    let line = Line::start(dialed, reach(target)).await.map_err(|error| format!("no response: {error}"))?;
    let mut answer = exchange::ask_over(line, question, true).await?;
    judge(&mut answer, probe).await?;
    leave(&target.kept, answer).await;
    Ok(())
}

/// Leaves the connection to the next probe, where it can carry another.
async fn leave(kept: &Kept, mut answer: Answer) {
    let rest = timeout(REST, exchange::body(&mut answer, BODY)).await;
    if !matches!(rest, Ok(Ok((_, true)))) {
        return;
    }
    let mut line = answer.into_line();
    if line.settle() {
        kept.swap(Some(line));
    }
}
