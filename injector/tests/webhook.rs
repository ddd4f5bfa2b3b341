//! The webhook's router, called in memory.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod common;

use axum::{
    Router,
    body::{Body, to_bytes},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use common::{Call, kubernetes, review, webhook};
use http::{Request, StatusCode};
use injector::{Metrics, webhook::router};
use prometheus_client::{encoding::text::encode, registry::Registry};
use rstest::rstest;
use serde_json::{Value, json};
use tower::ServiceExt;

/// A router whose API server knows nothing, and must not be asked.
fn unasked() -> Router {
    let kubernetes = kubernetes(|call: Call| unreachable!("{}", call.line));
    router(webhook(kubernetes, true, Metrics::default()))
}

async fn post(router: Router, path: &str, kind: &str, body: String) -> (StatusCode, String) {
    let request = Request::post(path)
        .header("content-type", kind)
        .body(Body::from(body))
        .unwrap();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn answer(router: Router, review: &Value) -> Value {
    let (status, body) = post(
        router,
        "/mutate?timeout=10s",
        "application/json",
        review.to_string(),
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    serde_json::from_str(&body).unwrap()
}

/// The reviewed pod after the patch of `answer`.
fn patched(review: &Value, answer: &Value) -> Value {
    let patch = STANDARD
        .decode(answer["response"]["patch"].as_str().unwrap())
        .unwrap();
    let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
    let mut pod = review["request"]["object"].clone();
    json_patch::patch(&mut pod, &patch).unwrap();
    pod
}

#[tokio::test]
async fn injects_without_asking_anybody() {
    let review = review(&[]);
    let answer = answer(unasked(), &review).await;
    assert_eq!(answer["kind"], "AdmissionReview");
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    let response = &answer["response"];
    assert_eq!(
        (
            &response["uid"],
            &response["allowed"],
            &response["patchType"]
        ),
        (&json!("u1"), &json!(true), &json!("JSONPatch"))
    );
    assert_eq!(response.get("warnings"), None);
    let pod = patched(&review, &answer);
    assert_eq!(pod["spec"]["containers"][1]["name"], "daprd");
    let anchors = pod["spec"]["containers"][1]["env"][1]["value"]
        .as_str()
        .unwrap();
    assert!(anchors.starts_with("-----BEGIN CERTIFICATE-----"));
}

#[tokio::test]
async fn a_wrong_value_is_named_with_its_remedy() {
    let answer = answer(unasked(), &review(&[("app-port", "abc")])).await;
    assert_eq!(answer["response"]["allowed"], json!(true));
    let warning = answer["response"]["warnings"][0].as_str().unwrap();
    assert!(
        warning.starts_with("dapr.io/app-port: \"abc\""),
        "{warning}"
    );
    assert!(warning.contains("write a whole number"), "{warning}");
}

#[tokio::test]
async fn a_wrong_app_id_is_refused_with_the_reason() {
    let answer = answer(unasked(), &review(&[("app-id", "My App")])).await;
    assert_eq!(answer["response"]["allowed"], json!(false));
    let message = answer["response"]["status"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("dapr.io/app-id: \"My App\""),
        "{message}"
    );
}

#[tokio::test]
async fn a_caller_without_the_right_is_warned() {
    let mut review = review(&[]);
    review["request"]["userInfo"]["username"] = json!("system:serviceaccount:ns:other");
    let answer = answer(unasked(), &review).await;
    assert_eq!(answer["response"]["allowed"], json!(true));
    assert_eq!(answer["response"].get("patch"), None);
    let warning = answer["response"]["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("system:serviceaccount:ns:other"),
        "{warning}"
    );
}

#[tokio::test]
async fn other_pods_stay_as_they_are() {
    let answer = answer(unasked(), &review(&[("enabled", "false")])).await;
    assert_eq!(answer["response"], json!({"uid": "u1", "allowed": true}));
}

#[rstest]
#[case::empty("/mutate", "application/json", "", StatusCode::BAD_REQUEST)]
#[case::charset(
    "/mutate",
    "application/json; charset=utf-8",
    "{}",
    StatusCode::UNSUPPORTED_MEDIA_TYPE
)]
#[case::yaml(
    "/mutate",
    "application/yaml",
    "{}",
    StatusCode::UNSUPPORTED_MEDIA_TYPE
)]
#[case::slash("/mutate/", "application/json", "{}", StatusCode::NOT_FOUND)]
#[case::elsewhere("/", "application/json", "{}", StatusCode::NOT_FOUND)]
#[case::too_long("/mutate", "application/json", &"x".repeat(9 << 20), StatusCode::PAYLOAD_TOO_LARGE)]
#[tokio::test]
async fn refuses(
    #[case] path: &str,
    #[case] kind: &str,
    #[case] body: &str,
    #[case] expected: StatusCode,
) {
    assert_eq!(
        post(unasked(), path, kind, body.to_owned()).await.0,
        expected
    );
}

#[rstest]
#[case("{")]
#[case("{}")]
#[case(r#"{"kind": "AdmissionReview", "request": null}"#)]
#[tokio::test]
async fn answers_what_is_no_review(#[case] body: &str) {
    let (status, body) = post(unasked(), "/mutate", "application/json", body.to_owned()).await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["response"]["allowed"], json!(false));
    assert_eq!(answer.get("kind"), None);
}

