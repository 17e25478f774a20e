//! What `run` and `dev` share: read the config, start the gateway, wait for its end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::print;
use super::{Exit, arithmetic};
use crate::app::{self, Listening, Setup};
use crate::config::{self, FileWatcher, Report};
use crate::control::{Loaded, Network, NoWatch, Unloadable, Watch};
use crate::server::Takeover;
use crate::telemetry::LogFormat;

/// Where a config comes from, at the start and at each reload.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// A file.
    File(PathBuf),
    /// A text made by a command. Relative paths in it start at the current directory.
    Text(String),
}

impl Source {
    fn load(&self) -> Result<Loaded, Report> {
        let loaded = match self {
            Self::File(path) => config::load(path).map(|mut loaded| {
                arithmetic::examine(&mut loaded);
                loaded
            }),
            Self::Text(text) => config::parse("the built-in config", text, Path::new("."), &|_| None),
        }?;
        let warnings = loaded.warnings.lines();
        Ok(Loaded { config: Arc::new(loaded.config), warnings, files: loaded.warnings.files })
    }
}

/// Whether a restart goes on where this process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// In the config's `state_dir`.
    Kept,
    /// The journal is in memory.
    Forgotten,
}

/// Serves until a signal, and calls `listening` once connections are accepted.
pub(super) fn serve(
    source: Source,
    state: State,
    takeover: Takeover,
    json_log: bool,
    listening: impl FnOnce(&Listening),
) -> Exit {
    let format = if json_log { LogFormat::Json } else { LogFormat::Human };
    let log = match format.init() {
        Ok(log) => log,
        Err(error) => return print::fail(Exit::Usage, &error.to_string()),
    };
    let loaded = match source.load() {
        Ok(loaded) => loaded,
        Err(report) => return print::fail(Exit::Usage, &format!("the config is not valid\n{}", report.render(false))),
    };
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let watch: Box<dyn Watch> = match FileWatcher::new(loaded.files.clone()) {
        Ok(watcher) => Box::new(watcher),
        Err(error) => {
            tracing::warn!(%error, "config and certificate files are not watched: reload by SIGHUP or `botgate reload`");
            Box::new(NoWatch)
        }
    };
    let reload = move || {
        let unloadable = |report: Report| Unloadable { errors: report.lines(), files: report.files };
        source.load().map_err(unloadable)
    };
    let network = match Network::new(&loaded.config.dns, reload) {
        Ok(network) => network,
        Err(error) => return print::fail(Exit::No, &error),
    };
    let state_dir = match state {
        State::Kept => Some(loaded.config.state_dir.clone()),
        State::Forgotten => None,
    };
    let outside = Arc::new(network);
    match app::run(Setup { loaded, outside, watch, state_dir, takeover, unlogged: log.unlogged() }, listening) {
        Ok(drained) if drained.hurried => {
            tracing::warn!("stopped at once by a second signal: requests under way were cut");
            Exit::Done
        }
        Ok(drained) if drained.dead_workers > 0 => {
            let dead = drained.dead_workers;
            print::fail(Exit::No, &format!("stopped after a fault: {dead} of its workers had died; the log says why"))
        }
        Ok(drained) if drained.cut == 0 => {
            tracing::info!("stopped: all requests under way were answered");
            Exit::Done
        }
        Ok(drained) => {
            tracing::warn!(cut = drained.cut, "stopped: connections were cut after the grace");
            Exit::Done
        }
        Err(error) => print::fail(Exit::No, &error.to_string()),
    }
}
