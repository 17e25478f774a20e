//! What the bots and clients are built with, installed from lock files into ignored folders of the tree.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::callers::output;

/// The folder of the programs for Node; those for Python are in `python` below.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/bots")
}

/// Node's packages, by `npm ci`, unless what is installed is at least as new as the lock file.
pub fn packages() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        let changed = |path: PathBuf| std::fs::metadata(path).and_then(|data| data.modified()).ok();
        let installed = changed(folder().join("node_modules/.package-lock.json"));
        if installed.is_some() && installed >= changed(folder().join("package-lock.json")) {
            return;
        }
        eprintln!("installing the bots' packages: npm ci --ignore-scripts");
        output(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder()));
    });
}

/// The interpreter of an environment with the packages of `requirements.txt` and no others.
pub fn python() -> PathBuf {
    static DONE: OnceLock<()> = OnceLock::new();
    let environment = folder().join("python/.venv");
    let interpreter = environment.join("bin/python");
    DONE.get_or_init(|| {
        let requirements = folder().join("python/requirements.txt");
        let wanted = std::fs::read(&requirements).unwrap();
        let mark = environment.join("installed.txt");
        if std::fs::read(&mark).is_ok_and(|installed| installed == wanted) {
            return;
        }
        eprintln!("installing the Python bot's packages: pip install -r requirements.txt");
        output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment));
        let quiet =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"];
        output(Command::new(&interpreter).args(quiet).arg("--requirement").arg(&requirements));
        std::fs::write(mark, wanted).unwrap();
    });
    interpreter
}
