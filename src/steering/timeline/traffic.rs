//! Live requests, and what workers tell of them (`proxy/attempts.rs`, `waits.rs`).
//!
//! Requests come at a constant rate. While the backend that they go to is well they are only counted; one by one they are
//! followed while it is not. They are those that the pool's replay rule covers: what happens to the others is bounded by
//! a rule (`bounds`), and changes no decision but by counting as a failure later.

use std::time::Duration;

use super::Happened;
use super::events::Due;
use super::meets::{Meeting, meet};
use super::request::{Request, Wait};
use super::world::World;
use crate::config::Condition;
use crate::model::{Fate, Health, Moment, Replay, Sign};

impl World<'_> {
    /// Counts the requests that arrived up to now and met nothing.
    pub(super) fn let_pass(&mut self, pool: usize) {
        let state = &mut self.pools[pool];
        let Some(first) = state.calm() else { return };
        let due = whole((self.now.at.since_origin().as_secs_f64() * state.rate).floor());
        let passed = due.saturating_sub(state.arrived);
        state.arrived += passed;
        state.requests += passed;
        state.backends[first].attempts += passed;
        state.budget.observe(self.now.at, state.requests);
    }

    /// Follows the requests one by one from now on, unless they meet nothing.
    pub(super) fn follow_requests(&mut self, pool: usize) {
        let state = &mut self.pools[pool];
        let number = state.arrived + 1;
        if state.rate <= 0.0 || state.calm().is_some() || state.announced >= number {
            return;
        }
        state.announced = number;
        let at = Moment::from_origin(Duration::from_secs_f64(number as f64 / state.rate));
        self.queue.push(at.max(self.now.at), Due::Arrival { pool, number });
    }

    pub(super) fn arrive(&mut self, pool: usize, number: u64) {
        let state = &mut self.pools[pool];
        if number != state.arrived + 1 {
            return;
        }
        state.arrived = number;
        state.requests += 1;
        state.budget.observe(self.now.at, state.requests);
        let request = Request::new(self.now.at, state.config.deadline, state.config.retry.rounds);
        self.send(pool, request);
    }

    /// Sends a request to the next backend, and to the next, until one answers, one keeps it waiting, or none is left.
    fn send(&mut self, pool: usize, mut request: Request) {
        loop {
            let Some(backend) = self.another(pool, &request) else { return self.rest(pool, request) };
            request.tried.push(backend);
            request.elsewhere |= request.tried.len() > 1;
            let now = self.now.at;
            let state = &mut self.pools[pool];
            let target = &mut state.backends[backend];
            target.attempts += 1;
            request.met = request.met.or(target.fault);
            let meeting = meet(target.condition, &mut self.random);
            let rules = &state.config.evidence;
            let (fate, told) = match meeting {
                Meeting::Served(Duration::ZERO) => return self.finish(pool, &request, false),
                Meeting::Status(status) if !state.config.retry.status.contains(status) => {
                    if rules.status.contains(status) {
                        self.queue.push(now, Due::Evidence { pool, backend, slow: false });
                    }
                    return self.finish(pool, &request, status >= 500);
                }
                Meeting::Served(after) => return self.wait(pool, backend, request, Some(after)),
                Meeting::Silence => return self.wait(pool, backend, request, None),
                Meeting::Status(status) => (Fate::Refused, rules.status.contains(status)),
                Meeting::Reset => (Fate::Ambiguous, rules.counts(Sign::Broken, true)),
                Meeting::Refused => (Fate::Unsent, rules.counts(Sign::Dial, true)),
            };
            if told {
                self.queue.push(now, Due::Evidence { pool, backend, slow: false });
            }
            if !self.may_try_again(pool, fate, &request) {
                return self.finish(pool, &request, true);
            }
        }
    }

    fn wait(&mut self, pool: usize, backend: usize, request: Request, answer: Option<Duration>) {
        let now = self.now.at;
        self.count += 1;
        let wait = self.count;
        let config = self.pools[pool].config;
        self.queue.push(now + config.evidence.suspect_after, Due::Suspect { pool, wait });
        if let Some(after) = answer {
            self.queue.push(now + after, Due::Answer { pool, wait });
        }
        if let Some(limit) = config.attempt_timeout {
            self.queue.push(now + limit, Due::Timeout { pool, wait });
        }
        self.queue.push(request.deadline, Due::Deadline { pool, wait });
        self.pools[pool].waits.insert(wait, Wait { request, backend, since: now, silent: answer.is_none() });
    }

    pub(super) fn suspect(&mut self, pool: usize, wait: u64) {
        if let Some(Wait { backend, .. }) = self.pools[pool].waits.get(&wait) {
            self.queue.push(self.now.at, Due::Evidence { pool, backend: *backend, slow: true });
        }
    }

    pub(super) fn answer(&mut self, pool: usize, wait: u64) {
        if let Some(wait) = self.pools[pool].waits.remove(&wait) {
            self.finish(pool, &wait.request, false);
        }
    }

    /// The attempt, or the whole request, is out of time, or its connection broke.
    pub(super) fn give_up(&mut self, pool: usize, wait: u64, deadline: bool, sign: Sign) {
        let Some(Wait { request, backend, since, .. }) = self.pools[pool].waits.remove(&wait) else { return };
        let config = self.pools[pool].config;
        let fair = !deadline || self.now.at.since(since) >= config.evidence.fair_wait(config.deadline);
        if fair && config.evidence.counts(sign, true) {
            self.queue.push(self.now.at, Due::Evidence { pool, backend, slow: false });
        }
        if !deadline && self.may_try_again(pool, Fate::Ambiguous, &request) {
            self.send(pool, request);
        } else {
            self.finish(pool, &request, true);
        }
    }

    /// What waits on a backend meets its new condition.
    pub(super) fn meet_again(&mut self, pool: usize, backend: usize, condition: Condition) {
        let cut = matches!(condition, Condition::Down | Condition::Reset);
        let stays = condition == Condition::Hang;
        let concerned = |wait: &Wait| wait.backend == backend && (cut || (wait.silent && !stays));
        let waits = &mut self.pools[pool].waits;
        let numbers: Vec<u64> = waits.iter().filter(|(_, wait)| concerned(wait)).map(|(number, _)| *number).collect();
        for number in numbers {
            match condition {
                Condition::Slow(by) => {
                    self.queue.push(self.now.at + by, Due::Answer { pool, wait: number });
                    self.pools[pool].waits.get_mut(&number).into_iter().for_each(|wait| wait.silent = false);
                }
                _ if cut => self.give_up(pool, number, false, Sign::Broken),
                _ => self.answer(pool, number),
            }
        }
    }

    /// Frees the requests that wait on a backend that was given up, where another could serve them.
    pub(super) fn rescue(&mut self, pool: usize) {
        let state = &self.pools[pool];
        let bad = |at: usize| state.steering.backends().get(at).is_none_or(|b| b.health() == Health::Unhealthy);
        if !self.replayable(pool) || state.steering.order_of_attempts().into_iter().all(bad) {
            return;
        }
        let again = |request: &Request| !request.rounds.is_last() || self.another(pool, request).is_some();
        let lost = |wait: &Wait| bad(wait.backend) && again(&wait.request);
        let lost: Vec<u64> = state.waits.iter().filter(|(_, wait)| lost(wait)).map(|(number, _)| *number).collect();
        for number in lost {
            if let Some(Wait { mut request, .. }) = self.pools[pool].waits.remove(&number) {
                if self.another(pool, &request).is_none() {
                    request.rounds.begin();
                    request.tried.clear();
                }
                self.send(pool, request);
            }
        }
    }

    /// Every backend was tried: the request waits for the next round, if there is one.
    fn rest(&mut self, pool: usize, mut request: Request) {
        let left = request.deadline.since(self.now.at);
        // What was said no to does not come here: it may not be tried again.
        if request.tried.is_empty() || !request.rounds.another(Fate::Ambiguous, left) {
            return self.finish(pool, &request, true);
        }
        let pause = request.rounds.begin();
        request.tried.clear();
        request.elsewhere = true;
        self.count += 1;
        self.queue.push(self.now.at + pause, Due::Round { pool, rest: self.count });
        self.pools[pool].resting.insert(self.count, request);
    }

    /// The pause of a request is over.
    pub(super) fn go_on(&mut self, pool: usize, rest: u64) {
        if let Some(request) = self.pools[pool].resting.remove(&rest) {
            self.send(pool, request);
        }
    }

    /// A backend was found well, or another is active: pauses are over.
    pub(super) fn go_on_all(&mut self, pool: usize) {
        for request in std::mem::take(&mut self.pools[pool].resting).into_values() {
            self.send(pool, request);
        }
    }

    fn another(&self, pool: usize, request: &Request) -> Option<usize> {
        let order = self.pools[pool].steering.order_of_attempts();
        order.into_iter().find(|backend| !request.tried.contains(backend))
    }

    fn replayable(&self, pool: usize) -> bool {
        self.pools[pool].config.replay != Replay::Unsent
    }

    fn may_try_again(&self, pool: usize, fate: Fate, request: &Request) -> bool {
        let state = &self.pools[pool];
        let retry = &state.config.retry;
        let left = request.deadline.since(self.now.at);
        (fate == Fate::Unsent || self.replayable(pool))
            && (self.another(pool, request).is_some() || request.rounds.another(fate, left))
            && state.budget.take(self.now.at, state.requests, retry.budget, retry.floor)
    }

    fn finish(&mut self, pool: usize, request: &Request, failed: bool) {
        let Some(fault) = request.met else { return };
        let took = self.now.at.since(request.arrived);
        let report = &mut self.faults[fault];
        report.clients.count(took, failed, request.elsewhere);
        if failed && report.clients.failed == 1 {
            let backend = report.backend.clone();
            self.note(pool, Happened::ClientsFail { backend, after: took });
        }
    }
}

/// A count from a rate.
fn whole(count: f64) -> u64 {
    count.max(0.0) as u64
}
