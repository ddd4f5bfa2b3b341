//! What a workload says of its pods that holds for the daprd beside them, too.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Toleration;
use serde::Deserialize;
use serde_json::Value;

/// What a sidecar has from its pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pods {
    /// Names of the Secrets that images are pulled with.
    pub(super) pull_secrets: Vec<String>,
    pub(super) priority_class: Option<String>,
    pub(super) tolerations: Vec<Toleration>,
    pub(super) node_selector: BTreeMap<String, String>,
}

// === impl Pods ===

impl Pods {
    /// Reads the spec of a template; what makes no sense is left to the API server to refuse.
    pub(super) fn read(spec: &Value) -> Self {
        let secrets = spec["imagePullSecrets"].as_array().into_iter().flatten();
        let names = secrets.filter_map(|secret| secret["name"].as_str());
        Self {
            pull_secrets: names
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
            priority_class: spec["priorityClassName"].as_str().map(str::to_owned),
            tolerations: Vec::deserialize(&spec["tolerations"]).unwrap_or_default(),
            node_selector: BTreeMap::deserialize(&spec["nodeSelector"]).unwrap_or_default(),
        }
    }

    /// Those of the oldest workload, with the Secrets of all: any of them may be for the image.
    pub(super) fn of<'a>(oldest_first: impl Iterator<Item = &'a Self>) -> Self {
        oldest_first
            .cloned()
            .reduce(|mut all, other| {
                for name in other.pull_secrets {
                    if !all.pull_secrets.contains(&name) {
                        all.pull_secrets.push(name);
                    }
                }
                all
            })
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_oldest_decides_and_all_secrets_count() {
        let [old, new] = [
            json!({"imagePullSecrets": [{"name": "a"}], "priorityClassName": "high",
                "tolerations": [{"key": "gpu"}], "nodeSelector": {"zone": "a"}}),
            json!({"imagePullSecrets": [{"name": "b"}, {"name": "a"}], "priorityClassName": "low"}),
        ]
        .map(|spec| Pods::read(&spec));
        let all = Pods::of([&old, &new].into_iter());
        assert_eq!(
            all,
            Pods {
                pull_secrets: vec!["a".into(), "b".into()],
                ..old
            }
        );
    }

    #[test]
    fn nonsense_is_nothing() {
        let spec = json!({"imagePullSecrets": "a", "tolerations": 1, "nodeSelector": [], "priorityClassName": null});
        assert_eq!(Pods::read(&spec), Pods::default());
    }
}
