//! The start page of `botgate dev`. Pure: values in, text out.

use std::fmt::Write;

/// What the start page tells.
#[derive(Clone, Debug)]
pub(super) struct StartPage {
    /// The gateway, without a slash at its end: `https://localhost:8443`.
    pub(super) gateway: String,
    /// The admin API, without a slash at its end.
    pub(super) admin: String,
    /// Where faults are set, and the region to break first; none when no bot is simulated.
    pub(super) faults: Option<Faults>,
    /// How this program was called, for commands to copy.
    pub(super) program: String,
    /// Names of the regions in order of priority.
    pub(super) regions: Vec<String>,
    /// The CA certificate, as a path that works from here.
    pub(super) ca: String,
    /// Whether the CA was made just now.
    pub(super) ca_created: bool,
}

/// How simulated regions are broken.
#[derive(Clone, Debug)]
pub(super) struct Faults {
    /// Where, without a slash at its end.
    pub(super) control: String,
    /// The region that is active first.
    pub(super) region: String,
}

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const CYAN: &str = "\x1b[36m";
const RESET: &str = "\x1b[0m";

impl StartPage {
    /// The page, at most 80 columns wide but for commands, which are never broken where a shell would mind. `colour`
    /// only for terminals.
    pub(super) fn render(&self, colour: bool) -> String {
        let paint = |code: &str, text: &str| if colour { format!("{code}{text}{RESET}") } else { text.to_owned() };
        let title = |text: &str| paint(BOLD, text);
        let dim = |text: &str| paint(DIM, text);
        let link = |text: &str| paint(CYAN, text);
        let Self { gateway, admin, ca, program, .. } = self;
        let ca = quoted(ca);
        let mut page = String::new();
        let mut line = |text: String| {
            // Writing to a String cannot fail.
            let _ = writeln!(page, "{text}");
        };
        line(format!("\n  {}  {}", title("botgate dev"), dim(&self.regions.join(" → "))));
        line(format!("\n  bot         {}", link(&format!("{gateway}/api/messages"))));
        line(format!("  questions   {}", link(&format!("{gateway}/qnamaker"))));
        line(format!("  admin API   {}", link(admin)));
        if let Some(Faults { control, .. }) = &self.faults {
            line(format!("  faults      {}", link(&format!("{control}/regions"))));
        }
        line(format!("\n  {}", title("Say something")));
        line(format!("curl --cacert {ca} {gateway}/api/messages \\"));
        line("  -H 'content-type: application/json' \\".to_owned());
        // Without an id: with one, sent again, it would be a resend, and answered from memory.
        line(r#"  -d '{"type":"message","channelId":"dev","text":"hello","#.to_owned());
        line(r#"  "conversation":{"id":"c1"},"deliveryMode":"expectReplies"}'"#.to_owned());
        let trust = if self.ca_created { "Trust the CA (made just now)" } else { "Trust the CA" };
        line(format!("\n  {}", title(trust)));
        line(format!(
            "  macOS    {}",
            dim(&format!("sudo security add-trusted-cert -d -k /Library/Keychains/System.keychain {ca}"))
        ));
        line(format!(
            "  Debian   {}",
            dim(&format!(
                "sudo cp {ca} /usr/local/share/ca-certificates/botgate-dev.crt && sudo update-ca-certificates"
            ))
        ));
        line(format!("  Fedora   {}", dim(&format!("sudo trust anchor {ca}"))));
        line(format!("  Windows  {}", dim(&format!("certutil -user -addstore Root {ca}"))));
        line(format!("  Node     {}", dim(&format!("export NODE_EXTRA_CA_CERTS={ca}"))));
        if let Some(Faults { control, region }) = &self.faults {
            let url = format!("{control}/regions/{region}/fault");
            line(format!("\n  {}", title("Break a region, and watch")));
            line(format!("curl -X PUT {url} -d '{{\"kind\":\"down\"}}'"));
            line(format!("{} status --admin {admin}", quoted(program)));
            line(format!("curl -X DELETE {url}   {}", dim("# heals it")));
        }
        line(format!("\n  {}\n", dim("Ctrl-C stops. Each failover is told below.")));
        page
    }
}

/// As a shell takes it for one word.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | ':');
    if path.chars().all(plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> StartPage {
        StartPage {
            gateway: "https://localhost:8443".into(),
            admin: "http://127.0.0.1:9443".into(),
            faults: Some(Faults { control: "http://127.0.0.1:9444".into(), region: "westeurope".into() }),
            program: "target/release/botgate".into(),
            regions: vec!["westeurope".into(), "northeurope".into()],
            ca: "certs/dev/ca.pem".into(),
            ca_created: true,
        }
    }

    #[test]
    fn the_page_holds_lines_that_work_as_printed() {
        let text = page().render(false);
        for wanted in [
            "curl --cacert certs/dev/ca.pem https://localhost:8443/api/messages \\\n",
            "\ncurl -X PUT http://127.0.0.1:9444/regions/westeurope/fault -d '{\"kind\":\"down\"}'\n",
            "\ncurl -X DELETE http://127.0.0.1:9444/regions/westeurope/fault ",
            "\ntarget/release/botgate status --admin http://127.0.0.1:9443\n",
            "made just now",
        ] {
            assert!(text.contains(wanted), "{wanted}\n{text}");
        }
        let body = text.split("-d '").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
        let activity: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(activity["deliveryMode"], "expectReplies");
    }

    #[test]
    fn only_a_terminal_gets_colour() {
        assert!(!page().render(false).contains('\x1b'));
        assert!(page().render(true).contains('\x1b'));
    }

    #[test]
    fn without_simulated_regions_nothing_is_said_about_breaking_them() {
        let text = StartPage { faults: None, ..page() }.render(false);
        assert!(!text.contains("fault"), "{text}");
    }

    #[test]
    fn a_path_with_spaces_stays_one_word() {
        let text = StartPage { ca: "my certs/it's.pem".into(), ..page() }.render(false);
        assert!(text.contains(r"--cacert 'my certs/it'\''s.pem' https"), "{text}");
    }
}
