//! What the loads came to, as a table that is printed as the tests go (`--nocapture`).

use std::time::Duration;

use super::support::Report;

/// One line of the table.
pub struct Row<'a> {
    /// What was done to the regions.
    pub what: &'a str,
    /// The load that ran meanwhile.
    pub report: &'a Report,
    /// Activities that reached a bot twice.
    pub twice: usize,
}

/// Prints lines under a heading.
pub fn print(title: &str, rows: &[Row<'_>]) {
    println!("\n{title}");
    println!(
        "{:<34} {:>6} {:>6} {:>6} {:>9} {:>9} {:>9} {:>9}",
        "", "sent", "ok", "failed", "slowest", "p50", "p99", "twice"
    );
    for Row { what, report, twice } in rows {
        let (sent, failed) = (report.total(), report.failed());
        let [slowest, half, most] = [report.slowest(), report.percentile(0.5), report.percentile(0.99)].map(millis);
        let ok = sent - failed;
        println!("{what:<34} {sent:>6} {ok:>6} {failed:>6} {slowest:>9} {half:>9} {most:>9} {twice:>9}");
    }
    println!();
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
