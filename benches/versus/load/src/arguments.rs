//! The command line: a command, and `--name value` pairs.

use std::collections::HashMap;
use std::str::FromStr;
use std::time::Duration;

use crate::Outcome;

/// A command and its options.
pub(crate) struct Arguments {
    pub(crate) command: String,
    options: HashMap<String, String>,
}

impl Arguments {
    /// What this process was started with.
    pub(crate) fn read() -> Outcome<Self> {
        let mut words = std::env::args().skip(1);
        let command = words.next().ok_or("which command? --help lists them")?;
        if command == "--help" {
            for line in include_str!("main.rs").lines().map_while(|line| line.strip_prefix("//!")) {
                println!("{}", line.trim_start());
            }
            std::process::exit(0);
        }
        let mut options = HashMap::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").ok_or_else(|| format!("no option: {word}"))?;
            options.insert(name.to_owned(), words.next().ok_or_else(|| format!("--{name} needs a value"))?);
        }
        Ok(Self { command, options })
    }

    /// An option that may be left out.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    /// An option as a number or another type, with what it is when left out.
    pub(crate) fn or<T: FromStr>(&self, name: &str, default: T) -> Outcome<T> {
        match self.get(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| format!("--{name} cannot be {text:?}").into()),
        }
    }

    /// An option that must be there.
    pub(crate) fn need<T: FromStr>(&self, name: &str) -> Outcome<T> {
        let text = self.get(name).ok_or_else(|| format!("--{name} is missing"))?;
        text.parse().map_err(|_| format!("--{name} cannot be {text:?}").into())
    }

    /// An option in seconds, fractions allowed.
    pub(crate) fn seconds(&self, name: &str, default: f64) -> Outcome<Duration> {
        Ok(Duration::from_secs_f64(self.or(name, default)?))
    }
}
