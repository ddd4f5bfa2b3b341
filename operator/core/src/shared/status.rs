//! What is told of an instance.

use crds::shared_instance::{SharedInstance, SharedInstanceStatus, Urls};
use injector_core::shared::App;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use super::decision::Action;
use super::facts::Conflict;
use super::plan::Plan;

/// Most workloads that are named.
const MOST_WORKLOADS: usize = 100;
/// Longest message of a condition, in bytes (Kubernetes: `apimachinery/pkg/apis/meta/v1`).
const LONGEST_MESSAGE: usize = 32_768;

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Objects of these names and kinds are someone else's.
    pub blocked: Vec<String>,
    /// Why the objects can't be as they should.
    pub refused: Option<String>,
    /// Settings that could not be used.
    pub warnings: Vec<String>,
    /// Where the cluster's names end, such as `cluster.local`.
    pub domain: String,
    /// Whether apps reach the instances by TLS.
    pub tls: bool,
}

/// A condition without its times.
struct Said {
    type_: &'static str,
    status: &'static str,
    reason: &'static str,
    message: String,
}

// === impl Conflict ===

impl Conflict {
    /// Tells an instance that it is not the one for its app ID.
    pub(super) fn refusal(&self, instance: &SharedInstance, now: Timestamp) -> Option<Action> {
        let previous = instance.status.clone().unwrap_or_default();
        let said = vec![
            Said::new("Ready", "False", self.reason, self.message.clone()),
            Said::new("Conflict", "True", self.reason, self.message.clone()),
        ];
        let generation = instance.metadata.generation;
        let status = SharedInstanceStatus {
            observed_generation: generation,
            conditions: Some(conditions(said, &previous, generation, now)),
            ..SharedInstanceStatus::default()
        };
        (status != previous).then(|| Action::Tell {
            name: instance.metadata.name.clone().unwrap_or_default(),
            status: Box::new(status),
        })
    }
}

// === impl Plan ===

impl Plan {
    /// The status of an instance whose objects are left as they are.
    pub(super) fn tell(&self, now: Timestamp) -> Option<Action> {
        let status = self.status(&Outcome::default(), now);
        self.is_news(&status).then(|| Action::Tell {
            name: self.name.clone(),
            status: Box::new(status),
        })
    }

    /// Whether a status says something else than the one before.
    pub fn is_news(&self, status: &SharedInstanceStatus) -> bool {
        self.facts.previous != *status
    }

    /// The status of the instance.
    pub fn status(&self, outcome: &Outcome, now: Timestamp) -> SharedInstanceStatus {
        let facts = &self.facts;
        let counts = facts.counts.unwrap_or_default();
        let said = vec![
            self.ready(outcome),
            self.app_ready(),
            self.conflict(outcome),
        ];
        let count = |number: usize| Some(i32::try_from(number).unwrap_or(i32::MAX));
        SharedInstanceStatus {
            observed_generation: self.generation,
            conditions: Some(conditions(said, &facts.previous, self.generation, now)),
            bound_workloads: Some(
                facts
                    .workloads
                    .iter()
                    .take(MOST_WORKLOADS)
                    .cloned()
                    .collect(),
            ),
            bound_pods: count(facts.pods),
            ready_instances: Some(counts.ready),
            desired_instances: Some(counts.desired),
            urls: self.urls(outcome),
            idle_since: facts.idle_since.map(Time),
        }
    }

