//! Functions of `OpenFunction` (there: `apis/core/v1beta2`), as the workloads they become.
//!
//! A Function makes another workload with each revision, so an instance follows the Function. What
//! it asks for is what its pods will: `OpenFunction` writes the annotations of the serving on them,
//! and says itself whether they get a sidecar. One that shares its daprd in `OpenFunction`'s way was
//! there before us, or the injector would have written `trilby.dev/mode`; it has its proxy.

use injector_core::shared::{Mode, SERVICE_MODE, SERVING, wants_dapr};
use serde_json::{Map, Value, json};

use crate::assignment::{APP_ID, ENABLED};

/// Where a function serves if nobody says.
const PORT: u64 = 8080;

/// The Function as a workload with a template of its pods.
pub(super) fn workload(function: &Value) -> Value {
    let (metadata, serving) = (&function["metadata"], &function["spec"]["serving"]);
    let mut labels = object(&serving["labels"]);
    labels.insert(SERVING.to_owned(), metadata["name"].clone());
    let mut spec = object(&serving["template"]);
    let credentials = &function["spec"]["imageCredentials"];
    if credentials["name"].is_string() {
        let secrets = spec.entry("imagePullSecrets").or_insert_with(|| json!([]));
        if let Some(secrets) = secrets.as_array_mut() {
            secrets.push(credentials.clone());
        }
    }
    let template = json!({
        "metadata": {"labels": labels, "annotations": annotations(metadata, serving)}, "spec": spec,
    });
    json!({"metadata": metadata, "spec": {"template": template}})
}

fn annotations(metadata: &Value, serving: &Value) -> Map<String, Value> {
    let mut annotations = object(&serving["annotations"]);
    let is_sidecar = annotations
        .get(SERVICE_MODE)
        .is_some_and(|mode| mode == Mode::Sidecar.as_str());
    annotations.insert(
        ENABLED.to_owned(),
        (wants_dapr(serving) && is_sidecar).to_string().into(),
    );
    let text = |field: &str| metadata[field].as_str().unwrap_or_default();
    let port = serving
        .pointer("/triggers/http/port")
        .and_then(Value::as_u64);
    // As the proxies of OpenFunction have them.
    let defaults = [
        (APP_ID, format!("{}-{}", text("name"), text("namespace"))),
        ("dapr.io/app-port", port.unwrap_or(PORT).to_string()),
        ("dapr.io/app-protocol", "grpc".to_owned()),
        ("dapr.io/log-as-json", "true".to_owned()),
    ];
    for (key, value) in defaults {
        annotations.entry(key).or_insert_with(|| value.into());
    }
    annotations
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use injector_core::shared::{ENABLE, MODE};
    use rstest::rstest;

    use super::*;
    use crate::shared::{Binding, BoundKind};

    fn function(serving: &Value) -> Value {
        json!({
            "metadata": {"name": "sink", "namespace": "shop", "uid": "u", "annotations": {ENABLE: "true"}},
            "spec": {"serving": serving, "imageCredentials": {"name": "registry"}},
        })
    }

    fn read(serving: &Value) -> Option<Binding> {
        Binding::read(BoundKind::Function, &function(serving))
    }

    const SHARED: &str = "shared-deployment";

    #[rstest]
    #[case::standalone_has_its_proxy(json!({ENABLE: "true"}), None)]
    #[case::ours(json!({ENABLE: "true", SERVICE_MODE: "none", MODE: SHARED}), Some(SHARED))]
    #[case::sidecar(json!({SERVICE_MODE: "sidecar"}), Some("sidecar"))]
    #[case::off(json!({ENABLE: "false", SERVICE_MODE: "sidecar"}), None)]
    #[case::another_word_is_on(json!({ENABLE: "no", SERVICE_MODE: "sidecar"}), Some("sidecar"))]
    #[case::the_last_word_is_not_the_functions(json!({ENABLED: "true"}), None)]
    fn a_function_asks_for_what_its_pods_will(
        #[case] annotations: Value,
        #[case] mode: Option<&str>,
    ) {
        let triggers = json!({"dapr": [{"name": "queue"}]});
        let binding = read(&json!({"annotations": annotations, "triggers": triggers}));
        assert_eq!(binding.and_then(|it| it.mode).as_deref(), mode);
    }

    #[rstest]
    #[case(json!({}), false)]
    #[case(json!({"triggers": {"http": {}, "dapr": []}}), false)]
    #[case(json!({"triggers": {"inputs": [{"dapr": {"name": "a"}}]}}), true)]
    #[case(json!({"outputs": [{"dapr": {"name": "a"}}]}), true)]
    #[case(json!({"states": {"store": {}}}), true)]
    fn without_a_word_dapr_is_for_functions_that_use_it(
        #[case] mut serving: Value,
        #[case] expected: bool,
    ) {
        serving["annotations"] = json!({SERVICE_MODE: "sidecar"});
        assert_eq!(read(&serving).is_some(), expected);
    }

    #[test]
    fn a_function_is_an_app_with_settings_and_secrets() {
        let template =
            json!({"serviceAccountName": "clerk", "imagePullSecrets": [{"name": "own"}]});
        let annotations = json!({MODE: SHARED, "dapr.io/log-as-json": "false"});
        let binding = read(&json!({
            "annotations": annotations, "template": template, "triggers": {"http": {"port": 9000}},
        }))
        .unwrap();
        assert_eq!(
            (&*binding.app_id, &*binding.account),
            ("sink-shop", "clerk")
        );
        let settings = [
            ("app-port", "9000"),
            ("app-protocol", "grpc"),
            ("log-as-json", "false"),
        ];
        let settings = settings.map(|(key, value)| (format!("dapr.io/{key}"), value.to_owned()));
        assert_eq!(binding.settings, settings.into());
        assert_eq!(binding.pods.pull_secrets, ["own", "registry"]);
    }
}
