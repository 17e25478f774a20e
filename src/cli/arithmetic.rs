//! What a simulation of a config's numbers adds to the warnings about it.

use crate::config::Loaded;
use crate::steering::timeline;

/// Adds a warning for each number that cannot work with the others. Takes milliseconds; opens no socket.
pub(super) fn examine(loaded: &mut Loaded) {
    for concern in timeline::examine(&loaded.config) {
        loaded.warnings.warn(&concern.key, concern.message, concern.hint);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;

    /// The sample that is shipped, without its certificates.
    const SAMPLE: &str = include_str!("../../config/botgate.toml");
    const CERTIFICATES: &str = "certificates = [{ chain = \"certs/bot.pem\", key = \"certs/bot.key\" }]";

    fn warnings(text: &str) -> Vec<String> {
        let text = text.replace(CERTIFICATES, "tls = false");
        let mut loaded =
            config::parse("botgate.toml", &text, Path::new(""), &|_| Some("a-secret-that-is-long-enough".to_owned()))
                .unwrap();
        examine(&mut loaded);
        loaded.warnings.lines()
    }

    #[test]
    fn the_sample_that_is_shipped_raises_no_alarm() {
        assert_eq!(warnings(SAMPLE), [""; 0]);
    }

    #[test]
    fn what_cannot_work_is_a_warning_at_the_line_of_its_key_or_of_its_table() {
        let hold = "hold = \"60s\"";
        let line = SAMPLE.lines().position(|line| line.starts_with("failback") && line.contains(hold)).unwrap() + 1;
        let found = warnings(&SAMPLE.replacen(hold, "hold = \"2s\"", 1));
        let wanted = format!("botgate.toml:{line}:36: warning: pool[0].failback.hold: a hold of 2 s is shorter");
        assert!(found.len() == 1 && found[0].starts_with(&wanted), "{wanted} in {found:?}");

        let line = SAMPLE.lines().position(|line| line == "[[pool]]").unwrap() + 1;
        let found = warnings(&SAMPLE.replacen(hold, "hold = \"25m\"", 1));
        let wanted = format!("botgate.toml:{line}:1: warning: pool[0].flap: a pool that flaps is never latched");
        assert!(found.len() == 1 && found[0].starts_with(&wanted), "{wanted} in {found:?}");
    }
}