    fn ready(&self, outcome: &Outcome) -> Said {
        let say = |status, reason, message: String| Said::new("Ready", status, reason, message);
        let notes = outcome.warnings.join("\n");
        match (&outcome.refused, self.facts.counts) {
            (Some(error), _) => say("False", "Refused", error.clone()),
            (None, None) if !outcome.blocked.is_empty() => {
                let message = "nothing is made as long as names are taken: see Conflict";
                say("False", "NameTaken", message.to_owned())
            }
            (None, None) => say(
                "False",
                "Starting",
                "the instances are being made".to_owned(),
            ),
            (None, Some(counts)) if counts.ready > 0 => say("True", "InstancesReady", notes),
            (None, Some(counts)) if counts.desired == 0 => {
                let remedy = "no instance is wanted: set replicas to 1 or more, or let nodes be \
                              chosen that exist";
                say("False", "NoInstances", remedy.to_owned())
            }
            (None, Some(_)) => {
                let remedy = format!(
                    "no instance is ready yet: `kubectl get pods -l {}={}` shows how far they are",
                    injector_core::shared::INSTANCE,
                    self.names.app_id(),
                );
                let all = outcome.warnings.iter().cloned().chain([remedy]);
                say(
                    "False",
                    "InstancesNotReady",
                    all.collect::<Vec<_>>().join("\n"),
                )
            }
        }
    }

    fn app_ready(&self) -> Said {
        let say = |status, reason, message: String| Said::new("AppReady", status, reason, message);
        match (self.app(), self.app_port(), self.facts.endpoints) {
            (App::Address { host, port }, ..) => {
                let message = format!("the app is at {host}:{port}, which is not watched");
                say("Unknown", "Elsewhere", message)
            }
            (_, None, _) => {
                let remedy = "daprd has no app to call: set dapr.io/app-port on the workload or \
                              app.port here, if it should have one";
                say("False", "NoApp", remedy.to_owned())
            }
            (_, Some(port), 0) => {
                let message = format!(
                    "none of the app's pods is ready, so calls are held for a while and then given \
                     back: start the app, or see that it listens on port {port} and is ready"
                );
                say("False", "NoReadyPod", message)
            }
            (_, Some(_), ready) => say("True", "PodsReady", format!("{ready} pods are ready")),
        }
    }

    fn conflict(&self, outcome: &Outcome) -> Said {
        let say = |status, reason, message| Said::new("Conflict", status, reason, message);
        match (&self.facts.conflict, outcome.blocked.as_slice()) {
            (Some(conflict), _) => say("True", conflict.reason, conflict.message.clone()),
            (None, []) => say("False", "NoConflict", String::new()),
            (None, blocked) => {
                let message = format!(
                    "these names are taken by objects of others, so the instance is left as it is: \
                     {}; delete or rename them, or choose another app ID",
                    blocked.join(", "),
                );
                say("True", "NameTaken", message)
            }
        }
    }

    fn urls(&self, outcome: &Outcome) -> Option<Urls> {
        if outcome.domain.is_empty() {
            return self.facts.previous.urls.clone();
        }
        let (namespace, domain) = (&self.namespace, &outcome.domain);
        let [http, grpc] = self.names.endpoints(namespace, domain, outcome.tls);
        Some(Urls {
            http: Some(http),
            grpc: Some(grpc),
        })
    }
}

// === impl Said ===

impl Said {
    fn new(
        type_: &'static str,
        status: &'static str,
        reason: &'static str,
        mut message: String,
    ) -> Self {
        message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
        Self {
            type_,
            status,
            reason,
            message,
        }
    }
}

/// A condition keeps the time of its last change.
fn conditions(
    said: Vec<Said>,
    previous: &SharedInstanceStatus,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let before = previous.conditions.as_deref().unwrap_or_default();
    let condition = |said: Said| {
        let same = |one: &&Condition| one.type_ == said.type_ && one.status == said.status;
        let since = before
            .iter()
            .find(same)
            .map(|one| one.last_transition_time.clone());
        Condition {
            type_: said.type_.to_owned(),
            status: said.status.to_owned(),
            reason: said.reason.to_owned(),
            message: said.message,
            last_transition_time: since.unwrap_or(Time(now)),
            observed_generation: generation,
        }
    };
    said.into_iter().map(condition).collect()
}

#[cfg(test)]
#[path = "status/tests.rs"]
mod tests;
