//! What a pool remembers of the activities that it delivers, so that a channel's own resend is answered from the first
//! delivery instead of being delivered again. Shared by all workers of a process; nothing of it outlives the process.
//!
//! | file | its one idea |
//! |---|---|
//! | `key` | what makes two requests the same activity, and the `Idempotency-Key` derived from it |
//! | `answer` | what is kept of a response |
//! | `shard` | one part of the table: what is under way, what is done, and in which order that grows old |
//! | `table` | the parts together, within their bounds |
//! | `ticket` | who delivers, and who waits for it |

mod answer;
mod key;
#[cfg(test)]
mod properties;
mod shard;
mod table;
#[cfg(test)]
mod threads;
mod ticket;

pub use answer::{Answer, KeptHeaders, Need};
pub use key::{ActivityId, Key};
pub use table::{Entry, Ledger, Levels};
pub use ticket::{Ticket, Waiting};
