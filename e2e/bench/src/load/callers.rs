//! Callers that each wait for an answer before they ask again.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use tokio::time::Instant;

use crate::{figures::Figure, usage};

/// Before it is measured: caches fill, the collector of the original finds its pace.
const WARM_UP: Duration = Duration::from_secs(1);

/// Someone with a connection.
pub(super) trait Caller {
    /// Asks once; an answer that is not the wanted one is an error.
    async fn call(&mut self) -> Result<()>;
}

/// What some time under load came to.
#[derive(Debug)]
struct Outcome {
    taken: Duration,
    /// Of the called process.
    cpu: Duration,
    /// Of each call, sorted.
    latencies: Vec<Duration>,
}

/// Lets all callers call process `pid` at the same time, for so long.
pub(super) async fn drive<C: Caller>(
    what: &str,
    pid: u32,
    mut callers: Vec<C>,
    time: Duration,
) -> Result<Vec<Figure>> {
    call_all(&mut callers, WARM_UP).await?;
    let (begun, before) = (Instant::now(), usage::cpu(pid)?);
    let latencies = call_all(&mut callers, time).await?;
    let outcome = Outcome {
        taken: begun.elapsed(),
        cpu: usage::cpu(pid)?.saturating_sub(before),
        latencies,
    };
    outcome.figures(&format!("{what}, {} at once", callers.len()))
}

async fn call_all<C: Caller>(callers: &mut [C], time: Duration) -> Result<Vec<Duration>> {
    let end = Instant::now() + time;
    let each = try_join_all(callers.iter_mut().map(|caller| call_until(caller, end)));
    let mut latencies = each.await?.concat();
    latencies.sort_unstable();
    Ok(latencies)
}

async fn call_until<C: Caller>(caller: &mut C, end: Instant) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    while Instant::now() < end {
        let begun = Instant::now();
        caller.call().await?;
        latencies.push(begun.elapsed());
    }
    Ok(latencies)
}

// === impl Outcome ===

impl Outcome {
    fn figures(&self, what: &str) -> Result<Vec<Figure>> {
        ensure!(
            !self.latencies.is_empty(),
            "{what}: no call was answered in time"
        );
        let rate = |time: Duration| f64::from(self.calls()) / time.as_secs_f64();
        Ok(vec![
            Figure::new(what, "/s", rate(self.taken)),
            Figure::new(format!("{what}, per CPU second"), "/CPU s", rate(self.cpu)),
            Figure::millis(format!("{what}, p50"), self.quantile(50)),
            Figure::millis(format!("{what}, p99"), self.quantile(99)),
        ])
    }

    fn calls(&self) -> u32 {
        u32::try_from(self.latencies.len()).unwrap_or(u32::MAX)
    }

    /// The latency that so many of a hundred calls did not exceed.
    fn quantile(&self, percent: usize) -> Duration {
        let rank = (self.latencies.len() * percent).div_ceil(100).max(1);
        self.latencies.get(rank - 1).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sleeper(u64);

    impl Caller for Sleeper {
        async fn call(&mut self) -> Result<()> {
            tokio::time::sleep(Duration::from_millis(self.0)).await;
            ensure!(self.0 < 9, "too long");
            Ok(())
        }
    }

    fn outcome(calls: u64) -> Outcome {
        Outcome {
            taken: Duration::from_secs(2),
            cpu: Duration::from_millis(500),
            latencies: (1..=calls).map(Duration::from_millis).collect(),
        }
    }

    #[test]
    fn figures_of_a_hundred_calls() {
        let figures = outcome(100).figures("x").unwrap();
        let values: Vec<f64> = figures.iter().map(|figure| figure.value).collect();
        assert_eq!(values, [50.0, 200.0, 50.0, 99.0]);
        assert!(outcome(0).figures("x").is_err());
    }

    #[test]
    fn quantiles_of_one_call_are_that_call() {
        assert_eq!(outcome(1).quantile(50), Duration::from_millis(1));
        assert_eq!(outcome(1).quantile(99), Duration::from_millis(1));
    }

    #[tokio::test]
    async fn callers_call_at_the_same_time_until_one_fails() {
        let time = Duration::from_millis(30);
        let calls = call_all(&mut [Sleeper(1), Sleeper(2)], time).await.unwrap();
        assert!(calls.is_sorted() && calls.len() > 2, "{calls:?}");
        assert!(call_all(&mut [Sleeper(1), Sleeper(9)], time).await.is_err());
    }
}
