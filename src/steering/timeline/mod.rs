//! PURE: a simulated world around the state machine, in virtual time: what a script of faults and orders would cause.
//!
//! [`run`] steers every pool of a config by the code that control steers them by ([`Steering`](super::Steering),
//! [`Schedule`](super::Schedule)), and stands in for what surrounds it: backends that behave as the script says (`meets`),
//! probes that find them so (`observed`), live requests that tell of them (`traffic`). [`examine`] does so with faults of its
//! own, and says which numbers of a config cannot work together.

mod arithmetic;
mod bounds;
mod entry;
mod events;
mod faults;
mod faulty;
mod meets;
mod observed;
mod request;
#[cfg(test)]
mod tests;
mod traffic;
mod world;

pub use arithmetic::{Concern, examine};
pub use entry::{Entry, Happened, Timeline};
pub use faults::{Clients, FaultReport};
pub use world::run;
