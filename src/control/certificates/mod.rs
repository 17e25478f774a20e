//! The certificates that this process shows: which end soon, and what their issuers say of them (OCSP), fetched in the
//! background and stapled to handshakes.
//!
//! | file | its one idea |
//! |---|---|
//! | `schedule` | when an issuer is asked: halfway to the end of what it said last, and again soon after a failure |
//! | `fetch` | one question to a responder |
//! | `disk` | the answers of last time, for a start while a responder is out of reach |
//! | `state` | what is known of every certificate |
//! | `take` | what control makes of an answer |

mod disk;
mod fetch;
mod schedule;
mod state;
mod take;

pub(super) use fetch::fetch;
pub(super) use state::{Certificates, Question};
