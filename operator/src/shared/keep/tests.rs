use crds::shared_instance::SharedInstance;
use operator_core::shared::{Action, AppKey, Ledger, Registry};
use parking_lot::Mutex;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::fixtures::Script;
use crate::shared::act::Done;
use crate::shared::fixtures::{anchored, app, server};

const APPLY: &str = "PATCH application/apply-patch+yaml trilby-shared";

fn instance() -> SharedInstance {
    let metadata = json!({"name": "checkout", "namespace": "shop", "uid": "i"});
    let spec = json!({"app": {"port": 80}});
    serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
}

fn plan() -> Plan {
    let mut registry = Registry::default();
    registry.apply_instance(instance());
    let decision = registry.decide(&AppKey::new("shop", "checkout"), Timestamp::UNIX_EPOCH);
    let mut plans = decision
        .actions
        .into_iter()
        .filter_map(|action| match action {
            Action::Keep(plan) => Some(*plan),
            _ => None,
        });
    plans.next().unwrap()
}

/// An object of someone else, or of the instance.
fn object(owner: &str) -> Value {
    json!({"metadata": {"name": "x", "uid": "u", "ownerReferences": [
        {"apiVersion": "v1", "kind": "X", "name": "x", "uid": owner, "controller": true},
    ]}})
}

fn not_found() -> (u16, Value) {
    (
        404,
        json!({"kind": "Status", "code": 404, "reason": "NotFound"}),
    )
}

async fn keep(script: &Script) -> (Done, Result<(), ActError>) {
    let world = anchored(script).await;
    let (ledger, app) = (Mutex::<Ledger>::default(), app());
    let mut turn = Turn {
        world: &world,
        ledger: &ledger,
        app: &app,
        done: Done::default(),
    };
    let result = turn
        .keep(&plan(), &Defaults::default(), &BTreeMap::new(), true)
        .await;
    (turn.done, result)
}

/// The kinds that were applied, in order; the last is that of the status.
fn applied(script: &Script) -> Vec<String> {
    let calls = script.calls().into_iter().zip(script.bodies());
    let applied = calls.filter(|(call, _)| call == APPLY);
    applied
        .map(|(_, body)| body["kind"].as_str().unwrap().to_owned())
        .collect()
}

fn conditions(script: &Script) -> Vec<(String, String)> {
    let status = script.bodies().pop().unwrap()["status"]["conditions"].clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = status.as_array().unwrap().iter();
    all.map(|one| (text(&one["type"]), text(&one["reason"])))
        .collect()
}

#[tokio::test]
async fn what_pods_need_is_there_before_the_pods() {
    let script = server(|method, _| match method {
        "GET" => not_found(),
        _ => (200, object("i")),
    });
    let (done, result) = keep(&script).await;
    assert!(result.is_ok(), "{result:?}");
    let expected = [
        "Secret",
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "Lease",
        "Service",
        "Service",
        "Service",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Deployment",
        "SharedInstance",
    ];
    assert_eq!(applied(&script), expected);
    assert_eq!(done.became.len(), 10);
    assert!(done.secret_due.is_some() && !done.blocked);
}

#[rstest]
#[case::service("/services/checkout-shared-app", &["Secret", "SharedInstance"])]
#[case::secret("/secrets/checkout-shared-token", &["SharedInstance"])]
#[case::account("/serviceaccounts/checkout-shared", &["Secret", "SharedInstance"])]
#[tokio::test]
async fn nothing_is_made_while_a_name_is_taken(
    #[case] taken: &'static str,
    #[case] expected: &[&str],
) {
    let script = server(move |method, path| match method {
        "GET" if path.ends_with(taken) => (200, object("someone")),
        "GET" => not_found(),
        _ => (200, object("i")),
    });
    let (done, result) = keep(&script).await;
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(applied(&script), expected);
    assert!(done.blocked);
    assert!(conditions(&script).contains(&("Conflict".to_owned(), "NameTaken".to_owned())));
}

#[tokio::test]
async fn what_is_the_instances_is_applied_again() {
    let script = server(|method, path| match method {
        "GET" if path.contains("/secrets/") => not_found(),
        _ => (200, object("i")),
    });
    let (done, _) = keep(&script).await;
    assert_eq!((done.became.len(), done.blocked), (10, false));
}

#[tokio::test]
async fn a_refusal_is_told_and_returned() {
    let refusal = json!({
        "kind": "Status", "code": 422, "reason": "Invalid", "message": "affinity makes no sense",
    });
    let script = server(move |method, path| match (method, path) {
        ("GET", _) => not_found(),
        (_, path) if path.contains("/deployments/") => (422, refusal.clone()),
        _ => (200, object("i")),
    });
    let (_, result) = keep(&script).await;
    assert!(matches!(result, Err(ActError::Api { .. })), "{result:?}");
    let status = script.bodies().pop().unwrap()["status"].clone();
    let message = status["conditions"][0]["message"].as_str().unwrap();
    assert!(
        message.starts_with("could not apply Deployment checkout-shared"),
        "{message}"
    );
    assert!(message.contains("affinity makes no sense"), "{message}");
}
