//! The words of the design, as types. Rank 0: imports nothing of botgate.

mod evidence;
mod failure;
mod health;
mod moment;
mod names;
mod phase;
mod policy;
mod view;

pub use evidence::{Evidence, EvidenceKind};
pub use failure::{AttemptPhase, Failure, Fate, Side};
pub use health::Health;
pub use moment::{Clock, Moment};
pub use names::{BackendId, BackendName, PoolName};
pub use phase::{Cause, Direction, Phase};
pub use policy::{AllDown, FailbackMode, PoolKind, Replay};
pub use view::{BackendView, DecisionView, PoolView, ProbeView, ReloadOutcome};
