//! `botgate dev`, as a developer meets it: an empty folder, the start page, and the lines on it run as they are printed.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::bots::{Bot, Sdk};
use super::callers::output;
use super::messages::reply;
use super::support::process::binary;
use super::support::{together, wait_until};

/// `botgate dev` in a folder of its own, on ports that the system picks. Killed, by its own process id, when dropped.
struct Dev {
    child: Child,
    folder: TempDir,
    page: Arc<Mutex<Vec<String>>>,
}

impl Dev {
    fn start(arguments: &[&str]) -> Self {
        let folder = TempDir::with_prefix("botgate-dev-").unwrap();
        let mut command = Command::new(binary());
        command.arg("dev");
        for option in ["--listen", "--admin-listen", "--faults-listen"] {
            command.args([option, "127.0.0.1:0"]);
        }
        command.args(arguments).current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(folder.path().join("stderr")).unwrap());
        let mut child = command.spawn().unwrap();
        let page = Arc::new(Mutex::new(Vec::new()));
        let (pipe, lines) = (child.stdout.take().unwrap(), Arc::clone(&page));
        std::thread::spawn(move || {
            BufReader::new(pipe).lines().map_while(Result::ok).for_each(|line| lines.lock().unwrap().push(line));
        });
        Self { child, folder, page }
    }

    fn stderr(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }

    /// The first command on the page that holds `part`, once it is printed.
    async fn printed(&self, part: &str) -> String {
        let found = || commands(&self.page.lock().unwrap()).into_iter().find(|command| command.contains(part));
        wait_until(&format!("the start page has a curl line with {part}"), || async { found().is_some() }).await;
        found().unwrap()
    }

    /// Runs a line in a shell where botgate was started: what it printed.
    fn shell(&self, line: &str) -> String {
        output(Command::new("sh").args(["-c", line]).current_dir(self.folder.path()))
    }

    /// Runs the line that talks to the bot: the text of its reply.
    fn says(&self, line: &str) -> String {
        let said = self.shell(line);
        reply(&said).unwrap_or_else(|| panic!("no reply from a bot: {said}\n{}", self.stderr()))
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let page = self.page.lock().unwrap_or_else(std::sync::PoisonError::into_inner).join("\n");
            eprintln!("--- the start page:\n{page}\n--- standard error:\n{}\n---", self.stderr());
        }
    }
}

/// The curl commands on a page, whole: a shell goes on to the next line after a backslash and inside quotes.
fn commands(page: &[String]) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in page {
        match commands.last_mut() {
            Some(last) if goes_on => {
                last.push('\n');
                last.push_str(line);
            }
            _ if line.trim_start().starts_with("curl ") => commands.push(line.clone()),
            _ => continue,
        }
        let whole = commands.last().map_or("", String::as_str);
        goes_on = whole.ends_with('\\') || whole.matches('\'').count() % 2 == 1;
    }
    if goes_on {
        commands.pop(); // not yet printed to its end
    }
    commands
}

/// The folder where the development certificates are made.
fn certificates(dev: &Dev) -> PathBuf {
    dev.folder.path().join("certs/dev")
}

#[tokio::test]
async fn the_printed_lines_get_a_reply_and_break_a_region_without_a_failed_request() {
    let _machine = together().await;
    let dev = Dev::start(&[]);
    let talk = dev.printed("/api/messages").await;
    let fault = dev.printed("down").await;

    let before = dev.says(&talk);
    dev.shell(&fault);
    let after: Vec<String> = (0..20).map(|_| dev.says(&talk)).collect();
    assert!(after.iter().all(|reply| *reply == after[0]), "one region answers: {after:?}");
    assert_ne!(before, after[0], "the other region answers");
    assert!(certificates(&dev).is_dir(), "certificates are kept for the next start");
}

#[tokio::test]
async fn a_bot_on_this_machine_answers_through_the_printed_line() {
    let _machine = together().await;
    let folder = TempDir::new().unwrap();
    let bot = Bot::start(Sdk::BotBuilder, "mine", folder.path());
    let dev = Dev::start(&["--bot", &bot.url()]);
    let talk = dev.printed("/api/messages").await;
    let said = dev.says(&talk);
    assert!(said.starts_with("mine: you said '"), "{said}");
}
