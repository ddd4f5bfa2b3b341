//! Calls of actors through real sidecars, one after the other for each actor.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{FAIL_OVER, harm::Harm, http};

/// Who calls, and what came of it.
pub(crate) struct Visits {
    journal: Arc<Mutex<Journal>>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Journal {
    actors: Vec<Actor>,
    calls: usize,
    failures: Vec<String>,
    slowest: Duration,
    splits: Vec<String>,
}

/// What is known of one actor.
#[derive(Default)]
struct Actor {
    /// When the last call was made that was answered.
    answered: Option<Instant>,
    /// In which application it lived, and its count.
    life: Option<(String, u64)>,
    failed_since: u64,
}

/// What came of the calls since the last look.
pub(crate) struct Outcome {
    pub(crate) calls: usize,
    pub(crate) failed: usize,
    pub(crate) slowest: Duration,
}

const ACTORS: usize = 12;
/// Between two calls of one actor.
const PAUSE: Duration = Duration::from_millis(200);
/// A new life begins with one call, which may have been tried twice.
const BEGINNING: u64 = 2;

// === impl Visits ===

impl Visits {
    pub(crate) fn start(sidecars: &[u16]) -> Self {
        let journal = Journal {
            actors: (0..ACTORS).map(|_| Actor::default()).collect(),
            ..Journal::default()
        };
        let journal = Arc::new(Mutex::new(journal));
        let mut tasks = JoinSet::new();
        for actor in 0..ACTORS {
            tasks.spawn(visit(actor, sidecars.to_vec(), Arc::clone(&journal)));
        }
        Self {
            journal,
            _tasks: tasks,
        }
    }

    /// Waits until every actor has answered a call that was made after this moment.
    pub(crate) async fn answered_within(&self, time: Duration, after: Instant) {
        let answered = async {
            while !self.journal.lock().all_answered(after) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = timeout(time, answered).await;
        assert!(
            waited.is_ok(),
            "actors do not answer: {:?}",
            self.journal.lock().failures
        );
    }

    /// Forgets the calls so far, which may have come before the actors.
    pub(crate) fn forget(&self) {
        self.journal.lock().take();
    }

    /// Checks the calls since the last look, in which this was done to a replica. All is well
    /// again now.
    pub(crate) fn check(&self, harm: &Harm) -> Outcome {
        let (outcome, failures) = self.outcome();
        assert!(
            failures.is_empty() || !harm.spares_the_leader(),
            "calls failed while the leader was there: {failures:?}"
        );
        assert!(
            outcome.slowest < FAIL_OVER,
            "a call took {:?}",
            outcome.slowest
        );
        outcome
    }

    /// What came of the calls since the last look, and those that failed.
    pub(crate) fn outcome(&self) -> (Outcome, Vec<String>) {
        let mut journal = self.journal.lock();
        assert_eq!(journal.splits, Vec::<String>::new(), "actors lived twice");
        journal.take()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (calls, failed, slowest) = (self.calls, self.failed, self.slowest);
        write!(f, "{calls} calls, slowest {slowest:.2?}, {failed} failed")
    }
}

// === impl Journal ===

impl Journal {
    fn all_answered(&self, after: Instant) -> bool {
        let answered = |actor: &Actor| actor.answered.is_some_and(|sent| sent >= after);
        self.actors.iter().all(answered)
    }

    fn take(&mut self) -> (Outcome, Vec<String>) {
        let failures = std::mem::take(&mut self.failures);
        let outcome = Outcome {
            calls: std::mem::take(&mut self.calls),
            failed: failures.len(),
            slowest: std::mem::take(&mut self.slowest),
        };
        (outcome, failures)
    }

    fn note(&mut self, actor: usize, sent: Instant, answer: Result<String, String>) {
        self.calls += 1;
        self.slowest = self.slowest.max(sent.elapsed());
        match answer {
            Ok(said) => {
                if let Some(split) = self.actors[actor].answered(sent, &said) {
                    self.splits.push(format!("actor {actor}: {split}"));
                }
            }
            Err(why) => {
                self.actors[actor].failed_since += 1;
                let taken = sent.elapsed();
                self.failures.push(format!("after {taken:.2?}: {why}"));
            }
        }
    }
}

// === impl Actor ===

impl Actor {
    /// Says what is wrong if the actor went on in an application that it had left.
    fn answered(&mut self, sent: Instant, said: &str) -> Option<String> {
        let (app, count) = said.split_once(' ').unwrap();
        let count: u64 = count.trim().parse().unwrap();
        let before = self.life.replace((app.to_owned(), count));
        self.answered = Some(sent);
        let begins = count <= BEGINNING + std::mem::take(&mut self.failed_since);
        let goes_on = before
            .as_ref()
            .is_none_or(|(home, last)| home == app && *last < count);
        (!begins && !goes_on).then(|| format!("{said} after {before:?}"))
    }
}

/// Calls an actor through one sidecar after the other.
async fn visit(actor: usize, sidecars: Vec<u16>, journal: Arc<Mutex<Journal>>) {
    let path = format!("/v1.0/actors/counter/actor-{actor}/method/visit");
    for sidecar in sidecars.into_iter().cycle() {
        let sent = Instant::now();
        let answer = timeout(FAIL_OVER * 2, http::get(sidecar, &path)).await;
        let answer = answer.unwrap_or_else(|_| Err("no answer".into()));
        journal.lock().note(actor, sent, answer);
        sleep(PAUSE).await;
    }
}

#[test]
fn an_actor_that_goes_on_where_it_had_left_is_seen() {
    let (mut actor, now) = (Actor::default(), Instant::now());
    for said in ["one 1", "one 2", "one 3", "two 1", "two 2", "two 3"] {
        assert_eq!(actor.answered(now, said), None);
    }
    assert!(actor.answered(now, "one 4").is_some());
}
