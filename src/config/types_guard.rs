//! A validated guard: what a request must be before a bot sees it.

use super::types_tokens::TokensConfig;

/// What a request must be before a bot sees it: an activity, with a token that says who sends it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GuardConfig {
    /// Path prefixes that are let through unchecked, on segment borders.
    pub open: Vec<String>,
    /// The check of tokens; none is off.
    pub tokens: Option<Box<TokensConfig>>,
}
