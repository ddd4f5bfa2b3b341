//! Calls of actors while something else goes on.

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use e2e::Apps;
use serde_json::Value;

use crate::load::{self, DAPR};

/// Calls by front's sidecar of actors that back hosts.
pub(crate) struct Calls<'a>(&'a Apps<'a>);

/// What came of the calls.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    calls: u64,
    pub(crate) slowest: Duration,
    failures: Vec<(Instant, String)>,
}

/// Calls per second.
const RATE: u32 = 40;
/// After so many seconds the outcome is asked for.
const SPELL: u32 = 5;
const ACTORS: usize = 12;
const SOON: Duration = Duration::from_mins(1);

// === impl Calls ===

impl<'a> Calls<'a> {
    /// Waits until an actor answers.
    pub(crate) fn wait_for_actors(apps: &'a Apps<'a>) -> Self {
        load::reached(apps, "front", "count/first", SOON);
        Self(apps)
    }

    /// Calls actors until `work` is done.
    pub(crate) fn during(&self, work: impl FnOnce() + Send) -> Outcome {
        thread::scope(|scope| {
            let working = scope.spawn(work);
            let mut outcome = Outcome::default();
            while !working.is_finished() {
                outcome.add(Instant::now(), &self.spell());
            }
            working.join().unwrap();
            outcome
        })
    }

    fn spell(&self) -> Value {
        let url = |actor: usize| format!("{DAPR}/actors/counter/actor-{actor}/method/increment");
        let urls: Vec<_> = (0..ACTORS).map(url).collect();
        load::call(self.0, "front", &urls, RATE, SPELL.into())
    }
}

// === impl Outcome ===

impl Outcome {
    fn add(&mut self, begun: Instant, spell: &Value) {
        self.calls += spell["calls"].as_u64().unwrap();
        let slowest = Duration::from_millis(spell["slowest_ms"].as_u64().unwrap());
        self.slowest = self.slowest.max(slowest);
        for failure in spell["failures"].as_array().into_iter().flatten() {
            let told = failure.as_str().unwrap();
            self.failures
                .push((begun + made_after(told), told.to_owned()));
        }
    }

    /// No call failed but in this time after a leader was hurt.
    pub(crate) fn check_failures(&self, hurt: &[Instant], fail_over: Duration) {
        let excused = |made: Instant| {
            hurt.iter().any(|hurt| {
                let since = made + ON_THE_WAY;
                since >= *hurt && made <= *hurt + fail_over
            })
        };
        let failures = self.failures.iter();
        let left: Vec<_> = failures.filter(|(made, _)| !excused(*made)).collect();
        assert!(left.is_empty(), "failed with a leader: {left:?}");
    }
}

/// A call that is cut off was made a little earlier.
const ON_THE_WAY: Duration = Duration::from_secs(1);

/// From `after 2.31s, URL: why`.
fn made_after(told: &str) -> Duration {
    let text = told
        .strip_prefix("after ")
        .and_then(|rest| rest.split(',').next());
    let text = text.unwrap();
    let seconds =
        |number: &str, unit: f64| Duration::from_secs_f64(number.parse::<f64>().unwrap() * unit);
    if let Some(number) = text.strip_suffix("ms") {
        seconds(number, 1e-3)
    } else if let Some(number) = text.strip_suffix("µs") {
        seconds(number, 1e-6)
    } else {
        seconds(text.trim_end_matches('s'), 1.0)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (calls, slowest, failed) = (self.calls, self.slowest, self.failures.len());
        write!(
            f,
            "{calls} calls of actors, slowest {slowest:.2?}, {failed} failed"
        )
    }
}

#[test]
fn the_moment_of_a_failure_is_read() {
    let read = ["after 2.31s, /x: y", "after 350.12ms, /x: y"].map(made_after);
    assert_eq!(read, [2_310_000, 350_120].map(Duration::from_micros));
}
