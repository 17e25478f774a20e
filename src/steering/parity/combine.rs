//! All checks of a pool, for one backend.

use serde::Serialize;

use super::Parity;
use crate::model::{ParityGate, ParityVerdict};

/// What all parity checks together say of a backend. The default is that no check looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BackendParity {
    /// The worst of the checks that may decide something: drifted, then unknown, then in step.
    pub verdict: ParityVerdict,
    /// Whether a check that has `gate = "require"` found that it drifted: then only an operator's `--force` moves there.
    pub required: bool,
    /// What is wrong or not known, one sentence for each check; of checks that only report as well.
    pub notes: Vec<String>,
}

impl BackendParity {
    /// Whether it is known to be out of step.
    pub fn drifted(&self) -> bool {
        self.verdict == ParityVerdict::Drifted
    }
}

/// Combines what the checks of a pool say of one backend: the name of each, what it may decide, and its finding.
pub fn combine<'a>(findings: impl IntoIterator<Item = (&'a str, ParityGate, &'a Parity)>) -> BackendParity {
    let mut all = BackendParity::default();
    for (name, gate, parity) in findings {
        all.notes.extend(parity.why().map(|why| format!("{name}: {why}")));
        if gate == ParityGate::Report {
            continue;
        }
        let verdict = parity.verdict();
        all.required |= gate == ParityGate::Require && verdict == ParityVerdict::Drifted;
        if rank(verdict) > rank(all.verdict) {
            all.verdict = verdict;
        }
    }
    all
}

/// Which verdict stands when checks differ.
fn rank(verdict: ParityVerdict) -> u8 {
    match verdict {
        ParityVerdict::Unchecked => 0,
        ParityVerdict::InStep => 1,
        ParityVerdict::Unknown => 2,
        ParityVerdict::Drifted => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_check_that_may_decide_stands_and_all_are_told() {
        use ParityGate::{Prefer, Report, Require};
        use ParityVerdict::{Drifted, InStep, Unchecked, Unknown};
        let drifted = Parity::Drifted { why: "1 against 2".into() };
        let unknown = Parity::Unknown { why: "no value".into() };
        let good = Parity::InStep;
        for (findings, verdict, required, notes) in [
            (vec![], Unchecked, false, 0),
            (vec![(Prefer, &good)], InStep, false, 0),
            (vec![(Prefer, &good), (Prefer, &unknown)], Unknown, false, 1),
            (vec![(Prefer, &drifted), (Require, &unknown)], Drifted, false, 2),
            (vec![(Require, &drifted), (Prefer, &good)], Drifted, true, 1),
            (vec![(Report, &drifted)], Unchecked, false, 1),
            (vec![(Report, &drifted), (Prefer, &good)], InStep, false, 1),
        ] {
            let all = combine(findings.iter().map(|(gate, parity)| ("c", *gate, *parity)));
            assert_eq!((all.verdict, all.required, all.notes.len()), (verdict, required, notes), "{findings:?}");
        }
        assert_eq!(combine([("index size", Prefer, &drifted)]).notes, ["index size: 1 against 2"]);
        assert_eq!(combine([]), BackendParity::default());
    }
}
