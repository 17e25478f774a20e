//! Which tunnel is closed when. Pure: ages and a pace in, moments out.

use std::time::Duration;

use fastrand::Rng;

use crate::model::Moment;

/// The pace at which tunnels are closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// All of them are told within this span.
    pub(super) over: Duration,
    /// How many in a second, where `over` is long enough for that; above 0.
    pub(super) per_second: f64,
}

/// When each of the tunnels that began then is to be closed, in the same order: the oldest first, each at a random moment
/// within a slot of its own, so that clients which connect anew at once do not come in step.
pub(super) fn moments(began: &[Moment], pace: Pace, now: Moment, rng: &mut Rng) -> Vec<Moment> {
    let slot = slot(began.len(), pace);
    let mut oldest_first: Vec<usize> = (0..began.len()).collect();
    oldest_first.sort_by_key(|at| began[*at]);
    let mut moments = vec![now; began.len()];
    for (rank, at) in oldest_first.into_iter().enumerate() {
        moments[at] = now + slot.mul_f64(rank as f64 + rng.f64());
    }
    moments
}

/// The span that each of so many tunnels has to itself.
fn slot(tunnels: usize, pace: Pace) -> Duration {
    let wished = Duration::try_from_secs_f64(1.0 / pace.per_second).unwrap_or(pace.over);
    wished.min(pace.over.div_f64(tunnels.max(1) as f64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_origin(Duration::from_millis(millis))
    }

    proptest! {
        #[test]
        fn the_oldest_go_first_never_faster_than_the_pace_and_all_in_time(
            began in prop::collection::vec(0_u64..100_000, 0..400),
            over in 1_u64..200_000,
            per_second in 0.1_f64..500.0,
            seed in any::<u64>(),
        ) {
            let now = at(100_000);
            let began: Vec<Moment> = began.into_iter().map(at).collect();
            let pace = Pace { over: Duration::from_millis(over), per_second };
            let moments = moments(&began, pace, now, &mut fastrand::Rng::with_seed(seed));
            prop_assert_eq!(moments.len(), began.len());
            let mut told: Vec<(Moment, Moment)> = moments.iter().copied().zip(began.iter().copied()).collect();
            told.sort();
            prop_assert!(told.iter().all(|(moment, _)| *moment >= now && moment.since(now) <= pace.over));
            prop_assert!(told.windows(2).all(|two| two[0].1 <= two[1].1), "oldest first");
            // The rate is kept wherever all can be told in time with it; one more may fall into a window at its borders.
            let rate = per_second.max(began.len() as f64 / pace.over.as_secs_f64());
            for (first, (moment, _)) in told.iter().enumerate() {
                let window = 1.0_f64;
                let within = told[first..].iter().take_while(|(it, _)| it.since(*moment).as_secs_f64() < window).count();
                prop_assert!(within as f64 <= rate * window + 2.0, "{} in one second, at {} per second", within, rate);
            }
        }
    }

    #[test]
    fn few_go_at_the_pace_and_many_within_the_span() {
        let pace = Pace { over: Duration::from_secs(10), per_second: 20.0 };
        assert_eq!(slot(100, pace), Duration::from_millis(50));
        assert_eq!(slot(1000, pace), Duration::from_millis(10));
    }
}
