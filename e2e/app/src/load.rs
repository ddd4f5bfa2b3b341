use crate::sidecar::Sidecar;
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
    /// Called in turn; those that begin with a slash at daprd.
    urls: Vec<String>,
    /// Posted, with the number of the call in place of `#`; without a body it is a GET.
    #[serde(default)]
    body: Option<String>,
    /// Whether the answers are told.
    #[serde(default)]
    keep: bool,
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
    /// The URLs and what they answered, in the order of the calls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    answers: Vec<(String, String)>,
}

/// Makes the calls and waits for all answers.
pub(crate) async fn run(sidecar: &Sidecar, load: Load) -> Outcome {
    let begun = Instant::now();
    let mut tick = interval(Duration::from_secs(1) / load.rate.max(1));
    // A late tick is made up for, so that the count is what was asked for.
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut calls = JoinSet::new();
    let wanted = usize::try_from(load.rate * load.seconds).unwrap_or(usize::MAX);
    for (number, url) in load.urls.iter().cycle().take(wanted).enumerate() {
        tick.tick().await;
        let body = load.body.as_ref();
        let body = body.map(|body| body.replace('#', &number.to_string()));
        let (sidecar, url) = (sidecar.clone(), url.clone());
        calls.spawn(call(sidecar, Order { number, url, body }, begun));
    }
    let mut outcome = Outcome::default();
    let mut ended = calls.join_all().await;
    ended.sort_unstable_by_key(|call| call.order.number);
    for call in ended {
        outcome.add(call, load.keep);
    }
    outcome
}

/// A call to make.
struct Order {
    number: usize,
    url: String,
    body: Option<String>,
}

/// A call that has ended.
struct Call {
    order: Order,
    /// When it was made, and which.
    what: String,
    taken: Duration,
    result: Result<String, String>,
}

async fn call(sidecar: Sidecar, order: Order, begun: Instant) -> Call {
    let sent = Instant::now();
    let what = format!("after {:.2?}, {}", begun.elapsed(), order.url);
    let (method, body) = match &order.body {
        Some(body) => (Method::POST, Bytes::from(body.clone())),
        None => (Method::GET, Bytes::new()),
    };
    let called = timeout(PATIENCE, sidecar.answer(method, &order.url, body)).await;
    let text = |body: Bytes| String::from_utf8_lossy(&body).into_owned();
    let result = match called {
        Err(_) => Err("no answer".to_owned()),
        Ok(Err(error)) => Err(error),
        Ok(Ok((status, body))) if status.is_success() => Ok(text(body)),
        Ok(Ok((status, body))) => Err(format!("{status} {}", text(body))),
    };
    let taken = sent.elapsed();
    Call {
        order,
        what,
        taken,
        result,
    }
}

impl Outcome {
    fn add(&mut self, call: Call, keep: bool) {
        self.calls += 1;
        if call.taken.as_millis() > self.slowest_ms {
            self.slowest_ms = call.taken.as_millis();
            self.slowest.clone_from(&call.what);
        }
        match call.result {
            Err(why) => self.fail(format!("{}: {why}", call.what)),
            Ok(answer) if keep => self.answers.push((call.order.url, answer)),
            Ok(_) => {}
        }
    }

    fn fail(&mut self, told: String) {
        self.failed += 1;
        self.failures
            .extend((self.failures.len() < TOLD).then_some(told));
    }
}
