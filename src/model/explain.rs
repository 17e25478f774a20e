//! The explanation of a pool: facts and sentences for whoever is on call.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BackendName, DecisionView, FlapView, Health, Phase, PoolName, Utc};

/// Why a pool is as it is, what would make it move, and what to do.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExplainView {
    /// When this was true.
    pub at: Utc,
    /// The pool.
    pub pool: PoolName,
    /// Where its state machine stands.
    pub phase: Phase,
    /// Since when.
    pub since: Utc,
    /// The backend that requests go to now; none when none may be tried.
    pub active: Option<BackendName>,
    /// Since when it is active; none when the last entries of the journal do not tell.
    pub active_since: Option<Utc>,
    /// Why it became active; none when the last entries of the journal do not tell.
    #[serde(default)]
    pub active_because: Option<String>,
    /// Grows by one at every switch.
    pub epoch: u64,
    /// Who serves, in a sentence or two.
    pub summary: String,
    /// What the last decision was made for: about another backend or the phase, it may be.
    pub reason: String,
    /// What it means for users now.
    pub users: String,
    /// What to do, the most urgent first.
    pub advice: Vec<AdviceView>,
    /// What holds the pool where it is; empty when nothing does.
    pub holds: Vec<HoldView>,
    /// What would make it move, one way each; then what is left of the flap budget.
    pub moves: Vec<String>,
    /// The way back to a better priority.
    pub failback: FailbackView,
    /// The backends, in order of priority.
    pub backends: Vec<StandView>,
    /// The flap budget.
    pub flap: FlapView,
    /// The last decisions, newest first.
    pub decisions: Vec<DecisionView>,
    /// What could not be found out, and what of botgate itself does not work as it should.
    pub trouble: Vec<String>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdviceView {
    /// What and when.
    pub text: String,
    /// The command that does it, with `TEXT` for a reason; none when it is not done through botgate.
    pub command: Option<String>,
}

/// One thing that holds a pool where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HoldView {
    /// What it is.
    pub kind: HoldKind,
    /// When it ends by itself; none: it does not, or nobody knows when.
    pub until: Option<Utc>,
    /// The same in a sentence.
    pub text: String,
}

/// What can hold a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HoldKind {
    /// An operator's pin.
    Pin,
    /// A flap budget that is spent.
    Latch,
    /// A drill under way.
    Drill,
    /// An operator's failover.
    Operator,
    /// The hold of a failback.
    Hold,
    /// A window of a failback that is not open yet.
    Window,
    /// Another pool that this one moves with.
    Follow,
}

/// The way back to a better priority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailbackView {
    /// When the pool moves back by itself, if nothing changes until then.
    pub at: Option<Utc>,
    /// When it could move back by itself at the earliest, if all went well from now on; none: not by itself, or nobody
    /// knows.
    pub earliest: Option<Utc>,
    /// The same in sentences, with what it depends on.
    pub text: String,
}

/// How one backend stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StandView {
    /// The backend.
    pub name: BackendName,
    /// Its priority: 1 is first.
    pub priority: u32,
    /// Whether requests go to it now.
    pub active: bool,
    /// What probes and evidence say.
    pub health: Health,
    /// Whether it could take over now.
    pub ready: bool,
    /// What it lacks to be ready, one sentence each.
    pub lacks: Vec<String>,
    /// The same in a sentence.
    pub text: String,
}

impl ExplainView {
    /// The explanation as headed paragraphs, in the order in which they are wanted at night.
    pub fn sections(&self) -> Vec<(&'static str, Vec<String>)> {
        let mut now = vec![self.summary.clone()];
        now.push(format!("Phase {} since {}.", self.phase, self.since.clock(self.at)));
        now.extend(self.active_since.iter().zip(&self.active).map(|(since, active)| {
            let since = since.clock(self.at);
            format!("{active} is active since {since}.")
        }));
        let reason = self.reason.trim_end_matches('.');
        // What was decided since about other backends does not tell why this one serves.
        match self.active_because.as_deref().map(|because| because.trim_end_matches('.')) {
            Some(because) if because != reason => {
                now.push(format!("Why: {because}."));
                now.push(format!("Since then: {reason}."));
            }
            _ => now.push(format!("Why: {reason}.")),
        }
        let advice = self.advice.iter().map(|advice| match &advice.command {
            Some(command) => format!("{}\n{command}", advice.text),
            None => advice.text.clone(),
        });
        let decision = |it: &DecisionView| format!("{}  {}", it.at.clock(self.at), it.text);
        let all = [
            ("NOW", now),
            ("FOR USERS", vec![self.users.clone()]),
            ("WHAT TO DO", advice.collect()),
            ("WHAT HOLDS IT", self.holds.iter().map(|hold| hold.text.clone()).collect()),
            ("WHAT WOULD MOVE IT", self.moves.clone()),
            ("THE WAY BACK", vec![self.failback.text.clone()]),
            ("BACKENDS", self.backends.iter().map(|backend| backend.text.clone()).collect()),
            ("LAST DECISIONS", self.decisions.iter().map(decision).collect()),
            ("TROUBLE", self.trouble.clone()),
        ];
        all.into_iter().filter(|(_, lines): &(_, Vec<String>)| !lines.is_empty()).collect()
    }
}
