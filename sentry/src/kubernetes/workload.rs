//! Workloads, and whether and how they are restarted.

use std::collections::HashMap;

use jiff::{Timestamp, Unit};
use k8s_openapi::api::{
    apps::v1::ReplicaSet,
    core::v1::{Namespace, ObjectReference},
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
    runtime::events::{Event, EventType, Recorder},
};
use sentry_core::rotation::window::Window;
use serde_json::json;

/// On a Namespace: when workloads may be restarted.
const WINDOW: &str = "trilby.dev/restart-window";

/// On the template of pods: what they were restarted for.
const MARK: &str = "trilby.dev/trust-anchors";

/// Kinds that replace their pods when the template changes.
const KINDS: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

/// A Deployment, `StatefulSet` or `DaemonSet`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Workload {
    pub(super) namespace: String,
    kind: &'static str,
    pub(super) name: String,
}

/// Which namespaces allow a restart now; each is asked once.
pub(super) struct Windows {
    namespaces: Api<Namespace>,
    open: HashMap<String, bool>,
}

/// As the API server writes times.
pub(super) fn seconds(at: Timestamp) -> String {
    at.round(Unit::Second).unwrap_or(at).to_string()
}

// === impl Windows ===

impl Windows {
    pub(super) fn new(client: Client) -> Self {
        Self {
            namespaces: Api::all(client),
            open: HashMap::new(),
        }
    }

    pub(super) async fn is_open(&mut self, namespace: &str, now: Timestamp) -> bool {
        if let Some(open) = self.open.get(namespace) {
            return *open;
        }
        let open = self.ask(namespace, now).await;
        self.open.insert(namespace.to_owned(), open);
        open
    }

    async fn ask(&self, namespace: &str, now: Timestamp) -> bool {
        let found = match self.namespaces.get_metadata(namespace).await {
            Ok(found) => found,
            // The right to restart workloads is one that sentry need not have.
            Err(kube::Error::Api(status)) if status.code == 403 => return false,
            Err(error) => {
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::warn!(
                    error,
                    namespace,
                    "the namespace's {WINDOW} could not be read"
                );
                return false;
            }
        };
        let annotations = found.metadata.annotations.unwrap_or_default();
        let Some(text) = annotations.get(WINDOW) else {
            return false;
        };
        Window::parse(text).map_or_else(
            |error| {
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::warn!(error, namespace, "the namespace's {WINDOW} is not obeyed");
                false
            },
            |window| window.is_open(now),
        )
    }
}

// === impl Workload ===

impl Workload {
    /// What stands behind the owner of a pod: for a `ReplicaSet` its Deployment. `None` if it is
    /// nothing that can be restarted.
    pub(super) async fn behind(
        client: &Client,
        namespace: &str,
        kind: &str,
        name: &str,
    ) -> Result<Option<Self>, kube::Error> {
        if kind != "ReplicaSet" {
            return Ok(Self::new(namespace, kind, name));
        }
        let sets = Api::<ReplicaSet>::namespaced(client.clone(), namespace);
        let set = sets.get_metadata(name).await?;
        let owners = set.metadata.owner_references.unwrap_or_default();
        let owner = owners
            .iter()
            .find(|owner| owner.controller.unwrap_or_default());
        Ok(owner.and_then(|owner| Self::new(namespace, &owner.kind, &owner.name)))
    }

    fn new(namespace: &str, kind: &str, name: &str) -> Option<Self> {
        let kind = KINDS.into_iter().find(|known| *known == kind)?;
        Some(Self {
            namespace: namespace.to_owned(),
            kind,
            name: name.to_owned(),
        })
    }

    /// Marks its template, if it is not marked so already: its controller then replaces the pods
    /// in the way that the workload states.
    pub(super) async fn restart(
        &self,
        client: &Client,
        events: &Recorder,
        mark: &str,
    ) -> Result<(), kube::Error> {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", self.kind));
        let workloads =
            Api::<DynamicObject>::namespaced_with(client.clone(), &self.namespace, &kind);
        let found = workloads.get(&self.name).await?;
        let annotations = found.data.pointer("/spec/template/metadata/annotations");
        if annotations.and_then(|all| all.get(MARK)?.as_str()) == Some(mark) {
            return Ok(());
        }
        let patch = Patch::Merge(json!({
            "metadata": {"resourceVersion": found.metadata.resource_version},
            "spec": {"template": {"metadata": {"annotations": {MARK: mark}}}},
        }));
        workloads
            .patch(&self.name, &PatchParams::default(), &patch)
            .await?;
        let (namespace, name) = (&self.namespace, &self.name);
        tracing::info!(
            namespace,
            name,
            "restarting a workload for its sidecars' roots"
        );
        let event = Event {
            type_: EventType::Normal,
            reason: "RestartedForTrustAnchors".to_owned(),
            note: Some(format!(
                "its sidecars know no root that lasts; {WINDOW} of the namespace allows a restart now"
            )),
            action: "Restart".to_owned(),
            secondary: None,
        };
        events
            .publish(&event, &self.reference(found.metadata.uid))
            .await
    }

    fn reference(&self, uid: Option<String>) -> ObjectReference {
        ObjectReference {
            api_version: Some("apps/v1".to_owned()),
            kind: Some(self.kind.to_owned()),
            name: Some(self.name.clone()),
            namespace: Some(self.namespace.clone()),
            uid,
            ..ObjectReference::default()
        }
    }
}
