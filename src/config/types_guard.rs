//! A validated guard: what a request must be before a bot sees it.

use crate::model::TokenMode;

/// What a request must be before a bot sees it: an activity, with a token that says who sends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuardConfig {
    /// Path prefixes that are let through unchecked, on segment borders.
    pub open: Vec<String>,
    /// What becomes of a request whose token is wanting.
    pub tokens: TokenMode,
}
