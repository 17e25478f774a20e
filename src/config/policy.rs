//! What the keys mean that say when a pool moves: the way back, the flap budget, pins, drills.

use std::time::Duration;

use super::defaulted::{deadline, number, span};
use super::findings::Place;
use super::raw_policy::{RawDrill, RawFailback, RawFlap, RawPin};
use super::raw_values::RawWindow;
use super::types_policy::{DrillConfig, FailbackConfig, FlapConfig, PinConfig};
use super::values::{self, brief};
use crate::model::{FailbackMode, Window};

/// The way back to the first priority.
pub(super) fn failback(place: &Place<'_>, raw: Option<&RawFailback>) -> FailbackConfig {
    let none = RawFailback::default();
    let raw = raw.unwrap_or(&none);
    let mode = raw.mode.unwrap_or_default();
    let written = raw.windows.as_deref();
    let at = place.key("windows");
    match (raw.mode, written) {
        (Some(FailbackMode::Window), None | Some([])) => {
            let hint = "windows = [\"Sat 02:00-04:00\"], in UTC";
            at.absent("the mode \"window\" needs at least one window", hint);
        }
        (Some(FailbackMode::Window), _) | (_, None | Some([])) => {}
        // One that was written, but is no mode, has been reported.
        (None, _) if place.key("mode").is_reported() => {}
        // Whoever writes windows expects them to be kept: moving back at any hour would be a surprise.
        (None, _) => {
            let hint = "mode = \"window\" keeps to them; left out, it is \"auto\", which moves back at any time";
            at.error("windows without a mode", hint);
        }
        (Some(_), _) => {
            let message = format!("windows have no effect while the mode is \"{}\"", mode.as_str());
            at.warning(message, "mode = \"window\", or leave them out");
        }
    }
    FailbackConfig {
        mode,
        hold: span(&place.key("hold"), raw.hold.as_ref(), Duration::from_secs(60)),
        windows: windows(&at, written),
    }
}

fn windows(place: &Place<'_>, raw: Option<&[RawWindow]>) -> Vec<Window> {
    let all = raw.into_iter().flatten().enumerate();
    all.filter_map(|(at, raw)| place.index(at).take(values::window(&raw.0))).collect()
}

/// When moving becomes flapping.
pub(super) fn flap(place: &Place<'_>, raw: Option<&RawFlap>) -> FlapConfig {
    let none = RawFlap::default();
    let raw = raw.unwrap_or(&none);
    FlapConfig {
        failovers: number(raw.failovers, 3),
        within: deadline(&place.key("within"), raw.within.as_ref(), Duration::from_secs(3600)),
    }
}

/// What is true of a pin unless the operator says otherwise.
pub(super) fn pin(raw: Option<&RawPin>) -> PinConfig {
    PinConfig { yield_when_down: raw.and_then(|raw| raw.yield_when_down).unwrap_or_default() }
}

/// Rehearsals of a failover, in a pool of so many backends.
pub(super) fn drill(place: &Place<'_>, raw: Option<&RawDrill>, backends: usize) -> DrillConfig {
    let none = RawDrill::default();
    let raw = raw.unwrap_or(&none);
    let default = DrillConfig::default();
    let at = place.key("schedule");
    let windows = windows(&at, raw.schedule.as_deref());
    if !windows.is_empty() && backends == 1 {
        at.warning("the pool has one backend", "a drill needs a standby to move to: none will begin");
    }
    let lasts = deadline(&place.key("for"), raw.lasts.as_ref(), default.lasts);
    if let Some(short) = windows.iter().filter(|window| window.length() < lasts).min_by_key(|window| window.length()) {
        let message = format!("{} is longer than the window {short} ({})", brief(lasts), brief(short.length()));
        let at = if raw.lasts.is_some() { place.key("for") } else { at };
        at.warning(message, "a drill begins within its window, and this one would end after it");
    }
    let rate = raw.max_error_rate.as_ref().and_then(|raw| place.key("max_error_rate").take(values::share(raw)));
    if rate.is_some_and(|rate| rate >= 1.0) {
        let hint = "1 is 100 %: it goes on though every request fails; the default is \"1%\"";
        place.key("max_error_rate").warning("no drill is ever given up for its errors", hint);
    }
    let slowdown = raw.max_slowdown.unwrap_or(default.max_slowdown);
    if slowdown <= 1.0 {
        let hint = "more than 1: 3.0 gives up when the p99 is over three times that of the hour before";
        place.key("max_slowdown").error(format!("{slowdown:?} times as slow is not slower"), hint);
    }
    DrillConfig { windows, lasts, max_error_rate: rate.unwrap_or(default.max_error_rate), max_slowdown: slowdown }
}
