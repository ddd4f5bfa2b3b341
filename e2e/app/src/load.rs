use crate::sidecar::{Http, answer};
use axum::http::Method;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// After this an answer is of no use to anyone.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many failures are told in full.
const TOLD: usize = 20;

/// Calls to make, at a steady rate whatever the answers take.
#[derive(Deserialize)]
pub(crate) struct Load {
    /// Called in turn.
    urls: Vec<String>,
    /// Calls per second.
    rate: u32,
    seconds: u32,
}

/// What came of it.
#[derive(Default, Serialize)]
pub(crate) struct Outcome {
    calls: usize,
    failed: usize,
    slowest_ms: u128,
    /// When the slowest call was made, and which.
    slowest: String,
    /// The first failures: when, which URL, and why.
    failures: Vec<String>,
}

/// Makes the calls and waits for all answers.
pub(crate) async fn run(http: &Http, load: Load) -> Outcome {
    let begun = Instant::now();
    let mut tick = interval(Duration::from_secs(1) / load.rate.max(1));
    // A late tick is made up for, so that the count is what was asked for.
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut calls = JoinSet::new();
    let wanted = usize::try_from(load.rate * load.seconds).unwrap_or(usize::MAX);
    for url in load.urls.iter().cycle().take(wanted) {
        tick.tick().await;
        calls.spawn(call(http.clone(), url.clone(), begun));
    }
    let mut outcome = Outcome::default();
    while let Some(ended) = calls.join_next().await {
        match ended {
            Ok(call) => outcome.add(call),
            Err(error) => outcome.fail(error.to_string()),
        }
    }
    outcome
}

/// A call that has ended.
struct Call {
    /// When it was made, and which.
    what: String,
    taken: Duration,
    result: Result<(), String>,
}

async fn call(http: Http, url: String, begun: Instant) -> Call {
    let sent = Instant::now();
    let what = format!("after {:.2?}, {url}", begun.elapsed());
    let called = timeout(PATIENCE, answer(&http, Method::GET, &url, Bytes::new())).await;
    let result = match called {
        Err(_) => Err("no answer".to_owned()),
        Ok(Err(error)) => Err(error),
        Ok(Ok((status, _))) if status.is_success() => Ok(()),
        Ok(Ok((status, body))) => Err(format!("{status} {}", String::from_utf8_lossy(&body))),
    };
    let taken = sent.elapsed();
    Call {
        what,
        taken,
        result,
    }
}

impl Outcome {
    fn add(&mut self, call: Call) {
        self.calls += 1;
        if call.taken.as_millis() > self.slowest_ms {
            self.slowest_ms = call.taken.as_millis();
            self.slowest.clone_from(&call.what);
        }
        if let Err(why) = call.result {
            self.fail(format!("{}: {why}", call.what));
        }
    }

    fn fail(&mut self, told: String) {
        self.failed += 1;
        self.failures
            .extend((self.failures.len() < TOLD).then_some(told));
    }
}
