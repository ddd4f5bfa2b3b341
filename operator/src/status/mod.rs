//! Tells people what is wrong with their objects: as conditions in the status, and as Events when
//! something gets worse. Only the leader does.

mod facts;
mod pods;
mod tell;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{Stream, StreamExt};
use kube::Client;
use operator_core::kind::Kind;
use operator_core::resource::Resource;
use operator_core::status::{Agenda, App, Apps, Facts, report};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::store::{Name, News, Store};
use facts::Lookup;
use pods::Seen;
use tell::Teller;

/// Between two looks that called the API server, so that many objects are no flood of calls.
const PACE: Duration = Duration::from_millis(20);

/// How long the first list of pods is waited for before scopes are left open.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is seen to that apps are forgotten.
const FORGET_EVERY: Duration = Duration::from_hours(1);

/// Until a secret store that is missing is looked for again.
const STORE_WAIT: Duration = Duration::from_mins(1);

const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// Looks after the status of everything in the stores.
pub struct Reporter {
    start: Instant,
    stores: Vec<Arc<Store>>,
    lookup: Lookup,
    teller: Teller,
    apps: Option<Apps>,
    agenda: Agenda<Name>,
    failures: BTreeMap<Name, u32>,
}

/// Writes conditions and Events until `stopping`. Looks at pods of one namespace if it is given.
pub async fn keep(
    client: Client,
    namespace: Option<String>,
    stores: Vec<Arc<Store>>,
    stopping: CancellationToken,
) {
    let pods = pods::follow(client.clone(), namespace.as_deref()).boxed();
    let reporter = Reporter::new(client, stores);
    stopping
        .run_until_cancelled(Box::pin(reporter.run(pods)))
        .await;
}

// === impl Reporter ===

impl Reporter {
    fn new(client: Client, stores: Vec<Arc<Store>>) -> Self {
        Self {
            start: Instant::now(),
            stores,
            lookup: Lookup::new(client.clone()),
            teller: Teller::new(client),
            apps: None,
            agenda: Agenda::default(),
            failures: BTreeMap::new(),
        }
    }

    async fn run(mut self, pods: impl Stream<Item = Seen>) {
        let (mut pods, news) = (pin!(pods), Arc::<News>::default());
        for store in &self.stores {
            store.tell(Arc::clone(&news));
        }
        let mut forget = tokio::time::interval(FORGET_EVERY);
        loop {
            let due = self.due();
            // What is known is heard before anything is looked at, so that nothing is told twice.
            tokio::select! {
                biased;
                names = news.next() => self.ask(names),
                Some(seen) = pods.next() => self.see(seen),
                _ = forget.tick() => self.forget(),
                () = at(due) => self.look().await,
            }
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// When to look next. Scopes cannot be judged before the pods were listed.
    fn due(&self) -> Option<Instant> {
        let due = self.start + self.agenda.next()?;
        match self.apps {
            Some(_) => Some(due),
            None => Some(due.max(self.start + PATIENCE)),
        }
    }

    fn ask(&mut self, names: impl IntoIterator<Item = Name>) {
        let now = self.now();
        for name in names {
            self.agenda.add(name, now);
        }
    }

    fn see(&mut self, seen: Seen) {
        let (now, listed) = (self.now(), self.apps.is_some());
        let apps = self.apps.get_or_insert_default();
        let new = match seen {
            Seen::All(pods) => apps.reset(pods, now),
            Seen::One(pod, id) => apps.apply(pod, id, now).into_iter().collect(),
            Seen::Gone(pod) => {
                apps.delete(&pod, now);
                Vec::new()
            }
        };
        // What was looked at before the first list has no word on its scopes.
        if listed {
            self.ask_about(&new);
        } else {
            let all = self.stores.iter().flat_map(|store| store.names());
            let all: Vec<Name> = all.collect();
            self.ask(all);
        }
    }

    fn forget(&mut self) {
        let now = self.now();
        let gone = self.apps.as_mut().map(|apps| apps.forget(now));
        self.ask_about(&gone.unwrap_or_default());
    }

    /// Asks for a look at everything that is scoped to one of these apps.
    fn ask_about(&mut self, apps: &[App]) {
        for app in apps {
            let stores = self.stores.iter();
            let scoped: Vec<Name> = stores
                .flat_map(|store| store.list(&app.namespace))
                .filter(|resource| resource.scopes().contains(&app.id))
                .map(|resource| Name::of(&resource))
                .collect();
            self.ask(scoped);
        }
    }

    /// Looks at one object, if one is due. What failed is tried again, later each time.
    async fn look(&mut self) {
        let Some(name) = self.agenda.pop(self.now()) else {
            return;
        };
        let Some(resource) = self.find(&name) else {
            self.failures.remove(&name);
            return;
        };
        match self.tell(&resource).await {
            Ok(again) => {
                self.failures.remove(&name);
                if let Some(wait) = again {
                    self.agenda.add(name, self.now() + wait);
                }
            }
            Err(error) => {
                let failures = self.failures.entry(name.clone()).or_default();
                *failures += 1;
                let wait = (FIRST_WAIT * 2_u32.pow((*failures - 1).min(16))).min(LONGEST_WAIT);
                self.teller.complain(&name, &error, wait);
                self.agenda.add(name, self.now() + wait);
            }
        }
    }

    fn find(&self, name: &Name) -> Option<Arc<Resource>> {
        let store = self.stores.iter().find(|store| store.kind() == name.kind)?;
        store.get(&name.namespace, &name.name)
    }

    /// Writes what has to be told. Answers when to look again.
    async fn tell(&mut self, resource: &Resource) -> Result<Option<Duration>, kube::Error> {
        let now = self.now();
        let found = self.lookup.secrets(resource, now).await?;
        let facts = Facts {
            secrets: &found.secrets,
            has_store: self.has_store(resource),
            apps: self.apps.as_ref(),
        };
        let time = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        let report = report(resource, facts, &time.to_string());
        if let Some(report) = &report {
            self.teller.tell(resource, report).await?;
        }
        if report.is_some() || found.called {
            sleep(PACE).await;
        }
        let store_missing = !facts.has_store;
        Ok(found.again.or(store_missing.then_some(STORE_WAIT)))
    }

    /// Whether the secret store that a resource names is there, if it names one.
    fn has_store(&self, resource: &Resource) -> bool {
        let Some(store) = facts::foreign_store(resource) else {
            return true;
        };
        let components = self.stores.iter().find(|it| it.kind() == Kind::Component);
        components
            .and_then(|components| components.get(resource.namespace(), &store))
            .is_some_and(|component| facts::is_secret_store(&component))
    }
}

/// Never, if there is nothing to wait for.
async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
