//! What to do about the instance of an app.

use crds::shared_instance::{SharedInstance, SharedInstanceSpec, SharedInstanceStatus, Strategy};
use injector_core::shared::{Mode, ModeError, Names};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::binding::Binding;
use super::facts::{Conflict, Facts};
use super::instance::{idle_after, is_managed};
use super::plan::Plan;
use super::pods::Pods;
use super::registry::Registry;
use super::seen::AppKey;
use super::{FIELD_MANAGER, MANAGED_BY, MANAGER};

/// What to do about the instance of an app.
#[derive(Debug, Default)]
pub struct Decision {
    /// In this order.
    pub actions: Vec<Action>,
    /// What people have to know.
    pub notices: Vec<Notice>,
    /// How long until time alone changes the decision.
    pub again: Option<SignedDuration>,
}

/// One thing to do.
#[derive(Debug)]
pub enum Action {
    /// Create this `SharedInstance`; if someone else was faster, theirs is it.
    Make(Box<SharedInstance>),
    /// Change the strategy of the `SharedInstance`, if nobody else set it.
    Adjust {
        /// Its name.
        name: String,
        /// Its strategy.
        strategy: Strategy,
    },
    /// Make the objects of the instance what they should be, then tell its status.
    Keep(Box<Plan>),
    /// Only tell the status.
    Tell {
        /// Name of the `SharedInstance`.
        name: String,
        /// Its status.
        status: Box<SharedInstanceStatus>,
    },
    /// Delete the `SharedInstance`, if it is still as it was.
    Collect {
        /// Its name.
        name: String,
        /// Its identity.
        uid: String,
        /// Its version.
        version: Option<String>,
    },
}

/// An Event to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// What it is about.
    pub regarding: ObjectReference,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, and what to do about it.
    pub note: String,
}

