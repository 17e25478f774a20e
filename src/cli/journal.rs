//! `botgate journal [POOL]`

use std::fmt::Write as _;

use jiff::Timestamp;

use super::client::{AdminArgs, Client, ClientError, converse, path, query};
use super::print::{self, Style, Tone, plain};
use super::{EXIT_CODES, Exit, table};
use crate::config::parse_duration;
use crate::model::{BackendName, Direction, JournalEntry, Phase, PoolView, Utc};

/// Most entries that the admin API answers at once.
const PAGE: usize = 1_000;

/// Show what was decided, when, by whom and why: the newest first
///
/// Each entry says when, which pool, what happened, and who did it: `steering`, or an operator. The line below says why.
/// With --json each entry comes with all that it was decided from: probe samples, live failures, and the alternatives with
/// what spoke against them.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("Examples:
  botgate journal
  botgate journal bot-api --since 2h
  botgate journal --since 2026-11-22T03:00:00Z --limit 500 --json | jq '.[0].evidence'

{EXIT_CODES}"))]
pub(super) struct Args {
    /// Only this pool
    #[arg(value_name = "POOL")]
    pool: Option<String>,
    /// Not older than this: a span (2h, 7d), or a time in RFC 3339
    #[arg(long, value_name = "SPAN|TIME", value_parser = since)]
    since: Option<Utc>,
    /// At most so many entries
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print the entries in full, as a JSON list
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(super) fn run(args: &Args) -> Exit {
    converse(&args.admin, |client| async move {
        let entries = read(&client, args.pool.as_deref(), args.since, args.limit as usize).await?;
        // A pool that the config no longer has may have entries; one that has none and is not there is a slip of the pen.
        if let (Some(pool), true) = (&args.pool, entries.is_empty()) {
            let _: PoolView = client.get(&path(&["api", "v1", "pools", pool])).await?;
        }
        if args.json {
            print::json(&entries);
        } else {
            print::out(&listed(&entries, Style::of_stdout()));
        }
        Ok(Exit::Done)
    })
}

/// So many entries, page by page.
pub(super) async fn read(
    client: &Client,
    pool: Option<&str>,
    since: Option<Utc>,
    limit: usize,
) -> Result<Vec<JournalEntry>, ClientError> {
    let mut all: Vec<JournalEntry> = Vec::new();
    loop {
        let asked = PAGE.min(limit - all.len());
        let page = [
            ("pool", pool.map(str::to_owned)),
            ("since", since.map(|since| since.to_string())),
            ("before", all.last().map(|last| last.id.to_string())),
            ("limit", Some(asked.to_string())),
        ];
        let entries: Vec<JournalEntry> = client.get(&query("/api/v1/journal", &page)).await?;
        let more = entries.len() >= asked;
        all.extend(entries);
        if !more || all.len() >= limit {
            return Ok(all);
        }
    }
}

fn since(text: &str) -> Result<Utc, String> {
    let span = match (text.parse::<Timestamp>(), parse_duration(text)) {
        (Ok(at), _) => return Ok(at.into()),
        (_, Ok(span)) => span,
        (Err(_), Err(why)) => return Err(format!("{why}, or a time like 2026-11-22T03:00:00Z")),
    };
    Ok(Utc::now().before(span))
}

fn listed(entries: &[JournalEntry], style: Style) -> String {
    if entries.is_empty() {
        return "no decisions: none that the journal keeps fits\n".to_owned();
    }
    let rows: Vec<[String; 4]> = entries.iter().map(columns).collect();
    let titles = ["TIME", "POOL", "WHAT", "WHO"];
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(4);
    let widths = [width(0), width(1), width(2)];
    let line = |row: &[&str]| {
        let [time, pool, what] = widths;
        format!("{:time$}  {:pool$}  {:what$}  {}", row[0], row[1], row[2], row[3])
    };
    let mut text = style.paint(Tone::Quiet, line(&titles).trim_end()) + "\n";
    for (entry, row) in entries.iter().zip(&rows) {
        let row = line(&row.each_ref().map(String::as_str));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", style.paint(tone(entry), row.trim_end()));
        let late = if entry.late { " (journalled late: the disk was slow or broken)" } else { "" };
        text += &table::wrapped(&format!("{}{late}", entry.reason), 4);
    }
    text
}

fn columns(entry: &JournalEntry) -> [String; 4] {
    let cells = [entry.at.clock(Utc::from_millis(i64::MIN)), entry.pool.to_string(), what(entry), entry.actor.clone()];
    cells.map(|cell| plain(&cell).replace('\n', " "))
}

/// What happened, in a few words.
pub(super) fn what(entry: &JournalEntry) -> String {
    let name = |name: &Option<BackendName>| name.as_ref().map_or("none", BackendName::as_str).to_owned();
    let phase = match entry.phase_before == entry.phase {
        true => String::new(),
        false => format!(", {}", entry.phase),
    };
    match entry.direction {
        Some(direction) => format!("{} {} → {}{phase}", direction.as_str(), name(&entry.before), name(&entry.after)),
        None if entry.phase_before == entry.phase => format!("{} on {}", entry.cause, name(&entry.after)),
        None => format!("{} → {} on {}", entry.phase_before, entry.phase, name(&entry.after)),
    }
}

fn tone(entry: &JournalEntry) -> Tone {
    match (entry.phase, entry.direction) {
        (Phase::AllDown, _) => Tone::Bad,
        (_, Some(Direction::Failover)) => Tone::Warning,
        (_, Some(Direction::Failback)) => Tone::Good,
        (_, None) => Tone::Strong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::fixture::entry;

    #[test]
    fn an_entry_says_when_where_what_who_and_why() {
        let moved = JournalEntry { late: true, ..entry(2) };
        let started = JournalEntry {
            phase_before: Phase::Steady,
            phase: Phase::Steady,
            direction: None,
            before: None,
            after: Some("westeurope".into()),
            cause: crate::model::Cause::Start,
            reason: "the pool was started".into(),
            ..entry(1)
        };
        let text = listed(&[moved, started], Style::PLAIN);
        let expected = "\
TIME                  POOL     WHAT                                              WHO
2026-11-01 12:00:00Z  bot-api  failover westeurope → northeurope, failed-over    steering
    westeurope: 2 probes in a row failed (journalled late: the disk was slow or
    broken)
2026-11-01 12:00:00Z  bot-api  start on westeurope                               steering
    the pool was started
";
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed(&text), squeezed(expected), "{text}");
        assert_eq!(listed(&[], Style::PLAIN), "no decisions: none that the journal keeps fits\n");
    }

    #[test]
    fn since_is_a_span_or_a_time() {
        assert_eq!(since("2026-11-01T12:00:00Z"), Ok(Utc::from_millis(1_793_534_400_000)));
        let ago = Utc::now().since(since("2h").unwrap()).as_secs();
        assert!((7_200..7_260).contains(&ago), "{ago}");
        let told = since("yesterday").unwrap_err();
        assert!(told.contains("a number and a unit") && told.contains("2026-11-22T03:00:00Z"), "{told}");
    }
}
