//! A WebSocket client through the gateway.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::Response;

use super::Outcome;
use super::client::tls;
use super::site::{HOST, Site};

/// An open WebSocket.
pub struct WebSocket {
    inner: WebSocketStream<tokio_rustls::client::TlsStream<TcpStream>>,
    pub response: Response,
}

impl WebSocket {
    /// Opens `wss://bot.test/PATH` at this address.
    pub async fn open(address: SocketAddr, site: &Site, path: &str) -> Outcome<Self> {
        let stream = tls(address, HOST, site.authority.client(&[b"http/1.1"])).await?;
        let (inner, response) = tokio_tungstenite::client_async(format!("wss://{HOST}{path}"), stream).await?;
        Ok(Self { inner, response })
    }

    /// Sends a text and waits for its echo.
    pub async fn echo(&mut self, text: &str) -> Outcome<String> {
        self.inner.send(Message::text(text)).await?;
        self.hear().await
    }

    /// Sends binary data and waits for its echo.
    pub async fn echo_binary(&mut self, data: Vec<u8>) -> Outcome<Vec<u8>> {
        self.inner.send(Message::binary(data)).await?;
        match tokio::time::timeout(Duration::from_secs(15), self.inner.next()).await? {
            Some(Ok(message)) => Ok(message.into_data().to_vec()),
            other => Err(format!("no echo: {other:?}").into()),
        }
    }

    /// The next text message.
    pub async fn hear(&mut self) -> Outcome<String> {
        match tokio::time::timeout(Duration::from_secs(15), self.inner.next()).await? {
            Some(Ok(Message::Text(text))) => Ok(text.to_string()),
            other => Err(format!("no text: {other:?}").into()),
        }
    }

    /// Closes in good order and waits for the peer to do so too.
    pub async fn close(mut self) -> Outcome<()> {
        self.inner.close(None).await?;
        while let Some(message) = tokio::time::timeout(Duration::from_secs(15), self.inner.next()).await? {
            if message.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Whether the peer closed, or the connection broke, within `patience`.
    pub async fn is_over(&mut self, patience: Duration) -> bool {
        matches!(
            tokio::time::timeout(patience, self.inner.next()).await,
            Ok(None | Some(Err(_) | Ok(Message::Close(_))))
        )
    }
}
