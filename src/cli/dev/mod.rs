//! `botgate dev`: the local CA and the start page.

pub mod ca;
pub mod page;
