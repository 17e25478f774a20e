//! The other end of a WebSocket: every message back, unmasked.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Answers the upgrade, and echoes messages of up to 125 bytes until a frame of another kind or the end.
pub(super) async fn echo(mut stream: TcpStream, key: &str, ahead: &[u8]) -> std::io::Result<()> {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes());
    let accept = base64(digest.as_ref());
    let head =
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ";
    stream.write_all(format!("{head}{accept}\r\n\r\n").as_bytes()).await?;
    let (mut read, mut write) = (ahead.to_vec(), Vec::new());
    loop {
        let mut done = 0;
        while let [first, second, mask @ ..] = &read[done..] {
            let length = usize::from(second & 0x7f);
            if !matches!(first, 0x81 | 0x82) || length > 125 || second & 0x80 == 0 {
                return Ok(());
            }
            let Some(body) = mask.get(4..4 + length) else { break };
            write.extend_from_slice(&[*first, length as u8]);
            write.extend(body.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
            done += 6 + length;
        }
        read.drain(..done);
        if !write.is_empty() {
            stream.write_all(&write).await?;
            write.clear();
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let bits = part.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize] as char;
            text.push(if at <= part.len() { digit } else { '=' });
        }
    }
    text
}
