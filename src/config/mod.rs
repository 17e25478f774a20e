//! Text → raw → validated [`Config`]; every error at once, with line, column, key and hint.

mod raw;
mod raw_pool;
mod raw_values;
mod report;
mod schema;
mod text;
mod types;

pub use report::{Position, Problem, Report, Severity};
pub use schema::json_schema;
pub use types::*;

#[cfg(test)]
mod tmp { #[test] fn show() { std::fs::write("/tmp/cfg-schema.json", serde_json::to_string_pretty(super::json_schema()).unwrap()).unwrap(); } }
