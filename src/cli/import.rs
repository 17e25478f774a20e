//! `botgate import`: from what stands before the regions today to a config.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::print;
use super::{EXIT_CODES, Exit};
use crate::import::{self, ImportError, Imported, MOST_BYTES};

/// Make a config of what Azure says of a Traffic Manager or a Front Door
///
/// Reads Azure Resource Manager JSON: a template (from "Export template", or `az group export`), or what `az … show` and
/// `az … list` print. Prints a config, and on standard error what could not carry over. Nothing is asked of Azure. The config
/// passes `botgate check` once the certificates that it names are there.
#[derive(Debug, clap::Args)]
#[command(after_help = format!(r#"Examples:
  az network traffic-manager profile show -g bots -n contoso-bot | botgate import traffic-manager - > botgate.toml
  botgate import front-door template.json > botgate.toml

{EXIT_CODES}"#))]
pub(super) struct Args {
    /// What the document describes
    #[arg(value_enum)]
    from: From,
    /// The document; "-" is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum From {
    /// Microsoft.Network/trafficManagerProfiles
    TrafficManager,
    /// Microsoft.Cdn/profiles (Standard, Premium)
    FrontDoor,
}

/// Prints the config. Done, or wrong usage where the document cannot be used.
pub(super) fn run(args: &Args) -> Exit {
    let name = args.file.display();
    let document = match read(&args.file) {
        Ok(document) => document,
        Err(error) => return print::fail(Exit::Usage, &format!("cannot read {name}: {error}")),
    };
    match imported(args.from, &document) {
        Ok(Imported { config, notes }) => {
            for note in notes {
                print::note(&note.to_string());
            }
            print::out(&config);
            Exit::Done
        }
        Err(error) => print::fail(Exit::Usage, &format!("{name} cannot be imported: {error}")),
    }
}

fn imported(from: From, document: &str) -> Result<Imported, ImportError> {
    match from {
        From::TrafficManager => import::traffic_manager(document),
        From::FrontDoor => import::front_door(document),
    }
}

/// The text of a document, and one byte more than the longest that is taken.
fn read(file: &Path) -> std::io::Result<String> {
    let most = MOST_BYTES as u64 + 1;
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(file)?.take(most).read_to_string(&mut text)?;
    }
    Ok(text)
}
