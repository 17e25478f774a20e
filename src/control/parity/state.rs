//! What the parity checks of a pool found last, and which questions are under way.

use std::sync::Arc;

use super::schedule::Schedule;
use super::tls::ParityTls;
use crate::config::{BackendConfig, ParityConfig, PoolConfig};
use crate::control::names::Names;
use crate::control::outside::ParityTarget;
use crate::model::{BackendName, BackendParityView, Moment, Now, ParityView, Utc};
use crate::steering::{BackendParity, Parity, Sample, combine_parity, compare_parity, rule_in_words};
use crate::upstream::TlsClient;

/// Which round of which check a question belongs to: what comes back late belongs to none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::control) struct Tag {
    check: Arc<str>,
    round: u64,
}

/// A question to be asked.
#[derive(Debug)]
pub(in crate::control) struct Errand {
    /// The backend it is about, as the pool numbers them.
    pub(in crate::control) backend: usize,
    /// Where its answer belongs.
    pub(in crate::control) tag: Tag,
    /// Whom to ask, and what.
    pub(in crate::control) target: ParityTarget,
}

/// The parity checks of a pool.
#[derive(Debug, Default)]
pub(in crate::control) struct ParityState {
    backends: Vec<BackendName>,
    checks: Vec<CheckState>,
    rounds: u64,
    /// What was told of each backend last.
    told: Vec<(BackendName, BackendParity)>,
}

/// A check: its name is its identity, and what it found holds as long as nothing of it changes.
#[derive(Debug)]
struct CheckState {
    name: Arc<str>,
    config: ParityConfig,
    tls: Vec<Option<TlsClient>>,
    schedule: Schedule,
    /// The number of the round under way, or of the last one.
    round: u64,
    /// The answers of the round under way, by question.
    coming: Vec<Option<Result<Sample, String>>>,
    /// Those of the last round, and when it ended.
    last: Option<(Utc, Vec<Result<Sample, String>>)>,
}

impl ParityState {
    /// The checks of a pool as a config has them, with what `old` knows of those that did not change.
    pub(in crate::control) fn new(pool: &PoolConfig, tls: ParityTls, old: Option<Self>, now: Moment) -> Self {
        let mut old = old.unwrap_or_default();
        let checks = pool.parity.iter().zip(tls).map(|(config, tls)| {
            match old.checks.iter().position(|old| old.config == *config) {
                Some(at) => CheckState { tls, ..old.checks.swap_remove(at) },
                None => CheckState {
                    name: config.name.as_str().into(),
                    config: config.clone(),
                    tls,
                    schedule: Schedule::new(now),
                    round: 0,
                    coming: Vec::new(),
                    last: None,
                },
            }
        });
        let checks = checks.collect();
        let backends = pool.backends.iter().map(|backend| backend.name.clone()).collect();
        Self { backends, checks, rounds: old.rounds, told: old.told }
    }

    /// TLS to a service that has not changed and names no file.
    pub(super) fn tls_of(&self, check: &str, service: &BackendConfig) -> Option<Option<TlsClient>> {
        let check = self.checks.iter().find(|known| *known.name == *check)?;
        let at =
            check.config.requests.iter().position(|request| *request.service == *service && service.ca.is_none())?;
        check.tls.get(at).cloned()
    }

    /// The questions of every round that is due; they count as asked.
    pub(in crate::control) fn take_due(&mut self, now: Moment, names: &Names) -> Vec<Errand> {
        let mut errands = Vec::new();
        for check in self.checks.iter_mut().filter(|check| check.schedule.due(now)) {
            if !check.config.hosts().all(|host| names.settled(host)) {
                check.schedule.nameless(now);
                continue;
            }
            self.rounds += 1;
            check.round = self.rounds;
            check.coming = vec![None; check.config.requests.len()];
            check.schedule.started(now, check.config.interval, check.config.timeout, fastrand::f64());
            for (request, tls) in check.config.requests.iter().zip(&check.tls) {
                let Some(backend) = self.backends.iter().position(|name| *name == request.backend) else { continue };
                let target = ParityTarget {
                    request: request.clone(),
                    take: check.config.take.clone(),
                    timeout: check.config.timeout,
                    tls: tls.clone(),
                    addresses: names.addresses(&request.service.url),
                };
                errands.push(Errand { backend, tag: Tag { check: check.name.clone(), round: check.round }, target });
            }
        }
        errands
    }

    /// When the next round is due.
    pub(in crate::control) fn wakeup(&self) -> Option<Moment> {
        self.checks.iter().map(|check| check.schedule.wakeup()).min()
    }

