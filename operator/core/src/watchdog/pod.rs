//! What to do about one pod.

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::assignment::ENABLED;

/// Label by which a pod is passed over from now on.
const PATCHED: &str = "dapr.io/watchdog-patched";

/// Selects the pods that may lack a sidecar. The injector labels those that it gave one, and those
/// that it bound to a shared instance.
pub const SELECTOR: &str =
    "!dapr.io/sidecar-injected,!dapr.io/watchdog-patched,!trilby.dev/bound-to";

/// Label of the pods that are a shared instance.
const INSTANCE: &str = "trilby.dev/instance";

/// The container of a sidecar.
const SIDECAR: &str = "daprd";

/// What to do about a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is none of the watchdog's business.
    Leave,
    /// It has a sidecar, and nothing that says so.
    Label,
    /// It has no sidecar, and something will replace it.
    Delete(Owner),
    /// It has no sidecar, and nothing would replace it.
    Tell,
}

/// What made a pod and will make another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
}

/// A pod, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub struct Pod<'a>(pub &'a v1::Pod);

// === impl Pod ===

impl Pod<'_> {
    /// Whether the pod asks for a sidecar: all that metadata tells.
    pub fn asks(metadata: &ObjectMeta) -> bool {
        let annotations = metadata.annotations.as_ref();
        annotations
            .and_then(|annotations| annotations.get(ENABLED))
            .is_some_and(|value| config::truthy(value))
    }

    /// What to do about it.
    pub fn verdict(self) -> Verdict {
        if !Self::asks(&self.0.metadata) || self.is_over() || self.is_spared() {
            return Verdict::Leave;
        }
        if self.has_sidecar() {
            return Verdict::Label;
        }
        self.owner().map_or(Verdict::Tell, Verdict::Delete)
    }

    /// When it was made, in seconds since 1970.
    pub fn created(self) -> i64 {
        let created = self.0.metadata.creation_timestamp.as_ref();
        created.map_or(0, |time| time.0.as_second())
    }

    fn is_over(self) -> bool {
        let phase = self.0.status.as_ref().and_then(|it| it.phase.as_deref());
        self.0.metadata.deletion_timestamp.is_some()
            || matches!(phase, Some("Succeeded" | "Failed"))
    }

    /// Servers may pass over selections. Pods of the kubelet cannot be replaced by anybody.
    fn is_spared(self) -> bool {
        let labels = self.0.metadata.labels.as_ref();
        let labelled = [
            "dapr.io/sidecar-injected",
            "trilby.dev/bound-to",
            INSTANCE,
            PATCHED,
        ]
        .iter()
        .any(|label| labels.is_some_and(|labels| labels.contains_key(*label)));
        labelled || self.owner().is_some_and(|owner| owner.kind == "Node")
    }

    /// A native sidecar is an init container.
    fn has_sidecar(self) -> bool {
        let Some(spec) = &self.0.spec else {
            return false;
        };
        let inits = spec.init_containers.iter().flatten();
        spec.containers
            .iter()
            .chain(inits)
            .any(|container| container.name == SIDECAR)
    }

    fn owner(self) -> Option<Owner> {
        let mut owners = self.0.metadata.owner_references.iter().flatten();
        let owner = owners.find(|owner| owner.controller == Some(true))?;
        Some(Owner {
            api_version: owner.api_version.clone(),
            kind: owner.kind.clone(),
            name: owner.name.clone(),
            uid: owner.uid.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    /// An annotated pod of a `ReplicaSet` that has no sidecar, with further fields.
    fn verdict(fields: &Value) -> Verdict {
        let mut pod = json!({
            "metadata": {
                "name": "p",
                "annotations": {"dapr.io/enabled": "true"},
                "ownerReferences": [{
                    "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "u",
                    "controller": true,
                }],
            },
            "spec": {"containers": [{"name": "app"}]},
        });
        for (part, value) in fields.as_object().unwrap() {
            for (key, value) in value.as_object().unwrap() {
                pod[part][key] = value.clone();
            }
        }
        Pod(&serde_json::from_value(pod).unwrap()).verdict()
    }

    fn owner() -> Owner {
        Owner {
            api_version: "apps/v1".to_owned(),
            kind: "ReplicaSet".to_owned(),
            name: "r".to_owned(),
            uid: "u".to_owned(),
        }
    }

    #[rstest]
    #[case::bare(json!({}), Verdict::Delete(owner()))]
    #[case::not_asked(json!({"metadata": {"annotations": {}}}), Verdict::Leave)]
    #[case::declined(json!({"metadata": {"annotations": {"dapr.io/enabled": "false"}}}), Verdict::Leave)]
    #[case::sidecar(json!({"spec": {"containers": [{"name": "app"}, {"name": "daprd"}]}}), Verdict::Label)]
    #[case::native(json!({"spec": {"initContainers": [{"name": "daprd"}]}}), Verdict::Label)]
    #[case::injected(json!({"metadata": {"labels": {"dapr.io/sidecar-injected": "true"}}}), Verdict::Leave)]
    #[case::labelled(json!({"metadata": {"labels": {PATCHED: "true"}}}), Verdict::Leave)]
    #[case::bound(json!({"metadata": {"labels": {"trilby.dev/bound-to": "a"}}}), Verdict::Leave)]
    #[case::instance(json!({"metadata": {"labels": {INSTANCE: "a"}}}), Verdict::Leave)]
    #[case::leaving(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}), Verdict::Leave)]
    #[case::done(json!({"status": {"phase": "Succeeded"}}), Verdict::Leave)]
    #[case::alone(json!({"metadata": {"ownerReferences": []}}), Verdict::Tell)]
    #[case::kubelet(
        json!({"metadata": {"ownerReferences": [
            {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u", "controller": true},
        ]}}),
        Verdict::Leave
    )]
    fn pods_are_judged(#[case] fields: Value, #[case] expected: Verdict) {
        assert_eq!(verdict(&fields), expected);
    }
}
