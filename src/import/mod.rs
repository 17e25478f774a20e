//! From what stands before two regions today to a config: Azure Resource Manager JSON in, TOML out. Pure.
//!
//! | file | its one idea |
//! |---|---|
//! | `expression` | the expressions of templates, as far as they can be worked out without Azure |
//! | `resources` | any shape that Azure hands out (template, export, list, one resource) → the resources in it |
//! | `body` | what a resource says, by types that may be written in more than one way |
//! | `draft` | what a config will say: pools, backends, routes; and what could not carry over |
//! | `traffic_manager`, `front_door` | from the resources of one service to a draft |
//! | `write` | a draft as TOML |
//!
//! What is written passes `botgate check` once its certificates are there: every value from a document is held against
//! the rule of its key first, and what does not pass is left out and told.

mod body;
mod draft;
mod expression;
mod front_door;
mod resources;
#[cfg(test)]
mod tests;
mod traffic_manager;
mod write;

pub use draft::Note;
pub use front_door::front_door;
pub use traffic_manager::traffic_manager;

/// A config that was made, and what somebody should know before it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// TOML. Holds what headers hold: treat it like the document that it was made of.
    pub config: String,
    /// What could not carry over, or works in another way, in the order in which it was met. Holds no header's value.
    pub notes: Vec<Note>,
}

/// Why nothing could be made of a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It is longer than [`MOST_BYTES`].
    #[error("it is longer than {} MiB, which no template is", MOST_BYTES >> 20)]
    TooLong,
    /// It is no JSON. What stands there is not repeated.
    #[error("it is no JSON: line {line}, column {column}")]
    NoJson {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// It holds nothing of what is looked for.
    #[error("there is no {wanted} in it; it holds {found}")]
    Nothing {
        /// The type of resource that is looked for.
        wanted: &'static str,
        /// The types that it has instead.
        found: String,
    },
    /// It has what is looked for, but not one backend that could be reached.
    #[error("it has no endpoint whose address is known: {0}")]
    NoBackends(String),
}

/// Longest document, in bytes. Azure takes templates of at most 4 MiB.
pub const MOST_BYTES: usize = 16 << 20;
