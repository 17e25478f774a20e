//! The clients that people use, each as a command of its own that trusts the test CA.

use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a command that ends by itself: its standard output.
///
/// # Panics
/// When it cannot be started or does not exit with 0.
pub fn output(command: &mut Command) -> String {
    let done = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(done.status.success(), "{command:?}: {}\n{}{}", done.status, text(&done.stdout), text(&done.stderr));
    text(&done.stdout)
}

/// curl, told to speak one version (`--http1.1`, `--http2`): the version that was spoken, the status, and the body.
pub fn curl(version: &str, ca: &Path, url: &str, activity: &str) -> (String, u16, String) {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "10", version, "--cacert"]).arg(ca);
    curl.args(["--header", "Content-Type: application/json", "--data-binary", activity]);
    curl.args(["--write-out", "\n%{http_version} %{http_code}", url]);
    let said = output(&mut curl);
    let (body, last) = said.rsplit_once('\n').unwrap();
    let (spoken, status) = last.split_once(' ').unwrap();
    (spoken.to_owned(), status.parse().unwrap(), body.to_owned())
}

/// Node's fetch; `mode` as in `clients/fetch.mjs`.
pub fn node(mode: &str, ca: &Path, url: &str, activity: &str) -> String {
    let mut node = Command::new("node");
    node.arg(program("fetch.mjs")).args([mode, url, activity]).env("NODE_EXTRA_CA_CERTS", ca);
    output(&mut node)
}

/// Python's `http.client` over `ssl`.
pub fn python(ca: &Path, url: &str, activity: &str) -> String {
    let mut python = Command::new("python3");
    python.arg(program("client.py")).arg(ca).args([url, activity]);
    output(&mut python)
}

fn program(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/clients").join(name)
}
