//! Azure Resource Manager JSON. A byte of choice, then the document.

use std::path::Path;

use botgate::config;
use botgate::import::{Imported, front_door, traffic_manager};

const CERTIFICATES: &str = "certificates = [{ chain = \"certs/bot.pem\", key = \"certs/bot.key\" }]";

pub fn target(data: &[u8]) {
    let (choice, bytes) = crate::choice(data);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let import = if choice % 2 == 0 { traffic_manager } else { front_door };
    let Ok(Imported { config, notes }) = import(text) else { return };
    assert!(config.contains(CERTIFICATES));
    let config = config.replace(CERTIFICATES, "tls = false");
    if let Err(report) = config::parse("imported", &config, Path::new(""), &|_| None) {
        panic!("{}\n{config}", report.render(false));
    }
    assert!(notes.len() <= 100 + bytes.len(), "{} notes on {} bytes", notes.len(), bytes.len());
}
