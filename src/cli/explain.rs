//! `botgate explain POOL`

use super::client::{AdminArgs, converse, path};
use super::print::{self, Style, Tone};
use super::{EXIT_CODES, Exit, table};
use crate::model::ExplainView;

/// Say why a pool is as it is, what would make it move, and what to do
///
/// In plain sentences: who serves and since when, what that means for users, the command that helps, what holds the pool,
/// when it moves back at the earliest and on what that depends, what each backend lacks, and the last decisions.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("Examples:
  botgate explain bot-api
  botgate explain bot-api --json | jq -r .failback.text

{EXIT_CODES}"))]
pub(super) struct Args {
    /// The pool
    #[arg(value_name = "POOL")]
    pool: String,
    /// Print the facts and sentences as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(super) fn run(args: &Args) -> Exit {
    converse(&args.admin, |client| async move {
        let view: ExplainView = client.get(&path(&["api", "v1", "pools", &args.pool, "explain"])).await?;
        if args.json {
            print::json(&view);
        } else {
            print::out(&told(&view, Style::of_stdout()));
        }
        Ok(Exit::Done)
    })
}

fn told(view: &ExplainView, style: Style) -> String {
    let head = format!("{} at {}", view.pool, view.at);
    let mut text = style.paint(Tone::Strong, &print::plain(&head)) + "\n";
    for (title, paragraphs) in view.sections() {
        text += &format!("\n{}\n", style.paint(Tone::Strong, title));
        for paragraph in paragraphs {
            // A command stands on a line of its own, whole, so that it can be copied.
            let (sentence, command) = paragraph.split_once('\n').unwrap_or((&paragraph, ""));
            text += &table::wrapped(sentence, 4).replacen("    ", "  - ", 1);
            if !command.is_empty() {
                text += &format!("      {}\n", style.paint(Tone::Good, &print::plain(command)));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_has_headings_and_whole_commands() {
        let text = told(&crate::admin::fixture::explanation(), Style::PLAIN);
        assert!(text.contains("\nWHAT TO DO\n  - When you trust it:\n      botgate failback bot-api"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(!text.contains("TROUBLE"), "{text}");
    }
}
