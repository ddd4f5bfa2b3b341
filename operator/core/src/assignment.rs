//! Which Configurations belong to an app: those that its pods name.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Annotation that asks for a sidecar.
pub const ENABLED: &str = "dapr.io/enabled";
/// Annotation with the app ID.
pub const APP_ID: &str = "dapr.io/app-id";
/// Annotation with the name of the Configuration.
pub const CONFIG: &str = "dapr.io/config";

/// A pod, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub struct Pod<'a> {
    /// Its name, which is the app ID if no annotation gives one.
    pub name: &'a str,
    /// Its annotations.
    pub annotations: &'a BTreeMap<String, String>,
}

/// The Configurations that the pods of a namespace name, by app ID.
///
/// Usually an app has one. While it is rolled out with another, there are sidecars of either, and a
/// stream does not say which it belongs to: so both are told of, where Dapr takes the first pod that
/// it finds. To be told of one too many costs a sidecar a reload, to miss one costs the change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assigned(HashMap<Box<str>, BTreeSet<Box<str>>>);

// === impl Assigned ===

impl Assigned {
    /// Takes note of a pod.
    pub fn add(&mut self, pod: Pod<'_>) {
        let enabled = annotation(pod, ENABLED).is_some_and(config::truthy);
        if let Some(name) = annotation(pod, CONFIG)
            && enabled
        {
            let app_id = annotation(pod, APP_ID).unwrap_or(pod.name);
            self.0.entry(app_id.into()).or_default().insert(name.into());
        }
    }

    /// Whether a Configuration belongs to an app.
    pub fn holds(&self, app_id: &str, name: &str) -> bool {
        self.0.get(app_id).is_some_and(|names| names.contains(name))
    }
}

fn annotation<'a>(pod: Pod<'a>, key: &str) -> Option<&'a str> {
    pod.annotations
        .get(key)
        .map(String::as_str)
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!({"app-0": {ENABLED: "true", APP_ID: "app", CONFIG: "c"}}), &["c"])]
    #[case(json!({"app": {ENABLED: "Yes ", CONFIG: "c"}}), &["c"])]
    #[case(json!({"app-0": {ENABLED: "false", APP_ID: "app", CONFIG: "c"}}), &[])]
    #[case(json!({"app-0": {APP_ID: "app", CONFIG: "c"}}), &[])]
    #[case(json!({"app-0": {ENABLED: "true", APP_ID: "other", CONFIG: "c"}}), &[])]
    #[case(json!({
        "app-0": {ENABLED: "true", APP_ID: "app", CONFIG: ""},
        "app-1": {ENABLED: "true", APP_ID: "app", CONFIG: "d"},
    }), &["d"])]
    #[case(json!({
        "app-0": {ENABLED: "true", APP_ID: "app", CONFIG: "c"},
        "app-1": {ENABLED: "true", APP_ID: "app", CONFIG: "d"},
    }), &["c", "d"])]
    #[case(json!({}), &[])]
    fn pods_decide(#[case] pods: serde_json::Value, #[case] expected: &[&str]) {
        let pods: BTreeMap<String, BTreeMap<String, String>> =
            serde_json::from_value(pods).unwrap();
        let mut assigned = Assigned::default();
        for (name, annotations) in &pods {
            assigned.add(Pod { name, annotations });
        }
        for name in ["c", "d"] {
            assert_eq!(assigned.holds("app", name), expected.contains(&name));
        }
    }
}
