//! `botgate check`: every error of a config at once, with line and hint.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::arithmetic;
use crate::config::{self, Config, Loaded, Report};

/// Check a config file and everything it names: certificates, keys, secrets. Opens no socket.
///
/// A config without errors is simulated as well (see `botgate simulate`): numbers that cannot work together, such as a
/// backend that hangs being found later than the deadline of a request, are warnings with the simulated figures.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Args {
    /// The config file.
    #[arg(long, short, value_name = "FILE", env = "BOTGATE_CONFIG")]
    pub config: PathBuf,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Checks, prints every problem, and says what the config serves. Exit code 0, or 2 when there is an error; warnings do
/// not change it.
pub(super) fn run(args: Args) -> ExitCode {
    let mut result = config::load(&args.config);
    if let Ok(loaded) = &mut result {
        arithmetic::examine(loaded);
    }
    let mut out = std::io::stdout().lock();
    let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let text = if args.json { as_json(&result) } else { as_text(&result, &args.config.display().to_string(), colour) };
    // Nobody may be reading any more; the exit code still answers.
    drop(out.write_all(text.as_bytes()));
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(2) }
}

fn as_text(result: &Result<Loaded, Report>, name: &str, colour: bool) -> String {
    let report = result.as_ref().map_or_else(|report| report, |loaded| &loaded.warnings);
    let problems = if report.is_empty() { String::new() } else { format!("{}\n\n", report.render(colour)) };
    let warnings = match report.warnings() {
        0 => String::new(),
        number => format!(", {}", counted(number, "warning")),
    };
    match result {
        Ok(loaded) => format!("{problems}{name} is good{warnings}: {}\n", summary(&loaded.config)),
        Err(_) => format!("{problems}{name} cannot be used: {}{warnings}\n", counted(report.errors(), "error")),
    }
}

fn as_json(result: &Result<Loaded, Report>) -> String {
    let report = result.as_ref().map_or_else(|report| report, |loaded| &loaded.warnings);
    let serves = result.as_ref().map_or(Value::Null, |loaded| {
        let Config { listeners, admin, routes, pools, .. } = &loaded.config;
        let pools = pools.iter().map(|pool| {
            let backends: Vec<&str> = pool.backends.iter().map(|backend| backend.name.as_str()).collect();
            json!({ "name": pool.name.as_str(), "kind": pool.kind.as_str(), "backends": backends })
        });
        json!({
            "listeners": listeners.iter().map(|listener| listener.bind.to_string()).collect::<Vec<_>>(),
            "admin": admin.bind.to_string(),
            "routes": routes.len(),
            "pools": pools.collect::<Vec<_>>(),
            "files": loaded.warnings.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>(),
        })
    });
    let (errors, warnings) = (report.errors(), report.warnings());
    let problems = &report.problems;
    let result = json!({
        "ok": result.is_ok(), "errors": errors, "warnings": warnings, "problems": problems, "serves": serves,
    });
    format!("{result:#}\n")
}

/// What a config serves, in one line.
fn summary(config: &Config) -> String {
    let listeners: Vec<String> = config
        .listeners
        .iter()
        .map(|listener| {
            let scheme = if listener.certificates.is_some() { "https" } else { "http" };
            format!("{scheme}://{}", listener.bind)
        })
        .collect();
    let pools: Vec<String> = config
        .pools
        .iter()
        .map(|pool| {
            let backends: Vec<&str> = pool.backends.iter().map(|backend| backend.name.as_str()).collect();
            format!("{} ({})", pool.name, backends.join(" → "))
        })
        .collect();
    format!("{} on {} to {}", counted(config.routes.len(), "route"), listeners.join(", "), pools.join(", "))
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const GOOD: &str = "[[listener]]\nbind = \"127.0.0.1:80\"\ntls = false\n[[route]]\npool = \"p\"\n[[pool]]\nname = \"p\"\n\
        [[pool.backend]]\nname = \"weu\"\nurl = \"http://a\"\n[[pool.backend]]\nname = \"neu\"\nurl = \"http://b\"\n";

    fn checked(text: &str) -> Result<Loaded, Report> {
        config::parse("botgate.toml", text, Path::new(""), &|_| None)
    }

    #[test]
    fn a_good_config_is_summed_up_in_a_line() {
        let text = as_text(&checked(GOOD), "botgate.toml", false);
        assert_eq!(text, "botgate.toml is good: 1 route on http://127.0.0.1:80 to p (weu → neu)\n");
    }

    #[test]
    fn a_bad_config_is_counted_after_its_problems() {
        let bad = checked(&GOOD.replace("http://b", "htp://b").replace("bind", "bnd"));
        let text = as_text(&bad, "botgate.toml", false);
        assert!(text.starts_with("error: ") && text.ends_with("\nbotgate.toml cannot be used: 2 errors\n"), "{text}");
        let json: Value = serde_json::from_str(&as_json(&bad)).unwrap();
        assert_eq!((&json["ok"], &json["errors"]), (&json!(false), &json!(2)));
        assert_eq!(json["problems"].as_array().map(Vec::len), Some(2));
        assert_eq!(json["problems"][1]["position"], json!({ "file": "botgate.toml", "line": 13, "column": 7 }));
    }

    #[test]
    fn the_exit_code_tells_good_from_bad() {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("botgate.toml");
        let code = |json| format!("{:?}", run(Args { config: config.clone(), json }));
        assert_eq!(code(false), format!("{:?}", ExitCode::from(2)), "a missing file");
        std::fs::write(&config, GOOD).unwrap();
        assert_eq!(code(true), format!("{:?}", ExitCode::SUCCESS));
    }
}
