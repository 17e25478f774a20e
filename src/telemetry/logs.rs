//! Sets up tracing: what botgate says about itself, on standard error.
//!
//! A thread of its own writes it: whoever reads standard error may stop to read (a terminal that is held, a journal daemon
//! whose disk hangs), and no request may wait for that.

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// The variable that says what is logged: `info`, `botgate=debug`, and so on.
const VARIABLE: &str = "BOTGATE_LOG";

/// Lines that wait for whoever reads standard error; what comes on top is dropped and counted.
const QUEUE: usize = 4096;

/// Writes what is still queued when it is dropped, for as long as somebody reads it. Hold it until the process ends.
#[derive(Debug)]
pub struct LogGuard {
    _writer: WorkerGuard,
    unlogged: Unlogged,
}

impl LogGuard {
    /// How many lines are lost.
    pub fn unlogged(&self) -> Unlogged {
        self.unlogged.clone()
    }
}

/// Counts the lines of the log that nobody took in time.
#[derive(Clone, Debug, Default)]
pub struct Unlogged(Option<ErrorCounter>);

impl Unlogged {
    /// Lines dropped since the start.
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, |counter| counter.dropped_lines() as u64)
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object per line.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter does not parse.
    #[error(
        "{VARIABLE}={text:?} is no log filter: {source}; write a level (info) or target=level, separated by commas"
    )]
    Filter {
        /// What the variable holds.
        text: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// It was set up before.
    #[error("logging is already set up: {0}")]
    Twice(#[from] TryInitError),
}

impl LogFormat {
    /// Logs from now on, filtered by `BOTGATE_LOG`; without it, at level `info`.
    ///
    /// # Errors
    /// A filter that does not parse, or a second call in one process.
    pub fn init(self) -> Result<LogGuard, LogError> {
        let filter = filter(std::env::var(VARIABLE).ok())?;
        let registry = tracing_subscriber::registry().with(filter);
        let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(QUEUE);
        let (writer, guard) = builder.thread_name("botgate-log").finish(std::io::stderr());
        let unlogged = Unlogged(Some(writer.error_counter()));
        match self {
            Self::Human => {
                let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_target(false);
                // NO_COLOR: <https://no-color.org>
                let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                let colour = !plain && std::io::IsTerminal::is_terminal(&std::io::stderr());
                registry.with(layer.with_ansi(colour)).try_init()?;
            }
            Self::Json => {
                let layer = tracing_subscriber::fmt::layer().json().flatten_event(true);
                registry.with(layer.with_writer(writer)).try_init()?;
            }
        }
        Ok(LogGuard { _writer: guard, unlogged })
    }
}

fn filter(text: Option<String>) -> Result<EnvFilter, LogError> {
    // The libraries warn of what clients do; that is no news for who runs a public endpoint.
    let text = text.unwrap_or_else(|| "info,hyper=error,h2=error,rustls=error".to_owned());
    EnvFilter::builder().parse(&text).map_err(|source| LogError::Filter { text, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_is_named_with_its_variable() {
        let error = filter(Some("botgate=shouting".into())).unwrap_err().to_string();
        assert!(error.contains("BOTGATE_LOG") && error.contains("shouting"), "{error}");
        assert!(filter(Some("botgate=debug,info".into())).is_ok());
        assert!(filter(None).is_ok());
    }
}
