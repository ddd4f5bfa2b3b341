//! Makes shared instances for the workloads that ask for them, and keeps those of people. Only the
//! leader does.

mod act;
#[cfg(test)]
mod fixtures;
mod keep;
mod observe;
mod take;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use k8s_openapi::jiff::Timestamp;
use operator_core::shared::{AppKey, Ledger, Notice, Registry, Seen};
use parking_lot::Mutex;
use tokio::time::{Instant, MissedTickBehavior, sleep_until};
use tokio_util::sync::CancellationToken;

use act::{ActError, Done, Job, act};
use observe::{Observed, Source, observe};
pub(crate) use world::{Environment, Resources, World};

use crate::store::Name;
use crate::turns::Turns;

/// Apps whose turn it is at once.
const MOST_TURNS: usize = 8;
/// How often everything is looked at without a reason that was heard of: what accounts may do, and
/// Secrets, are not watched.
const RESYNC: Duration = Duration::from_mins(10);
/// How long until something in the way is looked at again.
const BLOCKED_WAIT: Duration = Duration::from_secs(5);
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(5);
const FAR: Duration = Duration::from_hours(24);

/// What the controller works on.
struct Controller {
    world: Arc<World>,
    registry: Registry,
    ledger: Arc<Mutex<Ledger>>,
    unheard: BTreeSet<Source>,
    turns: Turns<AppKey>,
    /// When to look without being told.
    alarms: BTreeMap<AppKey, Instant>,
    failures: BTreeMap<AppKey, u32>,
    secrets: BTreeMap<AppKey, Timestamp>,
    told: BTreeMap<AppKey, Vec<Notice>>,
}

/// Makes and keeps shared instances until `stopping`, in one namespace if it is given.
pub(crate) async fn control(
    world: impl Future<Output = World>,
    namespace: Option<String>,
    stopping: CancellationToken,
) {
    let running = async {
        let world = world.await;
        world.resources.listed().await;
        let controller = Controller::new(world);
        controller.run(namespace).await;
    };
    stopping.run_until_cancelled(running).await;
}

// === impl Controller ===

impl Controller {
    fn new(world: World) -> Self {
        Self {
            registry: Registry::new(world.environment.mode()),
            world: Arc::new(world),
            ledger: Arc::default(),
            unheard: observe::sources().collect(),
            turns: Turns::default(),
            alarms: BTreeMap::new(),
            failures: BTreeMap::new(),
            secrets: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    async fn run(mut self, namespace: Option<String>) {
        let mut observed = pin!(observe(&self.world.client, namespace.as_deref()));
        let mut turns = FuturesUnordered::new();
        let (mut resync, news) = (every(RESYNC), self.world.resources.news());
        let anchors = self.world.anchors.clone();
        let mut roots = anchors.ready().await;
        loop {
            while turns.len() < MOST_TURNS
                && let Some(job) = self.next()
            {
                turns.push(act(Arc::clone(&self.world), Arc::clone(&self.ledger), job));
            }
            tokio::select! {
                Some(event) = observed.next() => self.take(event),
                Some((app, done, result)) = turns.next() => self.finish(&app, done, result),
                () = sleep_until(self.next_alarm()) => self.ring(),
                _ = resync.tick() => self.turns.extend(self.registry.apps()),
                names = news.next() => self.hear(&names),
                changed = anchors.changed(&roots) => {
                    roots = changed;
                    self.turns.extend(self.registry.apps());
                }
                else => return,
            }
        }
    }

    /// The next app's turn. Nothing is decided before everything was listed: a workload that is not
    /// known yet might use what nothing seems to use.
    fn next(&mut self) -> Option<Job> {
        if !self.unheard.is_empty() {
            return None;
        }
        let app = self.turns.next()?;
        self.alarms.remove(&app);
        let now = Timestamp::now();
        let decision = self.registry.decide(&app, now);
        if let Some(again) = decision.again {
            self.wake(&app, again.unsigned_abs());
        }
        let due = self.secrets.get(&app).copied();
        Some(Job {
            news: self.news(&app, &decision.notices),
            defaults: self.registry.defaults(&app.namespace),
            seen: self.registry.objects(&app),
            secret_due: due.is_none_or(|due| due <= now),
            decision,
            app,
        })
    }

    /// What was not told of an app the last time.
    fn news(&mut self, app: &AppKey, notices: &[Notice]) -> Vec<Notice> {
        let before = self.told.remove(app).unwrap_or_default();
        if !notices.is_empty() {
            self.told.insert(app.clone(), notices.to_vec());
        }
        let new = notices.iter().filter(|notice| !before.contains(notice));
        new.cloned().collect()
    }

    /// Takes note of what a turn came to. What failed is tried again, later each time.
    fn finish(&mut self, app: &AppKey, done: Done, result: Result<(), ActError>) {
        self.turns.end(app);
        for (key, seen) in done.became {
            let counts = self
                .registry
                .objects(app)
                .get(&key)
                .map(|known| known.counts);
            let seen = Seen {
                counts: counts.unwrap_or_default(),
                ..seen
            };
            self.registry.apply_object(app.clone(), key, seen);
        }
        if let Some(due) = done.secret_due {
            let left = due.duration_since(Timestamp::now());
            self.wake(app, left.try_into().unwrap_or_default());
            self.secrets.insert(app.clone(), due);
        }
        if done.blocked {
            self.wake(app, BLOCKED_WAIT);
        }
        match result {
            Ok(()) => drop(self.failures.remove(app)),
            Err(error) => self.complain(app, &error),
        }
    }

    fn complain(&mut self, app: &AppKey, error: &ActError) {
        let error: &(dyn std::error::Error + 'static) = error;
        tracing::warn!(error, %app, "a shared instance could not be set right; retrying");
        let failures = self.failures.entry(app.clone()).or_default();
        *failures += 1;
        let wait = (FIRST_WAIT * 2_u32.pow((*failures - 1).min(16))).min(LONGEST_WAIT);
        self.wake(app, wait);
    }

    /// Looks at an app after a while at the latest.
    fn wake(&mut self, app: &AppKey, after: Duration) {
        let time = Instant::now() + after.min(FAR);
        let alarm = self.alarms.entry(app.clone()).or_insert(time);
        *alarm = time.min(*alarm);
    }

    fn next_alarm(&self) -> Instant {
        let first = self.alarms.values().min().copied();
        first.unwrap_or_else(|| Instant::now() + FAR)
    }

    fn ring(&mut self) {
        let now = Instant::now();
        let due = self.alarms.extract_if(.., |_, time| *time <= now);
        self.turns.extend(due.map(|(app, _)| app));
    }

    /// Looks at the apps of the namespaces where a Configuration or Component is another now.
    fn hear(&mut self, names: &BTreeSet<Name>) {
        let is_news = |app: &AppKey| names.iter().any(|name| name.namespace == app.namespace);
        self.turns
            .extend(self.registry.apps().into_iter().filter(is_news));
    }

    fn take(&mut self, observed: Observed) {
        let look = match observed {
            Observed::Workloads(kind, event) => self.take_workloads(kind, event),
            Observed::Namespaces(event) => self.take_namespaces(event),
            Observed::Instances(event) => self.take_instances(event),
            Observed::Pods(event) => self.take_pods(event),
            Observed::Slices(event) => self.take_slices(event),
            Observed::Objects(kind, event) => self.take_objects(kind, event),
        };
        self.turns.extend(look);
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