/// An app in one look.
pub(super) struct App<'a> {
    pub(super) registry: &'a Registry,
    pub(super) key: &'a AppKey,
    pub(super) now: Timestamp,
    /// Those that want to share, oldest first, with the mode of each.
    pub(super) shared: Vec<(&'a Binding, Mode)>,
    pub(super) sidecars: Vec<&'a Binding>,
    pub(super) unknown: Vec<(&'a Binding, ModeError)>,
    /// Oldest first.
    pub(super) instances: Vec<&'a SharedInstance>,
}

// === impl Registry ===

impl Registry {
    /// What to do about the instance of an app.
    pub fn decide(&self, key: &AppKey, now: Timestamp) -> Decision {
        let mut app = App {
            registry: self,
            key,
            now,
            shared: Vec::new(),
            sidecars: Vec::new(),
            unknown: Vec::new(),
            instances: self.instances(key),
        };
        for workload in self.workloads(key) {
            match self.modes.of(&key.namespace, workload.mode.as_deref()) {
                Ok(Mode::Sidecar) => app.sidecars.push(workload),
                Ok(mode) => app.shared.push((workload, mode)),
                Err(error) => app.unknown.push((workload, error)),
            }
        }
        app.decide()
    }
}

// === impl App ===

impl App<'_> {
    fn decide(&self) -> Decision {
        let mut decision = Decision::default();
        for (workload, error) in &self.unknown {
            decision.notice(workload.reference(), "UnknownMode", error.to_string());
        }
        let names = match Names::of(&self.key.app_id) {
            Ok(names) => names,
            Err(error) => {
                for (workload, _) in &self.shared {
                    decision.notice(workload.reference(), "AppIdRefused", error.to_string());
                }
                return decision;
            }
        };
        let clash = self.clash(&mut decision);
        let dispute = self.dispute(&mut decision);
        match self.instances.as_slice() {
            [] if clash.is_none() => self.make(&mut decision),
            [] => {}
            [instance, others @ ..] => {
                let conflict = clash.clone().or(dispute);
                self.keep(instance, names, conflict, clash.is_some(), &mut decision);
                self.refuse(instance, others, &mut decision);
            }
        }
        decision
    }

    fn make(&self, decision: &mut Decision) {
        if let Some((_, mode)) = self.shared.first() {
            let instance = made_for(self.key, *mode);
            decision.actions.push(Action::Make(Box::new(instance)));
        }
    }

    fn keep(
        &self,
        instance: &SharedInstance,
        names: Names,
        conflict: Option<Conflict>,
        frozen: bool,
        decision: &mut Decision,
    ) {
        if instance.metadata.deletion_timestamp.is_some() {
            return;
        }
        let (pods, oldest_pod) = self.registry.pods(self.key);
        let idle = self.shared.is_empty() && pods == 0;
        let previous = instance.status.clone().unwrap_or_default();
        let began = previous.idle_since.as_ref().map(|time| time.0);
        let idle_since = idle.then(|| began.unwrap_or(self.now));
        if is_managed(instance) && self.collect(instance, idle_since, decision) {
            return;
        }
        let settings = self
            .shared
            .first()
            .map(|(workload, _)| workload.settings.clone());
        let pods_of = self.shared.iter().map(|(workload, _)| &workload.pods);
        let plan = Plan::new(self.key, names, instance, settings).like(Pods::of(pods_of));
        let facts = Facts {
            conflict,
            workloads: self
                .shared
                .iter()
                .map(|(workload, _)| workload.label())
                .collect(),
            accounts: self
                .shared
                .iter()
                .map(|(workload, _)| workload.account.clone())
                .collect(),
            pods,
            oldest_pod,
            idle_since,
            endpoints: self.registry.ready(self.key, &plan.names.app_service()),
            counts: self
                .registry
                .counts(self.key, plan.workload_kind(), &plan.names.instance()),
            previous,
        };
        self.adjust(instance, frozen, decision);
        let plan = plan.with(facts);
        // Without workloads nobody says what the settings are, so an instance that was made for
        // workloads stays as they left it.
        let orphaned = is_managed(instance) && self.shared.is_empty();
        if frozen || orphaned {
            decision.actions.extend(plan.tell(self.now));
        } else {
            decision.actions.push(Action::Keep(Box::new(plan)));
        }
    }

    /// An instance that was made for annotations follows them.
    fn adjust(&self, instance: &SharedInstance, frozen: bool, decision: &mut Decision) {
        let Some((_, mode)) = self.shared.first().filter(|_| !frozen) else {
            return;
        };
        let present = instance.spec.as_ref().and_then(|spec| spec.strategy);
        if is_managed(instance) && present.unwrap_or_default() != strategy(*mode) {
            decision.actions.push(Action::Adjust {
                name: instance.metadata.name.clone().unwrap_or_default(),
                strategy: strategy(*mode),
            });
        }
    }

    /// Whether the time of an idle instance has come.
    fn collect(
        &self,
        instance: &SharedInstance,
        idle_since: Option<Timestamp>,
        decision: &mut Decision,
    ) -> bool {
        let Some(since) = idle_since else {
            return false;
        };
        // Sidecars have taken over: the instance would take events for pods that are gone.
        let patience = match self.sidecars.first() {
            Some(_) => SignedDuration::ZERO,
            None => idle_after(instance),
        };
        let left = patience - self.now.duration_since(since);
        if left.is_positive() {
            decision.again = Some(left);
            return false;
        }
        let metadata = &instance.metadata;
        if let (Some(name), Some(uid)) = (metadata.name.clone(), metadata.uid.clone()) {
            let version = metadata.resource_version.clone();
            decision
                .actions
                .push(Action::Collect { name, uid, version });
        }
        true
    }
}

// === impl Decision ===

impl Decision {
    pub(super) fn notice(
        &mut self,
        regarding: ObjectReference,
        reason: &'static str,
        note: String,
    ) {
        self.notices.push(Notice {
            regarding,
            reason,
            note,
        });
    }
}

/// Whether nobody but us set the strategy of a `SharedInstance`.
pub fn strategy_is_ours(entries: &[ManagedFieldsEntry]) -> bool {
    let of_others = |entry: &&ManagedFieldsEntry| entry.manager.as_deref() != Some(FIELD_MANAGER);
    let mut fields = entries
        .iter()
        .filter(of_others)
        .filter_map(|entry| entry.fields_v1.as_ref());
    !fields.any(|fields| !fields.0["f:spec"]["f:strategy"].is_null())
}

const fn strategy(mode: Mode) -> Strategy {
    match mode {
        Mode::SharedDaemonSet => Strategy::DaemonSet,
        Mode::SharedDeployment | Mode::Sidecar => Strategy::Deployment,
    }
}

fn made_for(key: &AppKey, mode: Mode) -> SharedInstance {
    SharedInstance {
        metadata: ObjectMeta {
            name: Some(key.app_id.to_string()),
            namespace: Some(key.namespace.to_string()),
            labels: Some([(MANAGED_BY.to_owned(), MANAGER.to_owned())].into()),
            ..ObjectMeta::default()
        },
        spec: Some(SharedInstanceSpec {
            strategy: Some(strategy(mode)),
            ..SharedInstanceSpec::default()
        }),
        status: None,
    }
}

#[cfg(test)]
#[path = "decision/tests.rs"]
mod tests;
