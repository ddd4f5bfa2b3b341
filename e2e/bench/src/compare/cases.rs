//! The pods to compare, and the differences that are meant to be: `cases.yaml`.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cases {
    /// What is in the cluster.
    pub(super) objects: Vec<Value>,
    groups: Vec<Group>,
    pub(super) intended: Vec<Intended>,
}

/// Pods that have most in common.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    #[serde(default)]
    called: String,
    #[serde(default = "namespace")]
    namespace: String,
    #[serde(default = "user")]
    user: Value,
    #[serde(default)]
    injector: Settings,
    /// Those of `dapr.io/`, in all pods of the group; `null` takes one away.
    #[serde(default)]
    annotations: Map<String, Value>,
    /// What differs from the usual pod, as a merge patch (RFC 7386).
    #[serde(default)]
    pod: Value,
    /// Annotations of `dapr.io/`, each value in a pod of its own; without any, one pod.
    #[serde(default)]
    each: BTreeMap<String, Vec<String>>,
}

/// What both injectors are told, beside what they always are.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    pub(super) arguments: Vec<String>,
    pub(super) environment: BTreeMap<String, String>,
}

/// One pod, and who makes it where.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) injector: Settings,
    pub(super) namespace: String,
    pub(super) user: Value,
    pub(super) pod: Value,
}

/// A difference that is meant to be, and occurs in each of its cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Intended {
    pub(super) name: String,
    pub(super) reason: String,
    pub(super) cases: Vec<String>,
    /// The only places where they may differ, with all that is below.
    at: Vec<String>,
}

fn namespace() -> String {
    "default".into()
}

fn user() -> Value {
    json!({"username": "admin", "groups": ["system:masters"]})
}

// === impl Cases ===

impl Cases {
    pub(super) fn read() -> Result<Self> {
        config::yaml::from_str(include_str!("cases.yaml")).context("read cases.yaml")
    }

    pub(super) fn all(&self) -> Vec<Case> {
        self.groups.iter().flat_map(Group::cases).collect()
    }

    /// The objects as one manifest.
    pub(super) fn manifest(&self) -> String {
        json!({"apiVersion": "v1", "kind": "List", "items": self.objects}).to_string()
    }
}

// === impl Group ===

impl Group {
    fn cases(&self) -> Vec<Case> {
        if self.each.is_empty() {
            return vec![self.case(self.called.clone(), None)];
        }
        let pairs = self
            .each
            .iter()
            .flat_map(|(key, values)| values.iter().map(move |value| (key, value)));
        let case = |(key, value): (&String, &String)| {
            let of = if self.called.is_empty() {
                String::new()
            } else {
                format!("{}: ", self.called)
            };
            self.case(format!("{of}{key}={value:?}"), Some((key, value)))
        };
        pairs.map(case).collect()
    }

    fn case(&self, name: String, value: Option<(&String, &String)>) -> Case {
        let mut annotations = self.annotations.clone();
        annotations.extend(value.map(|(key, value)| (key.clone(), json!(value))));
        let annotations: Map<_, _> = annotations
            .into_iter()
            .map(|(key, value)| (format!("dapr.io/{key}"), value))
            .collect();
        let mut pod = usual_pod();
        json_patch::merge(&mut pod, &json!({"metadata": {"annotations": annotations}}));
        if self.pod.is_object() {
            json_patch::merge(&mut pod, &self.pod);
        }
        Case {
            name,
            injector: self.injector.clone(),
            namespace: self.namespace.clone(),
            user: self.user.clone(),
            pod,
        }
    }
}

fn usual_pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "p1", "labels": {"app": "a"},
            "annotations": {"dapr.io/enabled": "true", "dapr.io/app-id": "app1"},
        },
        "spec": {"containers": [{"name": "main", "image": "example.com/app:1"}]},
    })
}

// === impl Intended ===

impl Intended {
    /// Whether a difference of `case` at this place is this one.
    pub(super) fn covers(&self, case: &str, at: &str) -> bool {
        let below = |place: &String| {
            at.strip_prefix(place.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.cases.iter().any(|name| name == case) && self.at.iter().any(below)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// All annotations of pods that Dapr's injector reads.
    const ANNOTATIONS: &str = "enabled app-id app-port app-protocol app-ssl app-channel-address \
        app-max-concurrency config log-level log-as-json enable-api-logging enable-profiling \
        enable-metrics metrics-port enable-debug debug-port grpc-port internal-grpc-port \
        sidecar-listen-addresses env env-from-secret api-token-secret app-token-secret \
        sidecar-image sidecar-cpu-request sidecar-cpu-limit sidecar-memory-request \
        sidecar-memory-limit sidecar-liveness-probe-delay-seconds \
        sidecar-liveness-probe-timeout-seconds sidecar-liveness-probe-period-seconds \
        sidecar-liveness-probe-threshold sidecar-readiness-probe-delay-seconds \
        sidecar-readiness-probe-timeout-seconds sidecar-readiness-probe-period-seconds \
        sidecar-readiness-probe-threshold sidecar-seccomp-profile-type http-max-request-size \
        max-body-size http-read-buffer-size read-buffer-size graceful-shutdown-seconds \
        block-shutdown-duration disable-builtin-k8s-secret-store enable-app-health-check \
        app-health-check-path app-health-probe-interval app-health-probe-timeout \
        app-health-threshold app-binding-options-timeout unix-domain-socket-path volume-mounts \
        volume-mounts-rw placement-host-address actors-disseminate-timeout \
        scheduler-host-address disable-init-endpoints sentry-request-jwt-audiences \
        inject-pluggable-components pluggable-components pluggable-components-sockets-folder \
        enable-native-sidecar component-container sidecar-svc-annotations";

    #[test]
    fn every_annotation_is_there_with_two_values() {
        let cases = Cases::read().unwrap().all();
        for annotation in ANNOTATIONS.split_whitespace() {
            let key = format!("dapr.io/{annotation}");
            let values: BTreeSet<_> = cases
                .iter()
                .filter_map(|case| case.pod["metadata"]["annotations"][&key].as_str())
                .collect();
            assert!(values.len() > 1, "{annotation} has {values:?}");
        }
    }

    #[test]
    fn names_are_unique_and_intended_differences_have_their_cases() {
        let cases = Cases::read().unwrap();
        let all = cases.all();
        let names: BTreeSet<&str> = all.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
        for case in cases.intended.iter().flat_map(|intended| &intended.cases) {
            assert!(names.contains(case.as_str()), "no case is called {case}");
        }
    }

    #[test]
    fn a_place_covers_what_is_below() {
        let intended = Intended {
            name: "n".into(),
            reason: "r".into(),
            cases: vec!["c".into()],
            at: vec!["spec.a".into()],
        };
        assert!(intended.covers("c", "spec.a") && intended.covers("c", "spec.a.b"));
        assert!(!intended.covers("c", "spec.ab") && !intended.covers("d", "spec.a"));
    }
}
