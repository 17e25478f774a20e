//! The data plane: one request, top to bottom: route → guard → attempts → response.
//!
//! | file | its one idea |
//! |---|---|
//! | `gateway` | a request from its head to its response |
//! | `worker`, `worker_clock` | what the requests of one worker share; its clock, read once in a poll |
//! | `client` | who is at the other end of a connection |
//! | `head` | what is refused at once; the host and path that a request is routed by |
//! | `guard` | what a request must be before a bot sees it |
//! | `limits/` | what clients may take: requests under way, requests per second, bytes held |
//! | `fields`, `trailers` | what HTTP/2 may say that HTTP/1 could not; trailers on the way through |
//! | `headers`, `forwarding` | what changes in headers on the way through; what backends are told of the client |
//! | `exchange` | one request, and what its attempts share |
//! | `client_body`, `http2_body`, `client_upgrade` | the body of a client's request; the client's side of an upgrade |
//! | `recording` | a request body, passed on as it comes and held for a replay while it is small |
//! | `target` | a pool, or a backend, of the snapshot that a request read |
//! | `attempts`, `tried`, `plan` | which backend, and what after a failure: the loop, where it has been, and its pure decision |
//! | `attempt` | one try at one backend: connection, send, wait for the head |
//! | `waits`, `background` | deadlines and rescues of all that waits, by one timer per worker |
//! | `warmth` | connections that stand open to every backend that could take over |
//! | `tracking`, `delivery`, `record` | an activity delivered once: its resends, a delivery that outlives its client, what is kept of its answer |
//! | `flight`, `response` | the response on its way, and what is counted when it ends |
//! | `token` | who sends a request: the token that a guard wants |
//! | `log` | one request as the access log tells it |
//! | `tunnel/` | WebSockets and other upgrades, behind a 101 |
//! | `rest` | the rest of a body whose request is refused |
//! | `refuse`, `voice` | the one place that turns an error into a response, and how it is said to whom |

mod attempt;
mod attempts;
mod background;
mod client;
mod client_body;
mod client_upgrade;
mod delivery;
mod exchange;
mod fields;
mod flight;
mod forwarding;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gateway;
mod guard;
mod head;
mod headers;
mod http2_body;
mod limits;
mod log;
mod plan;
mod record;
mod recording;
mod refuse;
mod response;
mod rest;
mod target;
mod token;
mod tracking;
mod trailers;
mod tried;
mod tunnel;
mod voice;
mod waits;
mod warmth;
mod worker;
mod worker_clock;

pub use client::{Client, ClientCertificate};
pub use client_body::{BrokenBody, ClientBody, Http1Body, Http1Source};
pub use client_upgrade::{ClientUpgrade, NotUpgraded};
pub use forwarding::Told;
pub use gateway::Gateway;
pub use http2_body::Http2Body;
pub use refuse::refused_head;
pub use response::{ResponseBody, StreamError};
pub use tunnel::{ByteStream, End};
