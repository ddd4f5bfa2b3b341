//! The few fields of a pod that injection depends on, read permissively.
//!
//! Lists and maps may be absent or `null`, and fields that are not named here may have any shape:
//! a pod from a newer API server is never refused for them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::{Map, Value, value::RawValue};

use crate::shared::{FUNCTION_CONTEXTS, function_app_id};

/// Name of the sidecar's container.
pub(crate) const DAPRD: &str = "daprd";

/// The part that tells whether a pod asks for a sidecar; the rest of its text is skipped.
#[derive(Debug, Deserialize)]
pub(crate) struct Head {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) metadata: Metadata,
}

/// The view of a pod.
#[derive(Debug, Deserialize)]
pub(crate) struct Pod {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) metadata: Metadata,
    pub(crate) spec: Spec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) labels: Map<String, Value>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) annotations: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) owner_references: Vec<Owner>,
}

/// What a pod belongs to.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Owner {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) api_version: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) kind: String,
    /// Whether it made the pod; one owner at most did.
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) controller: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spec {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) containers: Vec<Container>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) init_containers: Vec<Container>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) volumes: Vec<Named>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) tolerations: Vec<Toleration>,
    #[serde(default, deserialize_with = "nullable")]
    security_context: SecurityContext,
    #[serde(default, deserialize_with = "nullable")]
    os: Named,
    pub(crate) termination_grace_period_seconds: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Container {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) env: Vec<Variable>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) volume_mounts: Vec<Mount>,
    pub(crate) lifecycle: Option<Lifecycle>,
}

/// Hooks of a container.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Lifecycle {
    pub(crate) pre_stop: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mount {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) mount_path: String,
}

/// A variable; one that comes from elsewhere has no value.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Variable {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) value: String,
}

/// Anything that has a name.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Named {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecurityContext {
    seccomp_profile: Option<IgnoredAny>,
}

/// A toleration, compared by value in all of its fields; an absent text equals an empty one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Toleration {
    /// The taint's key.
    #[serde(default, deserialize_with = "nullable")]
    pub key: String,
    /// `Equal` or `Exists`.
    #[serde(default, deserialize_with = "nullable")]
    pub operator: String,
    /// The taint's value.
    #[serde(default, deserialize_with = "nullable")]
    pub value: String,
    /// The taint's effect.
    #[serde(default, deserialize_with = "nullable")]
    pub effect: String,
    /// How long the taint is borne, in seconds.
    pub toleration_seconds: Option<i64>,
}

/// Reads `null` as the empty value.
pub(crate) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

// === impl Head ===

impl Head {
    /// Reads the head of `object`; `None` if there is no object, or none that can be read.
    pub(crate) fn read(object: Option<&RawValue>) -> Option<Self> {
        serde_json::from_str(object?.get()).ok()
    }
}

// === impl Metadata ===

impl Metadata {
    /// Who made the pod.
    pub(crate) fn controller(&self) -> Option<&Owner> {
        self.owner_references.iter().find(|owner| owner.controller)
    }

    /// Whether a Job made the pod, itself or for a `CronJob`: such a pod has to end by itself.
    pub(crate) fn is_of_job(&self) -> bool {
        self.controller()
            .is_some_and(|owner| owner.kind == "Job" && owner.api_version.starts_with("batch/"))
    }
}

// === impl Pod ===

impl Pod {
    pub(crate) fn read(object: Option<&RawValue>) -> Result<Self, serde_json::Error> {
        serde_json::from_str(object.map_or("null", RawValue::get))
    }

    /// Whether the pod has its sidecar, in either list of containers.
    pub(crate) fn is_injected(&self) -> bool {
        let init = self
            .spec
            .init_containers
            .iter()
            .map(|container| &container.name);
        let mut names = self
            .spec
            .containers
            .iter()
            .map(|container| &container.name)
            .chain(init);
        names.any(|name| name == DAPRD)
    }