    /// The pool was switched: all checks ask anew, soon.
    pub(in crate::control) fn switched(&mut self, now: Moment) {
        self.checks.iter_mut().for_each(|check| check.schedule.switched(now));
    }

    /// Takes the answer of one backend in, and tells whether it was the last of its round: then there is something new to
    /// compare. Answers of a round that was given up are dropped.
    pub(in crate::control) fn record(
        &mut self,
        tag: &Tag,
        backend: usize,
        result: Result<Sample, String>,
        now: Now,
    ) -> bool {
        let Some(name) = self.backends.get(backend) else { return false };
        let fits = |check: &&mut CheckState| check.name == tag.check && check.round == tag.round;
        let Some(check) = self.checks.iter_mut().find(fits) else { return false };
        let question = check.config.requests.iter().position(|request| request.backend == *name);
        let Some(place) = question.and_then(|at| check.coming.get_mut(at)) else { return false };
        *place = Some(result);
        if check.coming.iter().any(Option::is_none) {
            return false;
        }
        let answers: Vec<_> = std::mem::take(&mut check.coming).into_iter().flatten().collect();
        check.schedule.ended(now.at, answers.iter().all(Result::is_ok));
        check.last = Some((now.utc, answers));
        true
    }

    /// What all checks together say of each backend, where `active` is the active one.
    pub(in crate::control) fn verdicts(&self, active: Option<usize>, now: Utc) -> Vec<BackendParity> {
        let findings: Vec<_> = self.checks.iter().map(|check| (check, self.findings(check, active, now))).collect();
        let of = |backend: usize| {
            let said = findings.iter().flat_map(|(check, found)| {
                let own = found.iter().filter(move |(index, _)| *index == backend);
                own.map(|(_, parity)| (check.config.name.as_str(), check.config.gate, parity))
            });
            combine_parity(said)
        };
        (0..self.backends.len()).map(of).collect()
    }

    /// The backends of which something else is to be told than before: another verdict, or the first one.
    pub(in crate::control) fn news(&mut self, active: Option<usize>, now: Utc) -> Vec<(BackendName, BackendParity)> {
        let verdicts: Vec<_> = self.backends.iter().cloned().zip(self.verdicts(active, now)).collect();
        let told = std::mem::replace(&mut self.told, verdicts.clone());
        let mut news = verdicts;
        news.retain(|(name, is)| {
            let was = told.iter().find(|(known, _)| known == name).map(|(_, was)| (was.verdict, was.required));
            was.unwrap_or_default() != (is.verdict, is.required)
        });
        news
    }

    /// Every check as the admin API shows it.
    pub(in crate::control) fn views(&self, active: Option<usize>, now: Utc) -> Vec<ParityView> {
        let view = |check: &CheckState| {
            let findings = self.findings(check, active, now);
            let backends = findings.into_iter().filter_map(|(index, parity)| {
                let backend = self.backends.get(index)?.clone();
                let value = self.sample(check, &backend).map(ToString::to_string);
                let (verdict, why) = (parity.verdict(), parity.why().map(str::to_owned));
                Some(BackendParityView { backend, verdict, value, why })
            });
            ParityView {
                name: check.config.name.clone(),
                rule: rule_in_words(&check.config.rule),
                gate: check.config.gate,
                last: check.last.as_ref().map(|(at, _)| at.to_string()),
                backends: backends.collect(),
            }
        };
        self.checks.iter().map(view).collect()
    }

    fn sample<'a>(&self, check: &'a CheckState, backend: &BackendName) -> Option<&'a Sample> {
        let at = check.config.requests.iter().position(|request| request.backend == *backend)?;
        check.last.as_ref()?.1.get(at)?.as_ref().ok()
    }

    /// What one check says of the backends that it looks at.
    fn findings(&self, check: &CheckState, active: Option<usize>, now: Utc) -> Vec<(usize, Parity)> {
        let index = |at: usize| {
            let request = check.config.requests.get(at)?;
            self.backends.iter().position(|name| *name == request.backend)
        };
        match &check.last {
            Some((_, answers)) => {
                let samples: Vec<_> =
                    answers.iter().enumerate().filter_map(|(at, answer)| Some((index(at)?, answer.clone()))).collect();
                compare_parity(&check.config, &samples, &self.backends, active, now)
            }
            None => {
                let waiting = || Parity::Unknown { why: "not asked yet".to_owned() };
                (0..check.config.requests.len()).filter_map(|at| Some((index(at)?, waiting()))).collect()
            }
        }
    }
}
