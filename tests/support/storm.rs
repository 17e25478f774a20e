//! Regions that are killed, stopped and resumed at random, by a seed that is printed.

use std::ops::RangeInclusive;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

use super::messages::{Channel, Messages};
use super::sim::Region;
use super::site::Site;

/// A region that can be lost.
pub trait Victim {
    /// As if the machine lost power.
    async fn kill(&mut self);
    /// Starts it again where it was.
    async fn restart(&mut self);
    /// It hangs: connections stay open, nothing answers.
    fn freeze(&self);
    /// It goes on where it was.
    fn thaw(&self);
}

/// How it storms.
#[derive(Clone, Debug)]
pub struct Storm {
    pub seed: u64,
    pub lasts: Duration,
    /// How long a region is lost, in milliseconds.
    pub lost: RangeInclusive<u64>,
    /// How long all is well between two losses, in milliseconds.
    pub calm: RangeInclusive<u64>,
}

/// The seed in `BOTGATE_SEED`, or one drawn now; printed.
pub fn seed() -> u64 {
    let given = std::env::var("BOTGATE_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("BOTGATE_SEED={seed}");
    seed
}

impl Storm {
    /// Loses one region after another; at the end all are well. What was done, one line each.
    pub async fn rage<V: Victim>(&self, victims: &mut [V]) -> Vec<String> {
        let (mut random, start, mut done) = (Rng::with_seed(self.seed), Instant::now(), Vec::new());
        while start.elapsed() < self.lasts {
            // The first loss is a hang of the first region: where nothing ever hangs, no channel has a reason to send again.
            let drawn = (random.usize(..victims.len()), random.bool());
            let (at, killed) = if done.is_empty() { (0, false) } else { drawn };
            let lost = Duration::from_millis(random.u64(self.lost.clone()));
            done.push(format!("{:?}: {} {at} for {lost:?}", start.elapsed(), if killed { "kill" } else { "stop" }));
            let victim = &mut victims[at];
            if killed {
                victim.kill().await;
                tokio::time::sleep(lost).await;
                victim.restart().await;
            } else {
                victim.freeze();
                tokio::time::sleep(lost).await;
                victim.thaw();
            }
            tokio::time::sleep(Duration::from_millis(random.u64(self.calm.clone()))).await;
        }
        done
    }
}

/// Sends all messages of a channel while regions are lost and come back; what was done to them, and what became of the
/// messages.
pub async fn under_storm<V: Victim>(channel: Channel, storm: Storm, victims: &mut [V]) -> (Vec<String>, Messages) {
    tokio::join!(storm.rage(victims), channel.run())
}

/// A simulated region, and where its files are.
pub struct SimVictim<'s> {
    pub site: &'s Site,
    pub region: Region,
}

impl Victim for SimVictim<'_> {
    async fn kill(&mut self) {
        self.region.process.sigkill();
        self.region.process.exit(Duration::from_secs(5)).await;
    }

    async fn restart(&mut self) {
        let (name, bot) = (self.region.name.clone(), self.region.bot.to_string());
        self.region = Region::start(self.site, &name, &bot).await;
    }

    fn freeze(&self) {
        self.region.process.sigstop();
    }

    fn thaw(&self) {
        self.region.process.sigcont();
    }
}
