//! The defaults of namespaces, from the watch to the patch.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod common;

use axum::body::{Body, to_bytes};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use common::{Call, kubernetes, review, webhook};
use futures::stream;
use http::Request;
use injector::{
    Metrics,
    namespaces::{Metadata, Namespaces},
    webhook::router,
};
use process::kubernetes::Event;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

fn namespace(name: &str, annotations: &[(&str, &str)]) -> Metadata {
    let annotations: std::collections::BTreeMap<_, _> = annotations.iter().copied().collect();
    serde_json::from_value(json!({"metadata": {"name": name, "annotations": annotations}})).unwrap()
}

async fn after(events: Vec<Event<Metadata>>) -> Namespaces {
    let namespaces = Namespaces::default();
    let events = stream::iter(events);
    let follow = namespaces.clone().follow(events, CancellationToken::new());
    follow.await.unwrap();
    namespaces
}

const LEVEL: (&str, &str) = ("dapr.io/log-level", "debug");

#[tokio::test]
async fn follows_what_namespaces_say() {
    let all = vec![
        namespace("a", &[LEVEL]),
        namespace("b", &[LEVEL]),
        namespace("c", &[LEVEL, ("dapr.io/app-id", "of-pods-alone")]),
        namespace("d", &[("example.com/x", "y")]),
    ];
    let namespaces = after(vec![
        Event::Reset(all),
        Event::Apply(namespace("b", &[])),
        Event::Delete(namespace("c", &[LEVEL])),
        Event::Apply(namespace("e", &[LEVEL])),
    ])
    .await;
    namespaces.known().await;
    let have =
        ["a", "b", "c", "d", "e", "unknown"].map(|name| !namespaces.defaults(name).is_empty());
    assert_eq!(have, [true, false, false, false, true, false]);
}

#[tokio::test]
async fn a_fresh_list_forgets_what_is_not_in_it() {
    let namespaces = after(vec![
        Event::Reset(vec![namespace("a", &[LEVEL])]),
        Event::Reset(vec![namespace("b", &[LEVEL])]),
    ])
    .await;
    assert!(namespaces.defaults("a").is_empty());
    assert!(!namespaces.defaults("b").is_empty());
}

#[tokio::test]
async fn lists_metadata_alone() {
    let api = kubernetes(|call: Call| {
        assert!(
            call.line.starts_with("GET /api/v1/namespaces?"),
            "{}",
            call.line
        );
        assert!(
            call.accept.contains("as=PartialObjectMetadata"),
            "{}",
            call.accept
        );
        let one = json!({"metadata": {"name": "a", "annotations": {LEVEL.0: LEVEL.1}}});
        Some(
            json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
            "metadata": {"resourceVersion": "1"}, "items": [one]}),
        )
    });
    let (namespaces, stopping) = (Namespaces::default(), CancellationToken::new());
    let follow = namespaces
        .clone()
        .follow(api.namespaces(), stopping.clone());
    let look = async {
        namespaces.known().await;
        stopping.cancel();
    };
    tokio::join!(follow, look).0.unwrap();
    assert!(!namespaces.defaults("a").is_empty());
}

#[tokio::test]
async fn a_pod_gets_what_its_namespace_says() {
    let api = kubernetes(|call: Call| unreachable!("{}", call.line));
    let mut webhook = webhook(api, true, Metrics::default());
    webhook.namespaces = after(vec![Event::Reset(vec![namespace("default", &[LEVEL])])]).await;
    let request = Request::post("/mutate")
        .header("content-type", "application/json")
        .body(Body::from(review(&[]).to_string()))
        .unwrap();
    let response = router(webhook).oneshot(request).await.unwrap();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let patch = STANDARD.decode(answer["response"]["patch"].as_str().unwrap());
    let patch = String::from_utf8(patch.unwrap()).unwrap();
    assert!(patch.contains(r#""--log-level","debug""#), "{patch}");
}
