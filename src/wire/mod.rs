//! What is on the wire in front of the HTTP libraries: pure followers of a byte stream that see what those forgive.

pub mod h2;
