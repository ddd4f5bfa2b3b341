//! Makes the Services that workloads should have. Only the leader does.

mod act;
mod contest;
mod observe;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use k8s_openapi::api::core::v1::Service;
use kube::Client;
use operator_core::service::{Cluster, InvalidAppId, Key, Settings, WorkloadKind};
use operator_core::shared::Modes;
use tokio_util::sync::CancellationToken;

use act::{Done, act};
use contest::Contests;
use observe::{Observed, observe};

use crate::metrics::Metrics;
use crate::turns::Turns;

/// Actions that run at once.
const MOST_ACTIONS: usize = 8;

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// What the controller works on.
pub(crate) struct Controller {
    client: Client,
    cluster: Cluster,
    metrics: Metrics,
    unheard: BTreeSet<&'static str>,
    turns: Turns<Key>,
    failures: BTreeMap<Key, u32>,
}

/// Makes and removes Services until `stopping`.
pub(crate) async fn control(
    client: Client,
    namespace: Option<String>,
    kinds: Vec<WorkloadKind>,
    (settings, modes): (Settings, Modes),
    metrics: Metrics,
    stopping: CancellationToken,
) {
    let cluster = Cluster::new(settings, modes);
    let controller = Controller::new(client, &kinds, cluster, metrics);
    stopping
        .run_until_cancelled(controller.run(namespace, kinds))
        .await;
}

// === impl Controller ===

impl Controller {
    fn new(client: Client, kinds: &[WorkloadKind], cluster: Cluster, metrics: Metrics) -> Self {
        let workloads = kinds.iter().map(|kind| kind.plural());
        Self {
            client,
            cluster,
            metrics,
            unheard: workloads
                .chain([observe::SERVICES, observe::NAMESPACES])
                .collect(),
            turns: Turns::default(),
            failures: BTreeMap::new(),
        }
    }

    async fn run(mut self, namespace: Option<String>, kinds: Vec<WorkloadKind>) {
        let mut observed = pin!(observe(&self.client, namespace.as_deref(), kinds));
        let (mut actions, mut retries) = (FuturesUnordered::new(), FuturesUnordered::new());
        let mut contests = Contests::new(self.client.clone());
        let mut told = FuturesUnordered::new();
        loop {
            while actions.len() < MOST_ACTIONS
                && let Some(key) = self.next()
            {
                told.extend(contests.take(&key, self.cluster.losers(&key)));
                let action = self.cluster.decide(&key);
                actions.push(act(self.client.clone(), key, action));
            }
            tokio::select! {
                Some(event) = observed.next() => self.take(event),
                Some(done) = actions.next() => retries.extend(self.finish(done)),
                Some(key) = retries.next() => self.turns.extend([key]),
                Some(()) = told.next() => {}
                else => return,
            }
        }
    }

    /// The next Service to look at. Nothing is decided before everything was listed: a workload
    /// that is not known yet might want what nobody seems to want.
    fn next(&mut self) -> Option<Key> {
        if !self.unheard.is_empty() {
            return None;
        }
        self.turns.next()
    }

    /// Takes note of what an action came to. A failed one is tried again after a wait.
    fn finish(&mut self, Done { key, result }: Done) -> Option<impl Future<Output = Key> + use<>> {
        self.turns.end(&key);
        match result {
            Ok(outcome) => {
                self.failures.remove(&key);
                self.note(key, outcome);
                None
            }
            Err(error) => {
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::warn!(error, service = %key, "a Service could not be set right; retrying");
                let failures = self.failures.entry(key.clone()).or_default();
                *failures += 1;
                Some(after(wait(*failures), key))
            }
        }
    }

    fn note(&mut self, key: Key, outcome: act::Outcome) {
        match outcome {
            act::Outcome::Nothing => {}
            act::Outcome::Applied { service, created } => {
                let app_id = app_id(&service);
                if created {
                    self.metrics.created(&app_id);
                } else {
                    self.metrics.updated(&app_id);
                }
                self.cluster.applied(key, *service);
            }
            act::Outcome::Deleted { app_id } => self.metrics.deleted(&app_id),
        }
    }

    fn take(&mut self, event: Observed) {
        let look = match event {
            Observed::Workloads(kind, workloads) => {
                self.unheard.remove(kind.plural());
                let (look, invalid) = self.cluster.reset_workloads(kind, workloads);
                report(&invalid);
                look
            }
            Observed::Workload(workload) => {
                let (look, invalid) = self.cluster.apply_workload(workload);
                report(invalid.as_slice());
                look
            }
            Observed::WorkloadGone(key) => self.cluster.delete_workload(&key),
            Observed::Services(services) => {
                self.unheard.remove(observe::SERVICES);
                self.cluster.reset_services(services)
            }
            Observed::Namespaces(modes) => {
                self.unheard.remove(observe::NAMESPACES);
                self.cluster.reset_namespaces(modes)
            }
            Observed::Namespace(name, mode) => self.cluster.apply_namespace(&name, mode),
            Observed::Service(service) => self.cluster.apply_service(service).into_iter().collect(),
            Observed::ServiceGone(service) => {
                self.cluster.delete_service(&service).into_iter().collect()
            }
        };
        self.turns.extend(look);
    }
}

async fn after(wait: Duration, key: Key) -> Key {
    tokio::time::sleep(wait).await;
    key
}

/// Doubles with each failure of the same Service.
fn wait(failures: u32) -> Duration {
    (FIRST_WAIT * 2_u32.pow(failures.min(16))).min(LONGEST_WAIT)
}

fn report(invalid: &[InvalidAppId]) {
    for error in invalid {
        tracing::warn!("a workload gets no Service: {error}");
    }
}

fn app_id(service: &Service) -> String {
    let annotations = service.metadata.annotations.as_ref();
    annotations
        .and_then(|annotations| annotations.get(operator_core::assignment::APP_ID))
        .cloned()
        .unwrap_or_default()
}
