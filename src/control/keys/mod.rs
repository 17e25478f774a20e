//! The keys of token issuers: fetched in the background, kept on the disk, used stale when nobody can be reached.
//!
//! | file | its one idea |
//! |---|---|
//! | `schedule` | when keys are fetched: daily, soon after a failure, at most hourly for a key that is not known |
//! | `fetch` | one fetch: OpenID metadata, then the keys that it names |
//! | `disk` | the keys of last time, for a start while the issuer is out of reach |
//! | `state` | what is known of every issuer |
//! | `take` | what control makes of a fetch that ended |

mod disk;
mod fetch;
mod schedule;
mod state;
mod take;

pub(super) use fetch::fetch;
pub(super) use state::Keys;
