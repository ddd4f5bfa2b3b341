use injector_core::shared::MODE;
use rstest::rstest;
use serde_json::json;

use super::*;

fn template(annotations: &Value) -> Value {
    json!({
        "metadata": {"annotations": annotations, "labels": {"app": "a"}},
        "spec": {"serviceAccountName": "clerk", "containers": []},
    })
}

fn object(spec: &Value) -> Value {
    json!({
        "metadata": {
            "name": "checkout", "namespace": "shop", "uid": "u1",
            "creationTimestamp": "2026-01-02T03:04:05Z",
        },
        "spec": spec,
    })
}

fn annotations() -> Value {
    json!({
        ENABLED: "true", APP_ID: "checkout", MODE: "shared-deployment",
        "dapr.io/app-port": "8080", "example.com/other": "x",
    })
}

fn workload(kind: BoundKind) -> Value {
    let template = template(&annotations());
    match kind {
        BoundKind::CronJob => object(&json!({"jobTemplate": {"spec": {"template": template}}})),
        BoundKind::Function => object(&json!({
            "serving": {"annotations": annotations(), "template": template["spec"]},
        })),
        _ => object(&json!({"template": template})),
    }
}

#[test]
fn every_kind_is_read() {
    for kind in BoundKind::ALL {
        let binding = Binding::read(kind, &workload(kind)).unwrap();
        assert_eq!(&*binding.app_id, "checkout", "{kind:?}");
        assert_eq!(binding.mode.as_deref(), Some("shared-deployment"));
        assert_eq!(&*binding.account, "clerk");
        assert_eq!(binding.settings["dapr.io/app-port"], "8080");
        let own = |key: &String| key.starts_with("dapr.io/app-port");
        assert_eq!(
            binding.settings.keys().all(own),
            kind != BoundKind::Function
        );
        assert_eq!(
            binding.label(),
            format!("{}/checkout", kind.resource().kind)
        );
    }
}

#[test]
fn what_is_not_said_has_a_default() {
    let mut object = workload(BoundKind::Deployment);
    object["spec"]["template"] = json!({"metadata": {"annotations": {ENABLED: "True"}}});
    let binding = Binding::read(BoundKind::Deployment, &object).unwrap();
    assert_eq!((&*binding.app_id, &*binding.account), ("", "default"));
    assert_eq!(binding.mode, None);
}

#[test]
fn functions_are_apps_of_their_own_name() {
    let mut object = workload(BoundKind::Deployment);
    object["spec"]["template"] = json!({
        "metadata": {"annotations": {
            ENABLED: "false", "openfunction.io/enable-dapr": "true",
            "openfunction.io/dapr-service-mode": "standalone",
        }},
        "spec": {"containers": [
            {"name": "other"},
            {"name": "function", "env": [{"name": "FUNC_CONTEXT", "value": "{\"name\": \"sink\"}"}]},
        ]},
    });
    let binding = Binding::read(BoundKind::Deployment, &object).unwrap();
    assert_eq!(&*binding.app_id, "sink-shop");
    assert_eq!(binding.mode.as_deref(), Some("shared-deployment"));
}

#[rstest]
#[case::not_enabled(json!({"spec": {"template": {"metadata": {"annotations": {APP_ID: "a"}}}}}))]
#[case::off(json!({"spec": {"template": {"metadata": {"annotations": {ENABLED: "false"}}}}}))]
#[case::an_instance(json!({"spec": {"template": {"metadata": {
    "annotations": annotations(), "labels": {INSTANCE: "checkout"}}}}}))]
#[case::odd(json!({"spec": {"template": {"metadata": {"annotations": {ENABLED: true}}}}}))]
#[case::leaving(json!({"metadata": {"name": "checkout", "namespace": "shop", "uid": "u1",
    "deletionTimestamp": "2026-01-02T03:04:05Z"}}))]
#[case::nameless(json!({"metadata": {"namespace": "shop", "uid": "u1"}}))]
fn what_needs_no_instance_is_passed_over(#[case] fields: Value) {
    let mut object = workload(BoundKind::Deployment);
    for (key, value) in fields.as_object().unwrap() {
        object[key] = value.clone();
    }
    assert_eq!(Binding::read(BoundKind::Deployment, &object), None);
}

#[rstest]
#[case::replicas(BoundKind::ReplicaSet, "apps/v1", "Deployment", true, false)]
#[case::run(BoundKind::Job, "batch/v1", "CronJob", true, false)]
#[case::revision(
    BoundKind::Deployment,
    "serving.knative.dev/v1",
    "Revision",
    true,
    false
)]
#[case::function(
    BoundKind::Deployment,
    "core.openfunction.io/v1beta2",
    "Serving",
    true,
    false
)]
#[case::no_maker(BoundKind::ReplicaSet, "apps/v1", "Deployment", false, true)]
#[case::namesake(BoundKind::Job, "example.com/v1", "CronJob", true, true)]
fn what_a_workload_makes_is_left_to_it(
    #[case] kind: BoundKind,
    #[case] version: &str,
    #[case] owner: &str,
    #[case] controller: bool,
    #[case] expected: bool,
) {
    let mut object = workload(kind);
    object["metadata"]["ownerReferences"] = json!([
        {"apiVersion": version, "kind": owner, "name": "o", "uid": "o", "controller": controller}
    ]);
    assert_eq!(Binding::read(kind, &object).is_some(), expected);
}

#[rstest]
#[case(BoundKind::Job, "Complete", "True", false)]
#[case(BoundKind::Job, "Failed", "True", false)]
#[case(BoundKind::Job, "Suspended", "True", true)]
#[case(BoundKind::Job, "Complete", "False", true)]
#[case(BoundKind::Rollout, "Complete", "True", true)]
fn jobs_that_ended_use_nothing(
    #[case] kind: BoundKind,
    #[case] condition: &str,
    #[case] status: &str,
    #[case] expected: bool,
) {
    let mut object = workload(kind);
    object["status"]["conditions"] = json!([{"type": condition, "status": status}]);
    assert_eq!(Binding::read(kind, &object).is_some(), expected);
}