#[tokio::test]
async fn brings_the_components_of_the_pods_namespace() {
    let kubernetes = kubernetes(|call: Call| {
        assert_eq!(
            call.line,
            "GET /apis/dapr.io/v1alpha1/namespaces/default/components"
        );
        Some(json!({"items": [{"metadata": {"name": "c",
            "annotations": {"dapr.io/component-container": "{\"image\": \"i\"}"}}}]}))
    });
    let review = review(&[("inject-pluggable-components", "true")]);
    let answer = answer(
        router(webhook(kubernetes, true, Metrics::default())),
        &review,
    )
    .await;
    assert_eq!(
        patched(&review, &answer)["spec"]["containers"][2]["name"],
        "c"
    );
}

#[rstest]
#[case::no_list("default")]
#[case::no_namespace("x/../y")]
#[tokio::test]
async fn refuses_where_components_can_not_be_listed(#[case] namespace: &str) {
    let mut review = review(&[("inject-pluggable-components", "true")]);
    review["request"]["namespace"] = json!(namespace);
    let kubernetes = kubernetes(|_| None);
    let answer = answer(
        router(webhook(kubernetes, true, Metrics::default())),
        &review,
    )
    .await;
    let message = answer["response"]["status"]["message"].as_str().unwrap();
    assert!(
        message.contains("could not be listed: listing components failed"),
        "{message}"
    );
}

#[tokio::test]
async fn follows_the_clusters_mtls() {
    let review = review(&[]);
    let kubernetes = kubernetes(|_| None);
    let answer = answer(
        router(webhook(kubernetes, false, Metrics::default())),
        &review,
    )
    .await;
    let args = patched(&review, &answer)["spec"]["containers"][1]["args"].to_string();
    assert!(!args.contains("--enable-mtls"));
}

/// A review of a pod in that mode.
fn review_of_mode(mode: &str) -> Value {
    let mut review = review(&[]);
    review["request"]["object"]["metadata"]["annotations"]["trilby.dev/mode"] = json!(mode);
    review
}

#[tokio::test]
async fn binds_without_asking_anybody() {
    let review = review_of_mode("shared-deployment");
    let answer = answer(unasked(), &review).await;
    assert_eq!(answer["response"].get("warnings"), None);
    let pod = patched(&review, &answer);
    let containers = pod["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1);
    let endpoint = json!({"name": "DAPR_HTTP_ENDPOINT",
        "value": "http://app-shared.default.svc.cluster.local:3500"});
    assert_eq!(containers[0]["env"][0], endpoint);
    assert_eq!(pod["metadata"]["labels"]["trilby.dev/bound-to"], "app");
}

#[tokio::test]
async fn leaves_a_bound_pod_as_it_is() {
    let mut review = review_of_mode("shared-daemonset");
    let first = answer(unasked(), &review).await;
    review["request"]["object"] = patched(&review, &first);
    let second = answer(unasked(), &review).await;
    assert_eq!(second["response"], json!({"uid": "u1", "allowed": true}));
}

#[tokio::test]
async fn a_function_is_bound_in_the_place_of_open_functions_proxy() {
    let mut review = review(&[]);
    review["request"]["kind"] = json!({"group": "core.openfunction.io", "kind": "Function"});
    let serving = json!({"annotations": {}, "outputs": [{"dapr": {"name": "store"}}]});
    review["request"]["object"] = json!({"kind": "Function", "spec": {"serving": serving}});
    let answer = answer(unasked(), &review).await;
    let function = patched(&review, &answer);
    let annotations = &function["spec"]["serving"]["annotations"];
    assert_eq!(annotations["openfunction.io/dapr-service-mode"], "none");
    assert_eq!(annotations["trilby.dev/mode"], "shared-deployment");
    let told = answer["response"]["warnings"][0].as_str().unwrap();
    assert!(
        told.contains("in the place of OpenFunction's proxy"),
        "{told}"
    );
}

#[tokio::test]
async fn refuses_a_mode_that_nobody_knows() {
    let answer = answer(unasked(), &review_of_mode("Shared")).await;
    assert_eq!(answer["response"]["allowed"], json!(false));
    let message = answer["response"]["status"]["message"].as_str().unwrap();
    let start = "trilby.dev/mode: \"Shared\" is not known; write \"sidecar\"";
    assert!(message.starts_with(start), "{message}");
}

#[tokio::test]
async fn counts_under_the_known_names() {
    let metrics = Metrics::default();
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let router = router(webhook(kubernetes(|_| None), true, metrics));
    answer(router.clone(), &review(&[])).await;
    answer(router.clone(), &review(&[("app-id", "")])).await;
    answer(router.clone(), &review(&[("app-id", "NO")])).await;
    answer(router.clone(), &review(&[("enabled", "false")])).await;
    let mut stranger = review(&[]);
    stranger["request"]["userInfo"] = Value::Null;
    answer(router.clone(), &stranger).await;
    let mut bound = review_of_mode("shared-daemonset");
    let first = answer(router.clone(), &bound).await;
    bound["request"]["object"] = patched(&bound, &first);
    answer(router.clone(), &bound).await;
    post(router, "/mutate", "text/plain", String::new()).await;

    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    let prefix = "dapr_injector_sidecar_injection";
    for line in [
        format!("{prefix}_requests_total 8"),
        format!("{prefix}_succeeded_total{{app_id=\"app\"}} 1"),
        format!("{prefix}_succeeded_total{{app_id=\"p\"}} 1"),
        format!("{prefix}_failed_total{{app_id=\"NO\",reason=\"patch\"}} 1"),
        format!("{prefix}_failed_total{{app_id=\"app\",reason=\"pod_patch\"}} 1"),
        "trilby_injector_pods_bound_total{mode=\"shared-daemonset\"} 1".to_owned(),
    ] {
        assert!(
            text.lines().any(|one| one == line),
            "{line} is not in\n{text}"
        );
    }
}
