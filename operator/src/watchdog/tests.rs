use std::sync::Arc;

use parking_lot::Mutex;
use rstest::rstest;
use serde_json::Value;

use super::*;
use crate::fixtures::{Script, answers};

type Asked = Arc<Mutex<Vec<String>>>;

fn pod(name: &str, container: &str, owner: Option<&str>) -> Value {
    let owner = owner.map(|name| {
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": name, "controller": true})
    });
    json!({
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": name,
            "annotations": {"dapr.io/enabled": "true"},
            "ownerReferences": owner.into_iter().collect::<Vec<_>>(),
        },
        "spec": {"containers": [{"name": container}]},
    })
}

/// An API server with an injector of so many ready replicas, and these pods.
fn cluster(ready: i32, pods: Vec<Value>) -> (Script, Asked) {
    let asked = Asked::default();
    let noting = Arc::clone(&asked);
    let script = answers(move |method, path| {
        let one = path.strip_prefix("/api/v1/namespaces/shop/pods/");
        if method != "GET" {
            noting.lock().push(format!("{method} {path}"));
        }
        match (method, path, one) {
            ("GET", "/apis/apps/v1/namespaces/dapr-system/deployments", _) => (
                200,
                json!({"items": [{"metadata": {}, "status": {"readyReplicas": ready}}]}),
            ),
            ("GET", "/api/v1/pods", _) => (200, json!({"items": pods})),
            ("GET", _, Some(name)) => {
                let found = pods.iter().find(|pod| pod["metadata"]["name"] == name);
                (200, found.cloned().unwrap())
            }
            _ => (200, json!({"metadata": {"name": "x"}, "status": {}})),
        }
    });
    (script, asked)
}

fn watchdog(script: &Script, per_minute: i64, label: bool) -> Watchdog {
    let orders = Orders {
        namespace: "dapr-system".to_owned(),
        watched: None,
        schedule: Schedule::Once,
        per_minute,
        label,
    };
    Watchdog::new(script.client(), orders)
}

const DELETE: &str = "DELETE /api/v1/namespaces/shop/pods/a";
const EVENT: &str = "POST /apis/events.k8s.io/v1/namespaces/shop/events";

#[rstest]
#[case::bare(pod("a", "app", Some("r")), false, &[DELETE, EVENT])]
#[case::alone(pod("a", "app", None), false, &[EVENT])]
#[case::sidecar(pod("a", "daprd", Some("r")), false, &[])]
#[case::labelling(pod("a", "daprd", Some("r")), true, &["PATCH /api/v1/namespaces/shop/pods/a"])]
#[tokio::test]
async fn pods_are_set_right(#[case] pod: Value, #[case] label: bool, #[case] expected: &[&str]) {
    let (script, asked) = cluster(1, vec![pod]);
    assert!(watchdog(&script, 0, label).pass().await.is_ok());
    assert_eq!(*asked.lock(), expected);
}

#[tokio::test]
async fn without_an_injector_nothing_is_touched() {
    let (script, asked) = cluster(0, vec![pod("a", "app", Some("r"))]);
    let error = watchdog(&script, 0, true).pass().await.unwrap_err();
    assert!(matches!(error, PassError::NoInjector(_)));
    assert_eq!(*asked.lock(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn deletions_are_spaced_and_the_first_is_free() {
    let pods = ["a", "b", "c"].map(|name| pod(name, "app", Some(name)));
    let (script, asked) = cluster(1, pods.to_vec());
    let begun = Instant::now();
    watchdog(&script, 20, false).pass().await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 6);
    let deleted = asked
        .lock()
        .iter()
        .filter(|call| call.starts_with("DELETE"))
        .count();
    assert_eq!(deleted, 3);
}

#[tokio::test]
async fn a_pod_that_nothing_replaces_is_told_of_once() {
    let (script, asked) = cluster(1, vec![pod("a", "app", None)]);
    let mut watchdog = watchdog(&script, 0, false);
    watchdog.pass().await.unwrap();
    watchdog.pass().await.unwrap();
    assert_eq!(asked.lock().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_first_pass_is_tried_until_it_succeeds() {
    let (script, _) = cluster(0, Vec::new());
    let run = Box::pin(watchdog(&script, 0, false).run());
    let ended = tokio::time::timeout(Duration::from_mins(1), run).await;
    assert!(ended.is_err());
    assert!((10..=13).contains(&script.calls().len()));
}
