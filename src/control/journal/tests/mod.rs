//! The journal on real files, with real faults.

mod broken;
mod disk;
mod fixture;
mod kill;
mod ordinary;
mod retention;
