//! Text → raw → validated [`Config`]; every error at once, with line, column, key and hint.

mod types;

pub use types::*;
