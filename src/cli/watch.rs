//! `botgate watch [POOL]`

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt;

use super::client::{AdminArgs, Client, ClientError, converse};
use super::sse::{SseEvent, SseParser};
use super::{EXIT_CODES, Exit, print};
use crate::model::DecisionView;

/// Print every decision of steering as it is taken, one line each
///
/// Runs until it is interrupted, until nobody reads its output, or until botgate stops (exit code 3).
#[derive(Debug, clap::Args)]
#[command(after_help = format!("Examples:
  botgate watch
  botgate watch bot-api --json | jq -r .cause

{EXIT_CODES}"))]
pub(super) struct Args {
    /// Only this pool
    #[arg(value_name = "POOL")]
    pool: Option<String>,
    /// Print each decision as one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(super) fn run(args: &Args) -> Exit {
    converse(&args.admin, |client| follow(client, args))
}

async fn follow(client: Client, args: &Args) -> Result<Exit, ClientError> {
    let mut body = client.open(Method::GET, "/api/v1/events", Bytes::new()).await?.into_body();
    let mut parser = SseParser::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| client.ended(format!("it broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        let events = parser.push(&data).map_err(|_| client.ended("an event in it has no end"))?;
        for event in events {
            if let Some(line) = line_of(&client, &event, args)?
                && !print::out(&format!("{line}\n"))
            {
                return Ok(Exit::Done);
            }
        }
    }
    Err(client.ended("botgate stopped"))
}

fn line_of(client: &Client, event: &SseEvent, args: &Args) -> Result<Option<String>, ClientError> {
    match event.name.as_str() {
        "decision" => {
            let decision: DecisionView = client.parse(event.data.as_bytes())?;
            let wanted = args.pool.as_deref().is_none_or(|pool| pool == decision.pool.as_str());
            let line = if args.json { event.data.clone() } else { format!("{}  {}", decision.at, decision.text) };
            Ok(wanted.then(|| print::plain(&line).replace('\n', " ")))
        }
        "lagged" => {
            let text = format!("{} decisions were lost: this reader is too slow", event.data);
            print::fail(Exit::Done, &text);
            Ok(None)
        }
        _ => Ok(None),
    }
}
