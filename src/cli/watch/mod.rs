//! `botgate watch [POOL]`

mod activity;

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt;

use super::client::{AdminArgs, Client, ClientError, converse};
use super::print::{self, Style, Tone};
use super::sse::{SseEvent, SseParser};
use super::{EXIT_CODES, Exit, journal};
use crate::model::{ActivityView, DecisionView, Direction, JournalEntry, Phase, Utc};

/// Between two tries to reach botgate again.
const PAUSE: Duration = Duration::from_secs(1);
/// Most decisions that are fetched after an interruption.
const MISSED: usize = 1_000;

/// Print every decision of steering as it is taken, or every activity as it is answered, one line each
///
/// A decision's line says when, who decided (`steering`, or an operator), which way the pool went, and why. Runs until it is
/// interrupted, until nobody reads its output, or until botgate stops (exit code 3); with --reconnect it waits for botgate
/// to come back, and fetches from the journal what it missed.
///
/// With --activities each line is an activity of a guarded route at its end: when, status, how long it took, which backend
/// answered (-- when none saw it), channel, type and text. Tokens are never shown, the text only where the config has
/// `admin.activity_text = true` (`botgate dev` has). What passes while the stream is interrupted is not told.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("Examples:
  botgate watch
  botgate watch bot-api --json | jq -r .cause
  botgate watch --reconnect >> decisions.log
  botgate watch --activities

{EXIT_CODES}"))]
pub(super) struct Args {
    /// Only this pool
    #[arg(value_name = "POOL")]
    pool: Option<String>,
    /// Go on when the stream breaks off: reach botgate again, once a second, and print what was decided meanwhile
    #[arg(long)]
    reconnect: bool,
    /// Print activities instead of decisions
    #[arg(long)]
    activities: bool,
    /// Print each as one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

impl Args {
    /// The path of the stream to read.
    fn stream(&self) -> &'static str {
        if self.activities { "/api/v1/activities" } else { "/api/v1/events" }
    }
}

pub(super) fn run(args: &Args) -> Exit {
    converse(&args.admin, |client| async move {
        let mut watch = Watch { client, args, seen: Utc::now(), again: false };
        loop {
            let ended = match watch.listen().await {
                Ok(exit) => return Ok(exit),
                Err(ended) => ended,
            };
            let gone = matches!(ended, ClientError::Ended { .. } | ClientError::Unreachable { .. });
            if !args.reconnect || !gone || !watch.again {
                return Err(ended);
            }
            // Told once: the tries that follow are silent.
            if matches!(ended, ClientError::Ended { .. }) {
                print::fail(Exit::Done, &format!("{ended}; waiting for it to come back"));
            }
            tokio::time::sleep(PAUSE).await;
        }
    })
}

struct Watch<'a> {
    client: Client,
    args: &'a Args,
    /// The time of the last decision that was printed, or of the beginning.
    seen: Utc,
    /// Whether the stream was open once.
    again: bool,
}

