//! What a gateway stands on: a directory with certificates, and the config written into it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::backend::Backend;
use super::tls::{Authority, replace};

/// The host that the usual certificate and route name.
pub const HOST: &str = "bot.test";

/// Probes that find a dead backend within a second, and leave a standby that was healthy alone.
pub const PROBE: &str = r#"probe = { path = "/healthz", interval = "500ms", timeout = "250ms", fall = 2, rise = 2 }"#;

/// A temporary directory with a CA and certificates for [`HOST`] and `other.test`.
pub struct Site {
    dir: TempDir,
    pub authority: Arc<Authority>,
}

impl Site {
    pub fn new() -> Self {
        let dir = TempDir::with_prefix("botgate-it-").unwrap();
        let authority = Authority::new();
        std::fs::write(dir.path().join("ca.pem"), authority.pem()).unwrap();
        authority.issue(&[HOST, "*.bot.test", "localhost", "127.0.0.1"]).write(dir.path(), "bot");
        authority.issue(&["other.test"]).write(dir.path(), "other");
        Self { dir, authority: Arc::new(authority) }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file in it, as text for a config or an argument.
    pub fn text_path(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Writes a file, whole.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        replace(&self.path(name), content.as_bytes());
        self.path(name)
    }

    /// What every config begins with: one TLS listener (with `keys` of its own) and the admin listener, on ports that the
    /// system picks.
    pub fn head(&self, keys: &str) -> String {
        self.head_on("127.0.0.1:0", keys)
    }

    /// The same on a given address.
    pub fn head_on(&self, bind: &str, keys: &str) -> String {
        let at = |name: &str| self.text_path(name);
        format!(
            "state_dir = \"{}\"\nworkers = 2\nshutdown_grace = \"10s\"\n\n\
             [[listener]]\nbind = \"{bind}\"\ncertificates = [{{ chain = \"{}\", key = \"{}\" }}, {{ chain = \"{}\", key = \"{}\" }}]\n{keys}\n\n\
             [admin]\nbind = \"127.0.0.1:0\"\n\n",
            at("state"),
            at("bot.pem"),
            at("bot.key"),
            at("other.pem"),
            at("other.key"),
        )
    }

    /// A route of [`HOST`] to a pool named `bot` of these backends; `keys` are the pool's.
    pub fn pool(&self, keys: &str, backends: &[&Backend]) -> String {
        let entries: Vec<(&str, String, String)> =
            backends.iter().map(|backend| (backend.name(), backend.url(), self.trust(backend))).collect();
        pool_of("bot", keys, &entries, &format!("host = \"{HOST}\"\n"))
    }

    /// A whole config with one pool.
    pub fn config(&self, keys: &str, backends: &[&Backend]) -> String {
        self.head("") + &self.pool(keys, backends)
    }

    /// The `ca` key that a TLS backend needs; nothing for a plain one.
    pub fn trust(&self, backend: &Backend) -> String {
        let tls = format!("ca = \"{}\"\nhttp2 = {}\n", self.text_path("ca.pem"), backend.http2());
        if backend.url().starts_with("https") { tls } else { String::new() }
    }
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

/// A pool with its route. Backends are name, URL and further keys.
pub fn pool_of(name: &str, keys: &str, backends: &[(&str, String, String)], route: &str) -> String {
    let mut text = format!("[[route]]\n{route}pool = \"{name}\"\n\n[[pool]]\nname = \"{name}\"\n{keys}\n");
    for (backend, url, more) in backends {
        write!(text, "[[pool.backend]]\nname = \"{backend}\"\nurl = \"{url}\"\n{more}\n").unwrap();
    }
    text
}
