//! The Close frames that botgate sends of its own accord (RFC 6455, section 5.5.1).

use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::model::{Side, TunnelEnd};

/// What a peer is told. 1012 and 1001 have clients connect anew; 1012 is in the IANA registry of close codes.
pub(super) const fn code(end: TunnelEnd) -> CloseCode {
    match end {
        TunnelEnd::Idle | TunnelEnd::Total | TunnelEnd::Client => CloseCode::Away,
        // A backend that broke off: its clients find another when they connect anew.
        TunnelEnd::Failover | TunnelEnd::Failback | TunnelEnd::Shutdown | TunnelEnd::Backend => CloseCode::Restart,
        TunnelEnd::Protocol => CloseCode::Protocol,
    }
}

const fn reason(end: TunnelEnd) -> &'static str {
    match end {
        TunnelEnd::Idle => "idle for too long",
        TunnelEnd::Total => "open for too long",
        TunnelEnd::Client => "the client is gone",
        TunnelEnd::Failover | TunnelEnd::Failback | TunnelEnd::Shutdown | TunnelEnd::Backend => "service restart",
        TunnelEnd::Protocol => "broken frame",
    }
}

/// Appends the Close frame for this peer. To a backend botgate is a client, whose frames are masked (section 5.3).
/// It carries no extension bits: a control frame is not compressed (RFC 7692, section 6.1).
pub(super) fn append(end: TunnelEnd, to: Side, bytes: &mut Vec<u8>) {
    let mut frame = Frame::close(Some(CloseFrame { code: code(end), reason: reason(end).into() }));
    if to == Side::Backend {
        frame.header_mut().mask = Some(fastrand::u32(..).to_be_bytes());
    }
    // Writing to memory does not fail.
    let _ = frame.format(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_plainly_and_a_backend_under_a_mask() {
        let mut plain = Vec::new();
        append(TunnelEnd::Failover, Side::Client, &mut plain);
        assert_eq!(plain, b"\x88\x11\x03\xf4service restart");
        let mut masked = Vec::new();
        append(TunnelEnd::Idle, Side::Backend, &mut masked);
        assert_eq!(masked[..2], [0x88, 0x80 | 19]);
        let (mask, payload) = masked[2..].split_at(4);
        let payload: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        assert_eq!(payload, b"\x03\xe9idle for too long");
    }
}
