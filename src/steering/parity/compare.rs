//! One check, one moment: what each backend's value says of it.

use super::Sample;
use super::sample::shortened;
use super::words::{limit, number, percent, span};
use crate::config::{Against, Difference, ParityConfig, ParityRule};
use crate::model::{BackendName, ParityVerdict, Utc};

/// What one check says of one backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parity {
    /// Nothing can be said.
    Unknown {
        /// Because of this.
        why: String,
    },
    /// It is in step.
    InStep,
    /// It is not.
    Drifted {
        /// Both values, and what is allowed.
        why: String,
    },
}

impl Parity {
    /// The verdict alone.
    pub fn verdict(&self) -> ParityVerdict {
        match self {
            Self::Unknown { .. } => ParityVerdict::Unknown,
            Self::InStep => ParityVerdict::InStep,
            Self::Drifted { .. } => ParityVerdict::Drifted,
        }
    }

    /// Why it is not in step, or not known to be.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::InStep => None,
            Self::Unknown { why } | Self::Drifted { why } => Some(why),
        }
    }

    fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown { why: why.into() }
    }

    fn drifted_if(drifted: bool, why: impl FnOnce() -> String) -> Self {
        if drifted { Self::Drifted { why: why() } } else { Self::InStep }
    }
}

/// Compares the values that a check took at one moment. `samples` and `active` number backends as `names` does; the active's
/// data is the truth that the others are held against, so it never drifts by comparison with itself. Where each value is
/// judged alone (`contains`, a lag against now) the active can be found wrong like any other. A question that failed says
/// nothing: its backend is unknown, not drifted.
pub fn compare(
    check: &ParityConfig,
    samples: &[(usize, Result<Sample, String>)],
    names: &[BackendName],
    active: Option<usize>,
    now: Utc,
) -> Vec<(usize, Parity)> {
    let name = |index: usize| names.get(index).map_or("?", BackendName::as_str);
    let reference = match active {
        None => Err("no backend is active".to_owned()),
        Some(active) => match samples.iter().find(|(index, _)| *index == active) {
            Some((_, Ok(sample))) => Ok(Reference { name: name(active), sample }),
            Some((_, Err(_))) => Err(format!("{} (active) gave no value", name(active))),
            None => Err(format!("{} (active) was not asked", name(active))),
        },
    };
    let judged = samples.iter().map(|(index, sample)| {
        let parity = match (sample, &reference) {
            (Err(error), _) => Parity::unknown(format!("no value: {error}")),
            (Ok(sample), _) if !check.rule.needs_active() => alone(&check.rule, sample, now),
            (Ok(_), Err(missing)) => Parity::unknown(format!("nothing to compare with: {missing}")),
            (Ok(sample), Ok(reference)) => {
                let own = active == Some(*index);
                held_against(check, sample, reference, own).unwrap_or_else(|why| Parity::Unknown { why })
            }
        };
        (*index, parity)
    });
    judged.collect()
}

/// The active's value.
struct Reference<'a> {
    name: &'a str,
    sample: &'a Sample,
}

impl Reference<'_> {
    /// What of the active's value cannot be compared with.
    fn unfit(&self, why: impl std::fmt::Display) -> String {
        format!("nothing to compare with: {} (active): {why}", self.name)
    }
}

fn alone(rule: &ParityRule, sample: &Sample, now: Utc) -> Parity {
    match rule {
        ParityRule::Contains(text) => {
            Parity::drifted_if(!sample.holds(text), || format!("{sample} does not contain {:?}", shortened(text)))
        }
        ParityRule::MaxLag { lag, .. } => match sample.time(Against::Now) {
            Err(why) => Parity::Unknown { why },
            Ok(None) => Parity::unknown("the service gives no time"),
            Ok(Some(time)) => {
                let behind = now.since(time);
                let why = || format!("complete up to {time}: {} ago, at most {} allowed", span(behind), span(*lag));
                Parity::drifted_if(behind > *lag, why)
            }
        },
        ParityRule::Equal | ParityRule::MaxDifference(_) => Parity::unknown("there is nothing to compare with"),
    }
}

/// The error is why nothing can be said.
fn held_against(check: &ParityConfig, sample: &Sample, active: &Reference<'_>, own: bool) -> Result<Parity, String> {
    let name = active.name;
    match &check.rule {
        ParityRule::MaxDifference(allowed) => {
            let own_number = sample.number()?;
            let theirs = active.sample.number().map_err(|why| active.unfit(why))?;
            Ok(difference(own_number, theirs, *allowed, check.unit, name))
        }
        ParityRule::MaxLag { lag, .. } => {
            let time = sample.time(Against::Active)?;
            let theirs = active.sample.time(Against::Active).map_err(|why| active.unfit(why))?;
            let Some(theirs) = theirs else {
                return Err(if own {
                    "the service gives no time".to_owned()
                } else {
                    active.unfit("it gives no time")
                });
            };
            let Some(time) = time else {
                return Ok(Parity::Drifted { why: format!("never, against {theirs} on {name} (active)") });
            };
            let behind = theirs.since(time);
            let why = || {
                let (behind, lag) = (span(behind), span(*lag));
                format!("{time} against {theirs} on {name} (active): {behind} behind, at most {lag} allowed")
            };
            Ok(Parity::drifted_if(behind > *lag, why))
        }
        ParityRule::Equal => Ok(Parity::drifted_if(!sample.same(active.sample), || unequal(sample, active))),
        ParityRule::Contains(_) => Err("there is nothing to compare with".to_owned()),
    }
}

fn difference(own: f64, theirs: f64, allowed: Difference, unit: &str, name: &str) -> Parity {
    let apart = (own - theirs).abs();
    let too_far = match allowed {
        Difference::Absolute(most) => apart > most,
        Difference::Share(most) => apart > most * theirs.abs(),
    };
    Parity::drifted_if(too_far, || {
        let share = if theirs == 0.0 { String::new() } else { format!(" ({})", percent(apart / theirs.abs())) };
        let share = if matches!(allowed, Difference::Share(_)) { share } else { String::new() };
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        let (own, theirs, apart, most) = (number(own), number(theirs), number(apart), limit(allowed));
        format!("{own}{unit} against {theirs} on {name} (active): {apart} apart{share}, at most {most} allowed")
    })
}

/// How two values are not the same: of arrays what is missing and what is too much, of others both.
fn unequal(sample: &Sample, active: &Reference<'_>) -> String {
    let name = active.name;
    if !(sample.0.is_array() && active.sample.0.is_array()) {
        return format!("{sample} against {} on {name} (active)", active.sample);
    }
    let (own, theirs) = (sample.members(), active.sample.members());
    let listed = |items: Vec<&String>| shortened(&items.into_iter().cloned().collect::<Vec<_>>().join(", "));
    let (lacks, more) = (theirs.difference(&own).collect::<Vec<_>>(), own.difference(&theirs).collect::<Vec<_>>());
    let mut parts = Vec::new();
    if !lacks.is_empty() {
        parts.push(format!("lacks {}, which {name} (active) has", listed(lacks)));
    }
    if !more.is_empty() {
        parts.push(format!("has {}, which {name} (active) has not", listed(more)));
    }
    parts.join("; ")
}
