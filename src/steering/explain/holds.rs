//! What holds a pool where it is.

use super::tell::Tell;
use crate::model::{FailbackMode, HoldKind, HoldView, Phase, Utc};
use crate::steering::failback::held_until;
use crate::steering::words::span;

impl Tell<'_> {
    /// What holds the pool where it is, the strongest first.
    pub(super) fn holds(&self) -> Vec<HoldView> {
        let standing = self.machine.standing();
        let mut holds = Vec::new();
        let mut add = |kind, until: Option<Utc>, text| holds.push(HoldView { kind, until, text });
        if let Some(pin) = &standing.pin {
            let until = pin.until.map(|until| until.utc);
            let end = until.map_or_else(|| "until it is released".to_owned(), |at| format!("until {}", self.then(at)));
            let yields = match pin.yield_when_down {
                true => "It gives way if that backend becomes unavailable.",
                false => "It holds even if that backend fails.",
            };
            let text = format!("A pin to {}, {end}. {yields} {}.", self.name(pin.backend), capital(&pin.note));
            add(HoldKind::Pin, until, text);
        }
        if let Some(run) = &standing.drill {
            let (until, origin) = (run.until.utc, self.name(run.origin));
            let text = format!("Drill {} until {}; it gives back to {origin}.", run.id, self.then(until));
            add(HoldKind::Drill, Some(until), text);
        }
        if standing.latched {
            let flap = self.machine.policy().flap;
            let (most, within) = (flap.failovers, span(flap.within));
            let text = format!(
                "A latch: more than {most} failovers within {within}. It does not end by itself. Only the death of the \
                 active backend still moves the pool."
            );
            add(HoldKind::Latch, None, text);
        }
        if standing.away && standing.pin.is_none() {
            let text = "An operator's failover: no rule moves the pool back, only an operator does.".to_owned();
            add(HoldKind::Operator, None, text);
        }
        holds.extend(self.wait());
        holds.extend(self.followed());
        holds
    }

    /// The hold or the window that the pool waits for.
    fn wait(&self) -> Option<HoldView> {
        if self.machine.phase() != Phase::Holding {
            return None;
        }
        let (field, rules) = (self.field(), &self.machine.policy().failback);
        let back = field.better(self.machine.active()?)?;
        let over = held_until(&field, self.machine.standing(), back)?;
        if over > self.now.at {
            let until = self.utc(over);
            let (name, hold) = (self.name(back), span(rules.hold));
            let text = format!("The hold of {hold}: {name} must stay ready until {}.", self.then(until));
            return Some(HoldView { kind: HoldKind::Hold, until: Some(until), text });
        }
        let opens = self.window_from(self.now.utc).filter(|_| rules.mode == FailbackMode::Window)?;
        let text = format!("The window of the way back: it opens {}.", self.then(opens));
        Some(HoldView { kind: HoldKind::Window, until: Some(opens), text })
    }

    fn followed(&self) -> Option<HoldView> {
        let leader = self.setting.follows?;
        let text = match self.machine.region() {
            Some(region) => {
                let name = self.name(region);
                format!("It follows {leader}, which is in {name}: {name} counts as the first priority here.")
            }
            None => format!("It follows {leader}, but has no backend in the region where that is."),
        };
        Some(HoldView { kind: HoldKind::Follow, until: None, text })
    }

    /// When the next window of the way back opens; `from` itself while one is open.
    pub(super) fn window_from(&self, from: Utc) -> Option<Utc> {
        self.machine.policy().failback.windows.iter().map(|window| window.opens(from)).min()
    }

    /// The windows of the way back, as the config says them.
    pub(super) fn windows(&self) -> String {
        let windows = self.machine.policy().failback.windows.iter().map(ToString::to_string);
        windows.collect::<Vec<_>>().join(", ")
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.trim_end_matches('.').chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
