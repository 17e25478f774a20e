//! Config texts and scripts.

use std::path::Path;
use std::sync::LazyLock;

use botgate::config::{self, Config, Loaded, Report};

/// What every environment variable holds.
const SECRET: &str = "S3cr3t-0f-the-env1ronment";

const BASE: &str = "[[listener]]\nbind = \"127.0.0.1:80\"\ntls = false\n[[route]]\npool = \"bot\"\n[[pool]]\n\
    name = \"bot\"\n[[pool.backend]]\nname = \"weu\"\nurl = \"http://a\"\n[[pool.backend]]\nname = \"neu\"\nurl = \"http://b\"\n";

static CONFIG: LazyLock<Config> = LazyLock::new(|| parsed(BASE).unwrap_or_else(|report| panic!("{report:?}")).config);

fn parsed(text: &str) -> Result<Loaded, Report> {
    config::parse("fuzzed", text, Path::new("/nonexistent"), &|_| Some(SECRET.to_owned()))
}

pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(script) = text.strip_prefix("#script") {
        if let Err(report) = config::parse_script("fuzzed", script, &CONFIG) {
            judge(&report, false);
        }
        return;
    }
    // A config names files, and some never end.
    if ["dev", "proc", "sys/", "\\u", "\\U", "\\x"].iter().any(|name| text.contains(name)) {
        return;
    }
    let first = parsed(text);
    // Now and then: it costs as much as all the rest.
    if data.len() % 8 == 0 {
        match (&first, &parsed(text)) {
            (Ok(first), Ok(second)) => assert_eq!(first.config, second.config, "one text, two configs"),
            (Err(first), Err(second)) => assert_eq!(first.render(false), second.render(false), "one text, two reports"),
            _ => panic!("one text, two verdicts"),
        }
    }
    match &first {
        Ok(first) => {
            assert!(!first.config.pools.is_empty() && !first.config.listeners.is_empty(), "nothing to serve");
            assert!(!format!("{:?}", first.config).contains(SECRET), "a config shows a secret");
            judge(&first.warnings, true);
        }
        Err(report) => judge(report, false),
    }
}

fn judge(report: &Report, good: bool) {
    assert_eq!(report.errors() == 0, good, "{}", report.render(false));
    let said = [report.render(false), report.lines().join("\n")].concat();
    assert!(!said.contains(SECRET), "a report shows a secret");
}
