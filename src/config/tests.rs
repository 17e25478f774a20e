//! The config from end to end: text in, config or report out.

mod admin;
mod bad;
mod files;
mod good;
mod parity;
mod policy;
mod probe;
mod properties;
mod question;
mod secrets;
mod tokens;

use std::path::Path;

use super::{Loaded, Report, parse};

/// The sample that is shipped.
const SAMPLE: &str = include_str!("../../config/botgate.toml");

/// The least that is a config; what a test adds goes before or after it.
const LEAST: &str = r#"
[[listener]]
bind = "127.0.0.1:0"
tls = false

[[route]]
pool = "p"

[[pool]]
name = "p"

  [[pool.backend]]
  name = "a"
  url = "https://a.example"
"#;

/// A directory with `certs/bot.pem` and `certs/bot.key`, which belong together.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    write_certificate(directory.path(), "bot", |_| {});
    directory
}

fn write_certificate(base: &Path, name: &str, tweak: impl FnOnce(&mut rcgen::CertificateParams)) {
    use std::os::unix::fs::PermissionsExt;
    let mut params = rcgen::CertificateParams::new(vec!["bot.contoso.com".to_owned()]).unwrap();
    tweak(&mut params);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let certs = base.join("certs");
    std::fs::create_dir_all(&certs).unwrap();
    std::fs::write(certs.join(format!("{name}.pem")), certificate.pem()).unwrap();
    let path = certs.join(format!("{name}.key"));
    std::fs::write(&path, key.serialize_pem()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// An environment in which every variable is set.
fn full(name: &str) -> Option<String> {
    Some(format!("value-of-{name}"))
}

fn in_directory(text: &str, base: &Path) -> Result<Loaded, Report> {
    parse("botgate.toml", text, base, &full)
}

/// Parses with every variable set and no file near.
fn bare(text: &str) -> Result<Loaded, Report> {
    in_directory(text, Path::new("/nonexistent"))
}

/// The problems of a text, as `line:column key: message (hint)`.
fn problems(text: &str) -> Vec<String> {
    let report = bare(text).map_or_else(|report| report, |loaded| loaded.warnings);
    report.lines().iter().map(|line| line.trim_start_matches("botgate.toml:").to_owned()).collect()
}
