//! Which Configuration belongs to an app: the one that its pods name.

use std::collections::BTreeMap;

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

/// The Configuration that the pods of an app name: the first that names one decides.
pub fn assigned<'a>(pods: impl IntoIterator<Item = Pod<'a>>, app_id: &str) -> Option<&'a str> {
    pods.into_iter()
        .filter(|pod| belongs(*pod, app_id))
        .find_map(|pod| annotation(pod, CONFIG))
}

fn belongs(pod: Pod<'_>, app_id: &str) -> bool {
    annotation(pod, ENABLED).is_some_and(config::truthy)
        && annotation(pod, APP_ID).unwrap_or(pod.name) == app_id
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
    #[case(json!({"app-0": {ENABLED: "true", APP_ID: "app", CONFIG: "c"}}), Some("c"))]
    #[case(json!({"app": {ENABLED: "Yes ", CONFIG: "c"}}), Some("c"))]
    #[case(json!({"app-0": {ENABLED: "false", APP_ID: "app", CONFIG: "c"}}), None)]
    #[case(json!({"app-0": {APP_ID: "app", CONFIG: "c"}}), None)]
    #[case(json!({"app-0": {ENABLED: "true", APP_ID: "other", CONFIG: "c"}}), None)]
    #[case(json!({
        "app-0": {ENABLED: "true", APP_ID: "app", CONFIG: ""},
        "app-1": {ENABLED: "true", APP_ID: "app", CONFIG: "d"},
    }), Some("d"))]
    #[case(json!({}), None)]
    fn pods_decide(#[case] pods: serde_json::Value, #[case] expected: Option<&str>) {
        let pods: BTreeMap<String, BTreeMap<String, String>> =
            serde_json::from_value(pods).unwrap();
        let pods = pods
            .iter()
            .map(|(name, annotations)| Pod { name, annotations });
        assert_eq!(assigned(pods, "app"), expected);
    }
}