    /// The app-id that follows from the pod's being a function of `OpenFunction`.
    pub(crate) fn function_app_id(&self, namespace: &str) -> Option<String> {
        let variables = self.spec.containers.iter().flat_map(|one| &one.env);
        let mut contexts =
            variables.filter(|variable| FUNCTION_CONTEXTS.contains(&variable.name.as_str()));
        contexts.find_map(|context| function_app_id(&context.value, namespace))
    }

    pub(crate) fn has_volume(&self, name: &str) -> bool {
        self.spec.volumes.iter().any(|volume| volume.name == name)
    }

    pub(crate) fn tolerates_any(&self, marks: &[Toleration]) -> bool {
        self.spec
            .tolerations
            .iter()
            .any(|toleration| marks.contains(toleration))
    }

    /// Whether all containers have a seccomp profile by the pod's own choice.
    pub(crate) fn has_seccomp_profile(&self) -> bool {
        self.spec.security_context.seccomp_profile.is_some()
    }

    /// Whether the pod says that it runs on Windows, where Linux security fields are refused.
    pub(crate) fn is_windows(&self) -> bool {
        self.spec.os.name == "windows"
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn read(object: &serde_json::Value) -> Result<Pod, serde_json::Error> {
        Pod::read(Some(&serde_json::value::to_raw_value(object)?))
    }

    #[rstest]
    #[case::nulls(json!({"metadata": {"labels": null, "annotations": null},
        "spec": {"containers": null, "volumes": null, "tolerations": null, "os": null}}))]
    #[case::absent(json!({"spec": {}}))]
    #[case::newer(json!({"kind": 7, "metadata": {"managedFields": 1, "newer": []},
        "spec": {"containers": [{"name": "a", "env": [{"name": "X", "newer": {}}], "newer": 1}],
                 "tolerations": [{"key": "k", "newer": 1}], "newer": {}}}))]
    fn takes_what_it_does_not_know(#[case] object: serde_json::Value) {
        assert!(!read(&object).unwrap().is_injected());
    }

    #[rstest]
    #[case::null(json!(null))]
    #[case::text(json!("pod"))]
    #[case::no_spec(json!({"metadata": {}}))]
    #[case::list(json!({"spec": {"containers": {}}}))]
    fn refuses_what_is_no_pod(#[case] object: serde_json::Value) {
        assert!(read(&object).is_err());
    }

    #[rstest]
    #[case("containers")]
    #[case("initContainers")]
    fn finds_daprd(#[case] list: &str) {
        let object = json!({"spec": {list: [{"name": "a"}, {"name": "daprd"}]}});
        assert!(read(&object).unwrap().is_injected());
    }

    #[rstest]
    #[case::job("batch/v1", "Job", true, true)]
    #[case::older("batch/v1beta1", "Job", true, true)]
    #[case::not_its_maker("batch/v1", "Job", false, false)]
    #[case::another_kind("batch/v1", "CronJob", true, false)]
    #[case::another_group("batch.example/v1", "Job", true, false)]
    fn knows_pods_of_jobs(
        #[case] version: &str,
        #[case] kind: &str,
        #[case] controller: bool,
        #[case] expected: bool,
    ) {
        let owner = json!({"apiVersion": version, "kind": kind, "controller": controller});
        let other = json!({"apiVersion": "v1", "kind": "Other", "controller": null});
        let object = json!({"metadata": {"ownerReferences": [other, owner]}, "spec": {}});
        assert_eq!(read(&object).unwrap().metadata.is_of_job(), expected);
    }

    #[rstest]
    #[case::equal(json!({"key": "k", "operator": "Exists", "tolerationSeconds": 5}), true)]
    #[case::operator(json!({"key": "k", "tolerationSeconds": 5}), false)]
    #[case::seconds(json!({"key": "k", "operator": "Exists"}), false)]
    fn compares_tolerations_by_value(#[case] own: serde_json::Value, #[case] expected: bool) {
        let pod = read(&json!({"spec": {"tolerations": [own]}})).unwrap();
        let mark = Toleration {
            key: "k".into(),
            operator: "Exists".into(),
            toleration_seconds: Some(5),
            ..Toleration::default()
        };
        assert_eq!(pod.tolerates_any(&[mark]), expected);
    }
}
