//! What is known of the objects of instances: of most, little more than that they are there.

use std::collections::BTreeMap;

use injector_core::shared::INSTANCE;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use proxy_core::learnt::REVISION;
use serde::Deserialize;
use serde_json::Value;

use super::FIELD_MANAGER;
use super::kind::ObjectKind;

/// One app, and so one instance at most.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AppKey {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its app ID; empty for workloads that have none.
    pub app_id: Box<str>,
}

/// Which object of an instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its name.
    pub name: Box<str>,
}

/// An object of an instance, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Its identity.
    pub uid: Box<str>,
    /// Identity of its controller.
    pub owner: Option<Box<str>>,
    /// The fields that we applied last and that nobody took from us since.
    pub fields: Option<Value>,
    /// How many instances run in it.
    pub counts: Counts,
    /// The revision of the app that instances ask for, if it is their Lease.
    pub revision: Option<Box<str>>,
}

/// How many instances run in a workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many are ready.
    pub ready: i32,
    /// How many there should be.
    pub desired: i32,
}

#[derive(Deserialize)]
struct Head {
    metadata: ObjectMeta,
}

// === impl AppKey ===

impl AppKey {
    /// The key of an app.
    pub fn new(namespace: &str, app_id: &str) -> Self {
        Self {
            namespace: namespace.into(),
            app_id: app_id.into(),
        }
    }

    /// The app whose ID is the value of a label.
    pub fn labelled(metadata: &ObjectMeta, label: &str) -> Option<Self> {
        let app_id = metadata.labels.as_ref()?.get(label)?;
        Some(Self::new(metadata.namespace.as_deref()?, app_id))
    }
}

impl std::fmt::Display for AppKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.app_id)
    }
}

// === impl Seen ===

impl Seen {
    /// Reads an object; none if it belongs to no instance.
    pub fn read(kind: ObjectKind, object: &Value) -> Option<(AppKey, ObjectKey, Self)> {
        let metadata = Head::deserialize(object).ok()?.metadata;
        let app = AppKey::labelled(&metadata, INSTANCE)?;
        let key = ObjectKey {
            kind,
            name: metadata.name.as_deref()?.into(),
        };
        let seen = Self {
            counts: Counts::read(kind, object),
            ..Self::of(&metadata)?
        };
        Some((app, key, seen))
    }

    /// Reads the metadata of an object, whoever it belongs to.
    pub fn of(metadata: &ObjectMeta) -> Option<Self> {
        let mut owners = metadata.owner_references.iter().flatten();
        let owner = owners.find(|owner| owner.controller == Some(true));
        Some(Self {
            uid: metadata.uid.as_deref()?.into(),
            owner: owner.map(|owner| owner.uid.as_str().into()),
            fields: fields(metadata),
            counts: Counts::default(),
            revision: revision(metadata),
        })
    }
}

// === impl Counts ===

impl Counts {
    fn read(kind: ObjectKind, object: &Value) -> Self {
        let number = |value: &Value| {
            value
                .as_i64()
                .and_then(|it| it.try_into().ok())
                .unwrap_or(0)
        };
        let (spec, status) = (&object["spec"], &object["status"]);
        match kind {
            ObjectKind::Deployment => Self {
                ready: number(&status["readyReplicas"]),
                desired: number(&spec["replicas"]),
            },
            ObjectKind::DaemonSet => Self {
                ready: number(&status["numberReady"]),
                desired: number(&status["desiredNumberScheduled"]),
            },
            _ => Self::default(),
        }
    }
}

/// When a pod was made, unless it is leaving or over.
pub(super) fn since(pod: &Pod) -> Option<Timestamp> {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    let over = matches!(phase, Some("Succeeded" | "Failed"));
    let made = pod.metadata.creation_timestamp.as_ref()?;
    (!over).then_some(made.0)
}

/// How many endpoints of a Service are ready, by one of its slices.
pub(super) fn ready_endpoints(slice: &EndpointSlice) -> usize {
    let ready = |endpoint: &&k8s_openapi::api::discovery::v1::Endpoint| {
        let conditions = endpoint.conditions.as_ref();
        conditions
            .and_then(|conditions| conditions.ready)
            .unwrap_or(true)
    };
    slice.endpoints.iter().filter(ready).count()
}

/// The Service that a slice belongs to.
pub(super) fn service_of(slice: &EndpointSlice) -> Option<&str> {
    let labels: &BTreeMap<String, String> = slice.metadata.labels.as_ref()?;
    labels.get("kubernetes.io/service-name").map(String::as_str)
}

fn revision(metadata: &ObjectMeta) -> Option<Box<str>> {
    let annotations = metadata.annotations.as_ref()?;
    annotations
        .get(REVISION)
        .map(|revision| revision.as_str().into())
}

fn fields(metadata: &ObjectMeta) -> Option<Value> {
    let mut entries = metadata.managed_fields.iter().flatten();
    let ours = entries.find(|entry| {
        entry.manager.as_deref() == Some(FIELD_MANAGER)
            && entry.operation.as_deref() == Some("Apply")
            && entry.subresource.as_deref().unwrap_or_default().is_empty()
    });
    ours.and_then(|entry| entry.fields_v1.as_ref())
        .map(|fields| fields.0.clone())
}
