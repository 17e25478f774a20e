//! What ends by itself: pins and drills that are over, holds that nothing needs any longer.

use super::decide::Effect;
use super::{Pin, Run, Steering};
use crate::model::{Cause, Health, Now};

impl Steering {
    /// What held the pool where it was does so no longer once it is elsewhere, or once there is no need.
    pub(super) fn relax(&mut self) {
        let home = self.active.is_some() && self.active == self.field().home();
        self.standing.away &= !home;
        self.standing.forced &= !self.is_sound();
    }

    /// Whether the active backend needs no force to stay: it was found good since. After a restart nothing is known yet,
    /// and what was forced before it still is.
    pub(super) fn is_sound(&self) -> bool {
        self.active.and_then(|active| self.backends.get(active)).is_some_and(|state| match state.health() {
            Health::Healthy => true,
            Health::Unknown => self.policy.probes.is_none(),
            Health::Unhealthy => false,
        })
    }

    /// Ends pins and drills that are over.
    pub(super) fn lapse(&mut self, now: Now) -> Option<Effect> {
        if let Some(pin) = &self.standing.pin {
            let note = self.pin_over(pin, now)?;
            self.standing.pin = None;
            self.standing.hold_from = Some(now.at);
            return Some(Effect::seen(Cause::PinOver, Some(note)));
        }
        let run = self.standing.drill.as_ref()?;
        let (cause, note) = self.drill_over(run, now)?;
        let goal = self.back_to(run.origin);
        self.standing.drill = None;
        Some(Effect { goal, ..Effect::seen(cause, Some(note)) })
    }

    /// Why a pin holds no longer.
    fn pin_over(&self, pin: &Pin, now: Now) -> Option<String> {
        let field = self.field();
        let name = self.called(pin.backend);
        if pin.until.is_some_and(|until| until.at <= now.at) {
            return Some(format!("the pin to {name} is over"));
        }
        let other = field.choices().iter().any(|b| *b != pin.backend);
        let yields = pin.yield_when_down && !field.available(pin.backend) && other;
        yields.then(|| format!("the pin to {name} gave way: {}", self.lacks(pin.backend)))
    }

    /// Why a drill is over: its time, or a real failure of one of its two backends.
    fn drill_over(&self, run: &Run, now: Now) -> Option<(Cause, String)> {
        let mut pair = [run.target, run.origin].into_iter();
        if let Some(down) = pair.find(|b| !self.field().available(*b)) {
            let note = format!("the drill was given up: {}: {}", self.called(down), self.lacks(down));
            return Some((Cause::DrillAborted, note));
        }
        // After a restart: who may not take it back yet, because it was not probed yet, would be left behind.
        let over = run.until.at <= now.at && !self.unjudged(run.origin);
        over.then(|| (Cause::DrillOver, "the drill is over".to_owned()))
    }

    /// Whether probes have yet to say how a backend is.
    pub(super) fn unjudged(&self, backend: usize) -> bool {
        self.policy.probes.is_some() && self.backends.get(backend).is_some_and(|it| it.health() == Health::Unknown)
    }

    /// Where a drill that ends now gives back to; none when that one cannot take it.
    pub(super) fn way_back_from_drill(&self) -> Option<usize> {
        self.standing.drill.as_ref().and_then(|run| self.back_to(run.origin))
    }

    /// Where a drill that hurts gives back to: what served well before need not be known to be in step now.
    pub(super) fn flee_to(&self, origin: usize) -> Option<usize> {
        let open = |origin: &usize| self.field().available(*origin) && !self.backends[*origin].barred();
        Some(origin).filter(open)
    }

    pub(super) fn back_to(&self, origin: usize) -> Option<usize> {
        Some(origin).filter(|origin| self.field().ready(*origin))
    }
}
