use operator_core::shared::{Binding, BoundKind, Registry};
use rstest::rstest;

use super::*;
use crate::fixtures::Script;
use crate::shared::fixtures::{anchored, app, server, unanchored};

const APPLY: &str = "PATCH application/apply-patch+yaml trilby-shared";
const MERGE: &str = "PATCH application/merge-patch+json trilby-shared";

fn workload() -> Binding {
    let object = json!({
        "metadata": {"name": "web", "namespace": "shop", "uid": "w"},
        "spec": {"template": {"metadata": {"annotations": {
            "dapr.io/enabled": "true", "dapr.io/app-id": "checkout",
            "trilby.dev/mode": "shared-deployment",
        }}}},
    });
    Binding::read(BoundKind::Deployment, &object).unwrap()
}

fn instance(labels: &Value) -> SharedInstance {
    let metadata = json!({
        "name": "checkout", "namespace": "shop", "uid": "i", "resourceVersion": "7",
        "labels": labels,
    });
    serde_json::from_value(json!({"metadata": metadata, "spec": {}})).unwrap()
}

fn job(registry: &Registry) -> Job {
    Job {
        app: app(),
        decision: registry.decide(&app(), Timestamp::from_second(1_000_000).unwrap()),
        defaults: Defaults::default(),
        seen: BTreeMap::new(),
        secret_due: true,
        news: Vec::new(),
    }
}

fn not_found() -> (u16, Value) {
    (
        404,
        json!({"kind": "Status", "code": 404, "reason": "NotFound"}),
    )
}

/// The calls of one turn, without the question for the version.
async fn calls(
    registry: &Registry,
    answer: impl Fn(&str, &str) -> (u16, Value) + Send + Sync + 'static,
) -> (Script, Vec<String>, Result<(), ActError>) {
    let script = server(answer);
    let world = unanchored(&script).await;
    let (_, _, result) = act(world, Arc::default(), job(registry)).await;
    let calls = script.calls().into_iter().skip(1).collect();
    (script, calls, result)
}

#[rstest]
#[case::made(201)]
#[case::someone_was_faster(409)]
#[tokio::test]
async fn an_instance_is_created_and_never_written_over(#[case] code: u16) {
    let mut registry = Registry::default();
    registry.apply_workload(workload());
    let (script, calls, result) = calls(&registry, move |_, path| {
        assert!(
            path.ends_with("/trilby.dev/v1alpha1/namespaces/shop/sharedinstances"),
            "{path}"
        );
        (
            code,
            json!({"kind": "Status", "code": code, "metadata": {"name": "checkout"}}),
        )
    })
    .await;
    assert_eq!(calls, ["POST trilby-shared"]);
    assert!(result.is_ok());
    let body = script.bodies().pop().unwrap();
    assert_eq!(body["kind"], "SharedInstance");
    assert_eq!(
        body["metadata"]["labels"]["app.kubernetes.io/managed-by"],
        "trilby"
    );
}

#[rstest]
#[case::ours("trilby-shared", &["GET", MERGE])]
#[case::a_persons("kubectl", &["GET"])]
#[tokio::test]
async fn only_a_strategy_of_our_own_is_changed(#[case] manager: &str, #[case] expected: &[&str]) {
    let entries = json!([{"manager": manager, "fieldsV1": {"f:spec": {"f:strategy": {}}}}]);
    let existing = json!({"metadata": {
        "name": "checkout", "resourceVersion": "9", "managedFields": entries,
    }});
    let script = server(move |_, _| (200, existing.clone()));
    let world = anchored(&script).await;
    let (ledger, app) = (Mutex::default(), app());
    let turn = Turn {
        world: &world,
        ledger: &ledger,
        app: &app,
        done: Done::default(),
    };
    turn.adjust("checkout", Strategy::DaemonSet).await.unwrap();
    assert_eq!(script.calls()[1..], *expected);
    if expected.len() > 1 {
        let patch = script.bodies().pop().unwrap();
        let wanted = json!({
            "metadata": {"resourceVersion": "9"}, "spec": {"strategy": "DaemonSet"},
        });
        assert_eq!(patch, wanted);
    }
}

#[tokio::test]
async fn only_the_idle_instance_that_was_seen_is_deleted() {
    let mut registry = Registry::default();
    let mut idle = instance(&json!({"app.kubernetes.io/managed-by": "trilby"}));
    idle.spec = serde_json::from_value(json!({"idle": {"after": "0s"}})).unwrap();
    registry.apply_instance(idle);
    let deleted = |_: &str, _: &str| (200, json!({"kind": "Status", "status": "Success"}));
    let (script, calls, result) = calls(&registry, deleted).await;
    assert_eq!(calls, ["DELETE"]);
    assert!(result.is_ok());
    let preconditions = &script.bodies()[1]["preconditions"];
    assert_eq!(*preconditions, json!({"uid": "i", "resourceVersion": "7"}));
}

#[tokio::test]
async fn what_fails_is_told_in_the_status_and_tried_again() {
    let mut registry = Registry::default();
    registry.apply_instance(instance(&json!({})));
    let (script, calls, result) = calls(&registry, |_, _| not_found()).await;
    assert!(matches!(result, Err(ActError::Anchors)), "{result:?}");
    assert_eq!(calls, [APPLY]);
    let status = script.bodies().pop().unwrap()["status"].clone();
    assert_eq!(
        status["conditions"][0]["message"],
        "the trust anchors are not known yet"
    );
}
