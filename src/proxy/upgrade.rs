//! Tunnels: after a backend's 101, bytes pass both ways unread (RFC 9110, section 7.8).

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::task::spawn_local;

use super::exchange::Exchange;
use super::flight::Flight;
use super::headers::prepare_response;
use super::refuse::Refusal;
use super::response::ResponseBody;

/// Passes a 101 on to the client, and joins both connections behind it.
pub(super) fn switch(
    exchange: &mut Exchange,
    mut response: Response<Incoming>,
    mut flight: Flight,
) -> Response<ResponseBody> {
    let Some((_, client)) = exchange.upgrade.take() else {
        // Nobody asked for it: the bytes that follow could be anything.
        flight.broken();
        return Refusal::Broken.into_response(Some(&exchange.request_id), true);
    };
    let backend = hyper::upgrade::on(&mut response);
    let protocol = response.headers_mut().remove(UPGRADE);
    spawn_local(async move {
        // Each side is ready once its 101 was written or read; one that never comes ends the other.
        let (Ok(client), Ok(backend)) = tokio::join!(client, backend) else {
            flight.broken();
            return;
        };
        let (mut client, mut backend) = (TokioIo::new(client), TokioIo::new(backend));
        // How a tunnel ends is the business of its two ends.
        if let Ok((_, to_client)) = copy_bidirectional(&mut client, &mut backend).await {
            flight.sent(usize::try_from(to_client).unwrap_or(usize::MAX));
        }
        flight.complete();
    });
    let version = response.version();
    prepare_response(response.headers_mut(), version, &exchange.request_id);
    let (parts, _) = response.into_parts();
    let mut switched = Response::new(ResponseBody::empty());
    *switched.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *switched.headers_mut() = parts.headers;
    switched.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(protocol) = protocol {
        switched.headers_mut().insert(UPGRADE, protocol);
    }
    switched
}
