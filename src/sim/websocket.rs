//! The streaming side of a bot: a WebSocket that echoes.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::FaultKind;
use super::answers::error;
use super::service::{Service, Weather};
use super::stream::Cut;

/// Answers 101 and echoes text and binary messages from then on.
pub(super) fn accept(service: &Service, cut: &Arc<Cut>, request: &mut Request<Incoming>) -> Response<Full<Bytes>> {
    let headers = request.headers();
    let version = headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    let key = headers.get(SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let Some(accept) = key.filter(|_| version).and_then(|key| HeaderValue::try_from(key).ok()) else {
        return error(StatusCode::BAD_REQUEST, "a WebSocket needs Sec-WebSocket-Key and Sec-WebSocket-Version: 13");
    };
    let weather = service.weather.subscribe();
    let cut = cut.clone();
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            session(upgraded, weather, cut).await;
        }
    });
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

async fn session(upgraded: Upgraded, mut weather: watch::Receiver<Weather>, cut: Arc<Cut>) {
    let mut down = weather.clone();
    let downs = down.borrow().downs;
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    let echo = async {
        while let Some(Ok(message)) = socket.next().await {
            let hangs = |weather: &Weather| {
                weather.active.as_ref().is_some_and(|active| active.fault.kind == FaultKind::Hang {})
            };
            if weather.wait_for(|weather| !hangs(weather)).await.is_err() {
                return;
            }
            let echoed = message.is_text() || message.is_binary();
            if echoed && socket.send(message).await.is_err() {
                return;
            }
        }
    };
    let ended = async {
        let _ = down.wait_for(|weather| weather.downs > downs).await;
        // The socket outlives `select!` here: the stream is dropped after this.
        cut.reset_on_drop();
    };
    tokio::select! {
        () = echo => {}
        () = ended => {}
    }
}
