//! HTTP/1 on an established connection, in one task and without a library: a request is read, answered and followed by the
//! next. Nothing is kept of a request once it is answered, and while it idles a connection holds no buffer.
//!
//! | file | its one idea |
//! |---|---|
//! | `connection` | what follows what: head, answer, response, the end |
//! | `shared` | the socket, and what was read of it: what the connection shares with the body of its request |
//! | `body` | the body of the present request, as who answers it reads it |
//! | `response` | a response on its way out |
//! | `encode`, `date` | heads of responses, and the framing of their bodies (pure) |
//! | `out` | bytes on their way to the client |
//! | `drive` | deadlines, the drain, slow readers |

mod body;
mod connection;
mod drive;
mod encode;
mod out;
mod response;
mod shared;
#[cfg(test)]
mod tests;

use super::{Handle, Io, ResponseBody, Session, cut_unread};
use crate::wire::MOST_REQUEST_FIELDS;
use crate::wire::h1::Limits;

use self::connection::{Connection, Ended};
use self::drive::End;

/// Serves HTTP/1 until the connection ends. After an upgrade the socket belongs to the handler.
pub(in crate::server) async fn serve_http1<S: Handle<B>, B: ResponseBody>(io: impl Io, session: Session<S>) {
    let Session { service, shared, config, outflow, pace, drain, tracker, stop, .. } = session;
    let limits = Limits { head: config.max_header_size, fields: MOST_REQUEST_FIELDS };
    let connection = Connection::new(io, limits, service, shared.clone());
    match drive::drive(connection, &shared.activity, &config, (&drain, &tracker), &stop, &outflow, pace).await {
        End::Ended(Ended::Closed) | End::Cut => {}
        End::Ended(Ended::Broken(error)) => tracing::debug!(%error, "client connection ended early"),
        End::Unread => cut_unread(&shared),
    }
}