impl Watch<'_> {
    /// Prints decisions until the stream or the reader ends.
    async fn listen(&mut self) -> Result<Exit, ClientError> {
        let mut body = self.client.open(Method::GET, self.args.stream(), Bytes::new()).await?.into_body();
        // Opened first, so that nothing falls between the journal and the stream.
        let again = std::mem::replace(&mut self.again, true);
        if again && !self.args.activities && !self.catch_up().await? {
            return Ok(Exit::Done);
        }
        let caught = again.then_some(self.seen);
        let mut parser = SseParser::default();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| self.client.ended(format!("it broke off: {error}")))?;
            let Ok(data) = frame.into_data() else { continue };
            let events = parser.push(&data).map_err(|_| self.client.ended("an event in it has no end"))?;
            for event in events {
                if !self.take(&event, caught)? {
                    return Ok(Exit::Done);
                }
            }
        }
        Err(self.client.ended("botgate stopped"))
    }

    /// Prints what was decided since the last decision, and says whether anyone still reads.
    async fn catch_up(&mut self) -> Result<bool, ClientError> {
        let pool = self.args.pool.as_deref();
        let missed = journal::read(&self.client, pool, Some(self.seen), MISSED).await?;
        let missed: Vec<JournalEntry> = missed.into_iter().filter(|entry| entry.at > self.seen).collect();
        Ok(missed.into_iter().rev().all(|entry| self.show(&decision(entry))))
    }

    /// Takes an event in, and says whether anyone still reads.
    fn take(&mut self, event: &SseEvent, caught: Option<Utc>) -> Result<bool, ClientError> {
        match event.name.as_str() {
            "decision" => {
                let decision: DecisionView = self.client.parse(event.data.as_bytes())?;
                // What the journal told already.
                let known = caught.is_some_and(|caught| decision.at <= caught);
                let wanted = self.args.pool.as_deref().is_none_or(|pool| pool == decision.pool.as_str());
                Ok(known || !wanted || self.show(&decision))
            }
            "activity" => {
                let activity: ActivityView = self.client.parse(event.data.as_bytes())?;
                let wanted = self.args.pool.as_deref().is_none_or(|pool| pool == activity.pool.as_str());
                Ok(!wanted || self.show_activity(&activity))
            }
            "closed" => Err(self.client.ended(&event.data)),
            "lagged" => {
                let text = format!("{} lines were lost: this reader is too slow", event.data);
                print::fail(Exit::Done, &text);
                Ok(true)
            }
            _ => Ok(true),
        }
    }

    fn show_activity(&self, activity: &ActivityView) -> bool {
        match self.args.json {
            true => print::json_line(activity),
            false => print::out(&activity::line(activity, Style::of_stdout())),
        }
    }

    /// Prints a decision, and says whether anyone still reads.
    fn show(&mut self, decision: &DecisionView) -> bool {
        self.seen = self.seen.max(decision.at);
        if self.args.json { print::json_line(decision) } else { print::out(&line(decision, Style::of_stdout())) }
    }
}

/// When, who, which way, why.
fn line(decision: &DecisionView, style: Style) -> String {
    let (mark, tone) = match (decision.phase, decision.direction) {
        (Phase::AllDown, _) => ("!!", Tone::Bad),
        (_, Some(Direction::Failover)) => ("->", Tone::Warning),
        (_, Some(Direction::Failback)) => ("<-", Tone::Good),
        (_, None) => ("--", Tone::Quiet),
    };
    let one_line = |text: &str| print::plain(text).replace('\n', " ");
    let text = style.paint(tone, &format!("{mark} {}", one_line(&decision.text)));
    format!("{}  {}  {text}\n", decision.at, one_line(&decision.actor))
}

/// A decision of the journal as the stream would have told it.
fn decision(entry: JournalEntry) -> DecisionView {
    let text = format!("{}: {} (epoch {}): {}", entry.pool, journal::what(&entry), entry.epoch, entry.reason);
    DecisionView {
        at: entry.at,
        pool: entry.pool,
        phase: entry.phase,
        active: entry.after,
        before: entry.before,
        epoch: entry.epoch,
        direction: entry.direction,
        cause: entry.cause,
        actor: entry.actor,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::fixture;

    #[test]
    fn a_line_says_when_who_and_which_way() {
        let expected = "2026-11-01T12:00:00Z  steering  -> bot-api: westeurope → northeurope\n";
        assert_eq!(line(&fixture::decision(), Style::PLAIN), expected);
        let back = DecisionView {
            direction: Some(Direction::Failback),
            actor: "local\n(ann)".into(),
            ..decision(fixture::entry(1))
        };
        let text = line(&back, Style::PLAIN);
        assert!(text.starts_with("2026-11-01T12:00:00Z  local (ann)  <- bot-api: failover westeurope"), "{text}");
        let down = DecisionView { phase: Phase::AllDown, ..fixture::decision() };
        assert!(line(&down, Style::PLAIN).contains("  !! "));
    }
}
