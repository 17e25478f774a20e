//! `botgate dev`: no config, no certificates, no account.

mod ca;
mod page;
mod plan;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;

use self::page::{Faults, StartPage};
use self::plan::Plan;
use super::print;
use super::serve::{self, Source};
use super::{EXIT_CODES, Exit};
use crate::app::Listening;
use crate::server::Takeover;
use crate::sim::{self, Sim};

/// Where the local CA and the certificates are kept, below the current directory.
const CERTIFICATES: &str = "certs/dev";

/// Local HTTPS in front of a bot on this machine, or of two simulated regions.
///
/// Needs no config, no certificates and no account: it makes a local CA once, kept under certs/dev, and prints a page with
/// a curl line that works as printed, how to trust the CA, and how to break a region and watch the other take over.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Args {
    /// A bot, one per region, the first is active: http://localhost:3978. Without any, two regions are simulated.
    #[arg(long, value_name = "URL")]
    bot: Vec<String>,
    /// A question-answering service, one per region. Without any, two are simulated.
    #[arg(long, value_name = "URL")]
    qna: Vec<String>,
    /// Where to listen.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Where the admin API listens; another port is taken when it is in use.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9443")]
    admin_listen: SocketAddr,
    /// Where the faults of simulated regions are set; another port is taken when it is in use.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9444")]
    faults_listen: SocketAddr,
}

pub(super) fn run(args: &Args) -> Exit {
    if let Some(error) = plan::in_use(args.listen) {
        return print::fail(Exit::No, &error);
    }
    let certificates = match ca::ensure(Path::new(CERTIFICATES), &[]) {
        Ok(certificates) => certificates,
        Err(error) => return print::fail(Exit::Usage, &error.to_string()),
    };
    let simulated = match plan::simulated(args) {
        Some(config) => match Sim::start(config) {
            Ok(running) => Some(running),
            Err(error) => return print::fail(Exit::No, &error.to_string()),
        },
        None => None,
    };
    let plan = Plan::new(args, &certificates, simulated.as_ref());
    let exit =
        serve::serve(Source::Text(plan.config()), serve::State::Forgotten, Takeover::Never, false, |listening| {
            let page = start_page(listening, &plan, simulated.as_ref(), &certificates);
            print::out(&page.render(std::io::stdout().is_terminal()));
        });
    if let Some(simulated) = simulated {
        simulated.stop();
    }
    exit
}

fn start_page(
    listening: &Listening,
    plan: &Plan,
    simulated: Option<&sim::Running>,
    certificates: &ca::DevCertificates,
) -> StartPage {
    let port = listening.listeners.first().map_or(0, SocketAddr::port);
    StartPage {
        gateway: format!("https://localhost:{port}"),
        admin: format!("http://{}", listening.admin),
        // A bot of one's own is broken by hand.
        faults: simulated.filter(|_| plan.simulates_bots()).and_then(|sim| {
            let region = sim.regions.first()?.name.clone();
            Some(Faults { control: format!("http://{}", sim.control), region })
        }),
        program: std::env::args().next().unwrap_or("botgate".to_owned()),
        regions: plan.regions(),
        ca: certificates.ca.display().to_string(),
        ca_created: certificates.created,
    }
}
