//! What commands write: results on standard output, errors on standard error; colours on a terminal only.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::Exit;

/// Writes a result, and says whether anyone still reads. A reader that went away (`| head`) is no error.
pub(super) fn out(text: &str) -> bool {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_ok()
}

/// Writes a result as indented JSON, and says whether anyone still reads.
pub(super) fn json(value: &impl Serialize) -> bool {
    serde_json::to_string_pretty(value).is_ok_and(|text| out(&format!("{text}\n")))
}

/// Writes a result as one line of JSON, and says whether anyone still reads.
pub(super) fn json_line(value: &impl Serialize) -> bool {
    serde_json::to_string(value).is_ok_and(|text| out(&format!("{text}\n")))
}

/// Writes what went wrong, and ends with `exit`.
pub(super) fn fail(exit: Exit, message: &str) -> Exit {
    let _ = writeln!(io::stderr().lock(), "botgate: {}", plain(message));
    exit
}

/// Says something beside the result, on standard error.
pub(super) fn note(message: &str) {
    let _ = writeln!(io::stderr().lock(), "note: {}", plain(message));
}

/// Text from elsewhere, without the control characters by which it could command the terminal; lines stay lines.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// Whether and how to colour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    on: bool,
}

/// What a colour says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tone {
    Good,
    Warning,
    Bad,
    Strong,
    Quiet,
}

impl Style {
    /// No colours.
    #[cfg(test)]
    pub(super) const PLAIN: Self = Self { on: false };

    /// Colours if standard output is a terminal that has them, and nobody asked for none (<https://no-color.org>).
    pub(super) fn of_stdout() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { on: io::stdout().is_terminal() && !set("NO_COLOR") && !dumb }
    }

    /// The text in the colour of its tone.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        if !self.on {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => 32,
            Tone::Warning => 33,
            Tone::Bad => 31,
            Tone::Strong => 1,
            Tone::Quiet => 2,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_elsewhere_cannot_command_the_terminal() {
        assert_eq!(plain("a\x1b[2Jb\r\nc\u{9b}1m"), "a [2Jb \nc 1m");
    }

    #[test]
    fn no_colours_where_none_are_wanted() {
        assert_eq!(Style::PLAIN.paint(Tone::Bad, "x"), "x");
        assert_eq!(Style { on: true }.paint(Tone::Bad, "x"), "\x1b[31mx\x1b[0m");
    }
}
