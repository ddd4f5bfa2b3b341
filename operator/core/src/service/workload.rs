//! Workloads, reduced to what a Service needs.

use std::collections::BTreeMap;

use injector_core::shared::{INSTANCE, MODE};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde::{Deserialize, Serialize};

use crate::assignment::{APP_ID, ENABLED};

/// A kind of workload with a pod template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkloadKind {
    /// `apps/v1`.
    Deployment,
    /// `apps/v1`.
    StatefulSet,
    /// `argoproj.io/v1alpha1`.
    Rollout,
}

/// Which workload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkloadKey {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

/// The part of a workload's `spec` that is read; all that kinds have in common.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct WorkloadSpec {
    selector: Selector,
    template: Template,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
struct Selector {
    match_labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Template {
    metadata: Option<ObjectMeta>,
}

/// A workload, reduced to what a Service needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    pub(super) key: WorkloadKey,
    pub(super) uid: Box<str>,
    /// Sorts as time does.
    pub(super) created: Box<str>,
    /// How its pods get their daprd, if its template says so.
    pub(super) mode: Option<Box<str>>,
    pub(super) sidecar: Option<Sidecar>,
}

/// What a workload says about its daprds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sidecar {
    pub(crate) selector: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

// === impl WorkloadKind ===

impl WorkloadKind {
    /// Group of the API; its version is in [`Self::version`].
    pub const fn group(self) -> &'static str {
        match self {
            Self::Deployment | Self::StatefulSet => "apps",
            Self::Rollout => "argoproj.io",
        }
    }

    /// Version of the API.
    pub const fn version(self) -> &'static str {
        match self {
            Self::Deployment | Self::StatefulSet => "v1",
            Self::Rollout => "v1alpha1",
        }
    }

    /// Name of the kind in objects.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::Rollout => "Rollout",
        }
    }

    /// Name of the kind in paths.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Deployment => "deployments",
            Self::StatefulSet => "statefulsets",
            Self::Rollout => "rollouts",
        }
    }
}

// === impl Workload ===

impl Workload {
    /// Reads a workload; none if it has no name, namespace or identity.
    pub fn new(kind: WorkloadKind, metadata: ObjectMeta, spec: WorkloadSpec) -> Option<Self> {
        let key = WorkloadKey {
            kind,
            namespace: metadata.namespace?.into(),
            name: metadata.name?.into(),
        };
        let leaving = metadata.deletion_timestamp.is_some();
        let pods = spec.template.metadata.as_ref();
        let annotations = pods.and_then(|pods| pods.annotations.as_ref());
        let mode = annotations.and_then(|annotations| annotations.get(MODE));
        Some(Self {
            mode: mode.map(|mode| mode.as_str().into()),
            key,
            uid: metadata.uid?.into(),
            created: metadata
                .creation_timestamp
                .map(|time| time.0.to_string().into())
                .unwrap_or_default(),
            sidecar: Sidecar::new(spec).filter(|_| !leaving),
        })
    }

    /// Which workload it is.
    pub fn key(&self) -> &WorkloadKey {
        &self.key
    }

    /// The app ID of its sidecars; none if it has no sidecars, empty if it does not say.
    pub fn app_id(&self) -> Option<&str> {
        let sidecar = self.sidecar.as_ref()?;
        Some(sidecar.annotations.get(APP_ID).map_or("", String::as_str))
    }

    pub(super) fn owner(&self) -> OwnerReference {
        let kind = self.key.kind;
        OwnerReference {
            api_version: format!("{}/{}", kind.group(), kind.version()),
            kind: kind.name().to_owned(),
            name: self.key.name.to_string(),
            uid: self.uid.to_string(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }
}

// === impl Sidecar ===

impl Sidecar {
    /// Pods of a shared instance have their Service from elsewhere.
    fn new(spec: WorkloadSpec) -> Option<Self> {
        let pods = spec.template.metadata?;
        if pods
            .labels
            .is_some_and(|labels| labels.contains_key(INSTANCE))
        {
            return None;
        }
        let mut annotations = pods.annotations?;
        annotations.retain(|key, _| key.starts_with("dapr.io/"));
        let enabled = annotations
            .get(ENABLED)
            .is_some_and(|value| config::truthy(value));
        enabled.then_some(Self {
            selector: spec.selector.match_labels,
            annotations,
        })
    }
}
