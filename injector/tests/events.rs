//! Events about pods that asked for a sidecar and have none.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod common;

use axum::body::Body;
use common::{Call, kubernetes, review, webhook};
use http::Request;
use injector::{Metrics, events, webhook::router};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// The Events that come of `reviews`, once as many as `expected` were written.
async fn events_of(reviews: &[Value], expected: usize) -> Vec<(String, Value)> {
    let (sender, mut written) = mpsc::unbounded_channel();
    let api = kubernetes(move |call: Call| {
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        sender.send((call.line, body.clone())).unwrap();
        Some(body)
    });
    let (entrance, notices) = events::queue();
    let mut webhook = webhook(api.clone(), true, Metrics::default());
    webhook.events = entrance;
    let router = router(webhook);
    for review in reviews {
        let request = Request::post("/mutate").header("content-type", "application/json");
        let request = request.body(Body::from(review.to_string())).unwrap();
        router.clone().oneshot(request).await.unwrap();
    }
    let stopping = CancellationToken::new();
    let publish = events::publish(api.recorder(), notices, stopping.clone());
    let look = async {
        let mut events = Vec::new();
        while events.len() < expected {
            events.push(written.recv().await.unwrap());
        }
        stopping.cancel();
        events
    };
    tokio::join!(publish, look).1
}

fn of_stranger(mut review: Value) -> Value {
    review["request"]["userInfo"] = json!({"username": "someone"});
    review
}

fn of_mode(mut review: Value, mode: &str) -> Value {
    review["request"]["object"]["metadata"]["annotations"]["trilby.dev/mode"] = json!(mode);
    review
}

#[rstest]
#[case::caller(of_stranger(review(&[])), "SidecarSkipped", "ALLOWED_SERVICE_ACCOUNTS")]
#[case::spelling(review(&[("enabled", "yes")]), "SidecarSkipped", "write \"true\" or \"false\"")]
#[case::app_id(review(&[("app-id", "My App")]), "SidecarRefused", "change dapr.io/app-id")]
#[case::mode(of_mode(review(&[]), "Shared"), "SidecarRefused", "write \"sidecar\", \"shared-deployment\"")]
#[tokio::test(start_paused = true)]
async fn name_reason_and_remedy(#[case] review: Value, #[case] reason: &str, #[case] says: &str) {
    let [(line, event)] = &events_of(&[review], 1).await[..] else {
        unreachable!("one Event")
    };
    assert!(
        line.starts_with("POST /apis/events.k8s.io/v1/namespaces/default/events"),
        "{line}"
    );
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "namespace": "default"});
    assert_eq!(
        (&event["regarding"], &event["reason"]),
        (&pod, &json!(reason))
    );
    assert_eq!(event["type"], "Warning");
    assert!(event["note"].as_str().unwrap().contains(says), "{event}");
}

#[tokio::test(start_paused = true)]
async fn are_counted_up_when_a_controller_tries_again() {
    let review = review(&[("app-id", "My App")]);
    let events = events_of(&[review.clone(), review], 2).await;
    assert!(events[1].0.starts_with("PATCH "), "{}", events[1].0);
    assert_eq!(events[1].1["series"]["count"], json!(2));
}

#[tokio::test(start_paused = true)]
async fn are_not_written_for_others_nor_for_rehearsals() {
    let mut rehearsal = review(&[("app-id", "My App")]);
    rehearsal["request"]["dryRun"] = json!(true);
    let last = review(&[("app-id", "Last")]);
    let reviews = [
        review(&[]),
        review(&[("enabled", "false")]),
        rehearsal,
        last,
    ];
    let events = events_of(&reviews, 1).await;
    assert!(
        events[0].1["note"].as_str().unwrap().contains("Last"),
        "{events:?}"
    );
}

#[tokio::test]
async fn no_review_waits_for_a_full_queue() {
    let (entrance, notices) = events::queue();
    let api = kubernetes(|call: Call| unreachable!("{}", call.line));
    let mut webhook = webhook(api, true, Metrics::default());
    webhook.events = entrance;
    let router = router(webhook);
    for _ in 0..300 {
        let request = Request::post("/mutate").header("content-type", "application/json");
        let body = review(&[("app-id", "My App")]).to_string();
        let response = router
            .clone()
            .oneshot(request.body(Body::from(body)).unwrap());
        assert!(response.await.unwrap().status().is_success());
    }
    assert_eq!(notices.len(), notices.max_capacity());
}
