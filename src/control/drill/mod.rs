//! Drills: rehearsed failovers with an end, limits and a report.
//!
//! Steering moves the pool and back; here is what stands around that. [`reading`] and [`history`] know how a pool was
//! served, now and in the hour before; [`watch`] says when a drill hurts; [`books`] counts what ended during it; [`course`]
//! takes one drill from its order to its final report, with what [`findings`] makes of it. [`desk`] holds what control knows
//! of drills, [`attend`] is called by the loop, [`orders`] answers operators, [`appointments`] begins what was planned.

mod appointments;
mod attend;
mod books;
mod course;
mod desk;
mod findings;
mod history;
mod markdown;
mod orders;
mod reading;
mod schedule;
mod watch;

pub(super) use desk::Drills;
pub use markdown::drill_markdown;
