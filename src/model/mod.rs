//! The words of the design, as types. Rank 0: imports nothing of botgate.

mod activity;
mod drill;
mod evidence;
mod excess;
mod explain;
mod failure;
mod health;
mod journal;
mod moment;
mod names;
mod parity;
mod phase;
mod policy;
mod role;
mod source;
mod token;
mod tunnel;
mod utc;
mod view;
mod want;
mod window;

pub use activity::ActivityView;
pub use drill::{BackendCount, DrillEnding, DrillLimits, DrillReport, DrillState, DrillWindow, ServiceLevel, Verdict};
pub use evidence::{Evidence, EvidenceKind, Sign};
pub use excess::Excess;
pub use explain::{AdviceView, ExplainView, FailbackView, HoldKind, HoldView, StandView};
pub use failure::{AttemptPhase, Failure, Fate, Side};
pub use health::Health;
pub use journal::{JournalEntry, JournalQuery};
pub use moment::{Clock, Moment};
pub use names::{BackendId, BackendName, PoolName};
pub use parity::{BackendParityView, ParityVerdict, ParityView};
pub use phase::{Cause, Direction, Phase};
pub use policy::{
    AllDown, FailbackMode, ParityGate, PoolKind, Replay, TokenMode, TunnelPolicy, WhenBothBad, WhenUnavailable,
};
pub use role::Role;
pub use source::Source;
pub use token::TokenFault;
pub use tunnel::TunnelEnd;
pub use utc::{Now, Utc};
pub use view::{
    BackendView, DecisionView, FlapView, OrderView, PinView, PoolView, ProbeView, Readiness, ReloadOutcome, RunView,
};
pub use want::is_own_want;
pub use window::{NoWindow, Window};
