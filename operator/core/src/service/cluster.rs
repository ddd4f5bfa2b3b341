//! All workloads and Services, and what to do about each Service.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use injector_core::shared::Mode;
use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::wanted::{InvalidAppId, Settings, wanted};
use super::workload::{Workload, WorkloadKey, WorkloadKind};
use crate::assignment::{APP_ID, ENABLED};
use crate::shared::{INSTANCE, Modes};

/// Which Service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

/// What to do about a Service.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// It is as it should be, or none of our business.
    Leave,
    /// Make it so.
    Apply(Box<Service>),
    /// Nobody wants it any more, and its owner will not take it along.
    Delete {
        /// Identity of the Service, so that a newer one of the same name is spared.
        uid: String,
        /// Its app ID.
        app_id: String,
    },
}

/// A workload that has no Service because another one has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Loser {
    /// The workload.
    pub owner: OwnerReference,
    /// Why, and what to do about it.
    pub reason: String,
}

/// All workloads and Services.
#[derive(Debug)]
pub struct Cluster {
    settings: Settings,
    modes: Modes,
    workloads: BTreeMap<WorkloadKey, Workload>,
    claims: BTreeMap<Key, BTreeSet<WorkloadKey>>,
    services: BTreeMap<Key, Service>,
    applied: BTreeMap<Key, Service>,
}

