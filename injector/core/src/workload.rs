//! The pod that comes of a manifest, as its controller would ask for it.

use serde_json::{Map, Value, json};

/// The pod of `object`, in `namespace` unless it names one: itself, or made from its template.
/// None if no pod comes of it.
pub fn pod_of(object: &Value, namespace: &str) -> Option<Value> {
    let pod = match object["kind"].as_str()? {
        "Pod" => object.clone(),
        "CronJob" => {
            let mut job = object["spec"]["jobTemplate"].clone();
            job["apiVersion"] = "batch/v1".into();
            job["kind"] = "Job".into();
            job["metadata"]["name"] = object["metadata"]["name"].clone();
            made_by(&job)?
        }
        _ => made_by(object)?,
    };
    Some(placed(pod, object, namespace))
}

/// The namespace in which `object` is made.
pub fn namespace_of<'a>(object: &'a Value, otherwise: &'a str) -> &'a str {
    object["metadata"]["namespace"]
        .as_str()
        .unwrap_or(otherwise)
}

fn made_by(controller: &Value) -> Option<Value> {
    let template = controller["spec"]["template"].as_object()?;
    let name = controller["metadata"]["name"].as_str().unwrap_or_default();
    let mut pod: Map<String, Value> = template.clone();
    pod.insert("apiVersion".into(), "v1".into());
    pod.insert("kind".into(), "Pod".into());
    let mut pod = Value::Object(pod);
    if !pod["metadata"].is_object() {
        pod["metadata"] = json!({});
    }
    pod["metadata"]["generateName"] = format!("{name}-").into();
    pod["metadata"]["ownerReferences"] = json!([{"apiVersion": controller["apiVersion"],
        "kind": controller["kind"], "name": name, "uid": "", "controller": true}]);
    Some(pod)
}

fn placed(mut pod: Value, object: &Value, namespace: &str) -> Value {
    if pod["metadata"].is_object() {
        pod["metadata"]["namespace"] = namespace_of(object, namespace).into();
    }
    pod
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::pod(json!({"kind": "Pod", "metadata": {"name": "w"}, "spec": {"x": 1}}), None)]
    #[case::deployment(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "w"},
        "spec": {"template": {"spec": {"x": 1}}}}), Some(("apps/v1", "Deployment")))]
    #[case::cron_job(json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "w"},
        "spec": {"jobTemplate": {"spec": {"template": {"spec": {"x": 1}}}}}}), Some(("batch/v1", "Job")))]
    fn makes_the_pod(#[case] object: Value, #[case] maker: Option<(&str, &str)>) {
        let pod = pod_of(&object, "shop").unwrap();
        assert_eq!(
            (&pod["kind"], &pod["spec"]["x"]),
            (&json!("Pod"), &json!(1))
        );
        assert_eq!(pod["metadata"]["namespace"], "shop");
        let owner = &pod["metadata"]["ownerReferences"][0];
        let found = maker.map(|_| {
            let text = |key: &str| owner[key].as_str().unwrap();
            assert_eq!(text("name"), "w");
            (text("apiVersion"), text("kind"))
        });
        assert_eq!(found, maker);
    }

    #[rstest]
    #[case(json!({"kind": "Service", "spec": {}}))]
    #[case(json!({"kind": "Deployment"}))]
    #[case(json!({"kind": "CronJob", "spec": null}))]
    #[case(json!("Pod"))]
    fn makes_none(#[case] object: Value) {
        assert_eq!(pod_of(&object, "shop"), None);
    }
}