/// Whether a Service was made by an operator, this one or the original, for a workload. That of a
/// shared instance was not.
pub fn is_ours(service: &Service) -> bool {
    let metadata = &service.metadata;
    let has = |map: &Option<BTreeMap<String, String>>, key: &str| {
        map.as_ref().is_some_and(|map| map.contains_key(key))
    };
    has(&metadata.labels, ENABLED)
        && has(&metadata.annotations, APP_ID)
        && !has(&metadata.labels, INSTANCE)
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

// === impl Key ===

impl Key {
    /// The key of a Service; none if it has no name or namespace.
    pub fn of(service: &Service) -> Option<Self> {
        let metadata = &service.metadata;
        Some(Self {
            namespace: metadata.namespace.as_deref()?.into(),
            name: metadata.name.as_deref()?.into(),
        })
    }
}

// === impl Cluster ===

impl Cluster {
    /// Nothing is known yet, but what the cluster says about modes.
    pub fn new(settings: Settings, modes: Modes) -> Self {
        Self {
            settings,
            modes,
            workloads: BTreeMap::new(),
            claims: BTreeMap::new(),
            services: BTreeMap::new(),
            applied: BTreeMap::new(),
        }
    }

    /// Takes note of how the pods of a namespace get their daprd, where they don't say. Answers
    /// which Services need a look.
    pub fn apply_namespace(&mut self, namespace: &str, mode: Option<String>) -> BTreeSet<Key> {
        if self.modes.says(namespace) == mode.as_deref() {
            return BTreeSet::new();
        }
        let here = |workload: &&Workload| &*workload.key.namespace == namespace;
        let affected: Vec<Workload> = self.workloads.values().filter(here).cloned().collect();
        let mut look = BTreeSet::new();
        for workload in &affected {
            look.extend(self.delete_workload(&workload.key));
        }
        self.modes.set(namespace, mode);
        for workload in affected {
            look.extend(self.apply_workload(workload).0);
        }
        look
    }

    /// Replaces what all namespaces say about that. Answers which Services need a look.
    pub fn reset_namespaces(&mut self, modes: Vec<(String, Option<String>)>) -> BTreeSet<Key> {
        let present: BTreeSet<&str> = modes
            .iter()
            .map(|(namespace, _)| namespace.as_str())
            .collect();
        let known: Vec<String> = self.modes.namespaces().map(str::to_owned).collect();
        let gone = known
            .iter()
            .filter(|namespace| !present.contains(namespace.as_str()));
        let mut look: BTreeSet<Key> = gone
            .flat_map(|namespace| self.apply_namespace(namespace, None))
            .collect();
        for (namespace, mode) in modes {
            look.extend(self.apply_namespace(&namespace, mode));
        }
        look
    }

    /// Replaces the workloads of a kind. Answers which Services need a look.
    ///
    /// # Errors
    ///
    /// One for each workload whose app ID cannot be used; the others are taken in all the same.
    pub fn reset_workloads(
        &mut self,
        kind: WorkloadKind,
        workloads: Vec<Workload>,
    ) -> (BTreeSet<Key>, Vec<InvalidAppId>) {
        let before = self
            .workloads
            .keys()
            .filter(|key| key.kind == kind)
            .cloned();
        let present: BTreeSet<&WorkloadKey> = workloads.iter().map(Workload::key).collect();
        let gone: Vec<WorkloadKey> = before.filter(|key| !present.contains(key)).collect();
        let mut look: BTreeSet<Key> = gone
            .iter()
            .flat_map(|key| self.delete_workload(key))
            .collect();
        let mut invalid = Vec::new();
        for workload in workloads {
            let (keys, error) = self.apply_workload(workload);
            look.extend(keys);
            invalid.extend(error);
        }
        (look, invalid)
    }

    /// Adds or replaces a workload. Answers which Services need a look, and what is wrong with
    /// its app ID, if it is.
    pub fn apply_workload(&mut self, workload: Workload) -> (BTreeSet<Key>, Option<InvalidAppId>) {
        let key = workload.key.clone();
        let mut look = self.delete_workload(&key);
        let (claim, invalid) = match self.wanted_by(&workload) {
            Ok(service) => (service.as_ref().and_then(Key::of), None),
            Err(error) => (None, Some(error)),
        };
        if let Some(claim) = claim {
            self.claims
                .entry(claim.clone())
                .or_default()
                .insert(key.clone());
            look.insert(claim);
        }
        look.extend(self.owned_by(&workload.uid, &workload.key.namespace));
        self.workloads.insert(key, workload);
        (look, invalid)
    }

    /// Removes a workload. Answers which Services need a look.
    pub fn delete_workload(&mut self, key: &WorkloadKey) -> BTreeSet<Key> {
        let Some(workload) = self.workloads.remove(key) else {
            return BTreeSet::new();
        };
        let service = self.wanted_by(&workload).ok().flatten();
        let Some(claim) = service.as_ref().and_then(Key::of) else {
            return BTreeSet::new();
        };
        if let Some(claimants) = self.claims.get_mut(&claim) {
            claimants.remove(key);
            if claimants.is_empty() {
                self.claims.remove(&claim);
            }
        }
        BTreeSet::from([claim])
    }

    /// Replaces the Services. Answers which need a look.
    pub fn reset_services(&mut self, services: Vec<Service>) -> BTreeSet<Key> {
        let mut look: BTreeSet<Key> = std::mem::take(&mut self.services).into_keys().collect();
        look.extend(
            services
                .into_iter()
                .filter_map(|service| self.apply_service(service)),
        );
        look
    }

    /// Adds or replaces a Service. Answers its key.
    pub fn apply_service(&mut self, mut service: Service) -> Option<Key> {
        service.metadata.managed_fields = None;
        service.status = None;
        let key = Key::of(&service)?;
        self.services.insert(key.clone(), service);
        Some(key)
    }

    /// Removes a Service. Answers its key.
    pub fn delete_service(&mut self, service: &Service) -> Option<Key> {
        let key = Key::of(service)?;
        self.services.remove(&key);
        self.applied.remove(&key);
        Some(key)
    }

    /// Remembers what was applied, so that it is not applied again without need.
    pub fn applied(&mut self, key: Key, service: Service) {
        self.applied.insert(key, service);
    }

    /// What to do about a Service.
    pub fn decide(&self, key: &Key) -> Action {
        let existing = self.services.get(key);
        match (self.wanted(key, existing), existing) {
            (Some(service), existing) => self.apply(key, service, existing),
            (None, Some(existing)) => self.abandon(existing),
            (None, None) => Action::Leave,
        }
    }

    fn apply(&self, key: &Key, service: Service, existing: Option<&Service>) -> Action {
        let applied = self
            .applied
            .get(key)
            .is_some_and(|applied| *applied == service);
        match existing {
            Some(existing) if !is_ours(existing) => Action::Leave,
            Some(existing) if applied && holds(existing, &service) => Action::Leave,
            _ => Action::Apply(Box::new(service)),
        }
    }

    /// Deletes a Service only on evidence: its owner is there and wants it no more. If the owner
    /// is gone, the garbage collector is the one to act.
    fn abandon(&self, existing: &Service) -> Action {
        let owner = controller(existing);
        let namespace = existing.metadata.namespace.as_deref();
        let known = self.workloads.values().any(|workload| {
            Some(&*workload.uid) == owner && Some(&*workload.key.namespace) == namespace
        });
        match (&existing.metadata.uid, &existing.metadata.annotations) {
            (Some(uid), Some(annotations)) if known && is_ours(existing) => Action::Delete {
                uid: uid.clone(),
                app_id: annotations.get(APP_ID).cloned().unwrap_or_default(),
            },
            _ => Action::Leave,
        }
    }

    /// The Service as its owner wants it. Of several workloads with the same app ID, the one that
    /// has the Service keeps it; else the oldest gets it. So they never fight over it.
    fn wanted(&self, key: &Key, existing: Option<&Service>) -> Option<Service> {
        let chosen = self.chosen(key, existing)?;
        self.wanted_by(chosen).ok().flatten()
    }

    fn chosen(&self, key: &Key, existing: Option<&Service>) -> Option<&Workload> {
        let owner = existing.and_then(controller);
        self.claimants(key).min_by_key(|workload| {
            (
                Some(&*workload.uid) != owner,
                &workload.created,
                &workload.uid,
            )
        })
    }

    fn claimants(&self, key: &Key) -> impl Iterator<Item = &Workload> {
        let claims = self.claims.get(key).into_iter().flatten();
        claims.filter_map(|key| self.workloads.get(key))
    }

    /// The workloads that a Service would be for, had another one not got it: those that go without,
    /// and why.
    pub fn losers(&self, key: &Key) -> Vec<Loser> {
        let Some(chosen) = self.chosen(key, self.services.get(key)) else {
            return Vec::new();
        };
        let others = self.claimants(key).filter(|it| it.uid != chosen.uid);
        others
            .map(|workload| Loser {
                owner: workload.owner(),
                reason: format!(
                    "{} {} has the same app ID, and Service {} leads to its pods alone: sidecars that \
                     call the app do not find those of this one; give it an app ID of its own",
                    chosen.key.kind.name(),
                    chosen.key.name,
                    key.name
                ),
            })
            .collect()
    }

    /// Workloads that share an instance have their Service from elsewhere, and those of an unknown
    /// mode have no pods.
    fn wanted_by(&self, workload: &Workload) -> Result<Option<Service>, InvalidAppId> {
        let mode = self
            .modes
            .of(&workload.key.namespace, workload.mode.as_deref());
        if mode != Ok(Mode::Sidecar) {
            return Ok(None);
        }
        wanted(workload, self.settings)
    }

    fn owned_by(&self, uid: &str, namespace: &str) -> Vec<Key> {
        let owned = |service: &Service| {
            service.metadata.namespace.as_deref() == Some(namespace)
                && controller(service) == Some(uid)
        };
        let owned = self.services.iter().filter(|(_, service)| owned(service));
        owned.map(|(key, _)| key.clone()).collect()
    }
}

fn controller(service: &Service) -> Option<&str> {
    let owners = service
        .metadata
        .owner_references
        .as_deref()
        .unwrap_or_default();
    owners
        .iter()
        .find(|owner| owner.controller == Some(true))
        .map(|owner| owner.uid.as_str())
}

/// Whether all that is wanted is there. More may be there: it belongs to others.
fn holds(existing: &Service, wanted: &Service) -> bool {
    let (there, want) = (&existing.metadata, &wanted.metadata);
    contains(there.labels.as_ref(), want.labels.as_ref())
        && contains(there.annotations.as_ref(), want.annotations.as_ref())
        && want.owner_references.iter().flatten().all(|owner| {
            there
                .owner_references
                .iter()
                .flatten()
                .any(|candidate| candidate == owner)
        })
        && match (&existing.spec, &wanted.spec) {
            (Some(there), Some(want)) => {
                there.cluster_ip == want.cluster_ip
                    && there.selector == want.selector
                    && same_ports(there.ports.as_deref(), want.ports.as_deref())
            }
            _ => false,
        }
}

fn contains(
    there: Option<&BTreeMap<String, String>>,
    wanted: Option<&BTreeMap<String, String>>,
) -> bool {
    wanted.into_iter().flatten().all(|(key, value)| {
        there
            .and_then(|there| there.get(key))
            .is_some_and(|existing| existing == value)
    })
}

fn same_ports(there: Option<&[ServicePort]>, wanted: Option<&[ServicePort]>) -> bool {
    let sorted = |ports: Option<&[ServicePort]>| {
        let mut ports = ports.unwrap_or_default().to_vec();
        ports.sort_by(|one, other| one.name.cmp(&other.name));
        ports
    };
    sorted(there) == sorted(wanted)
}

#[cfg(test)]
#[path = "cluster/tests.rs"]
mod tests;
