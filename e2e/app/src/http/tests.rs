use super::router;
use crate::app::App;
use crate::flags::Flags;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::{Json, Router, routing::any};
use clap::Parser;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt;

fn app(flags: &[&str]) -> Router {
    let line = ["testapp", "--hostname=pod-1"].iter().chain(flags);
    router(Arc::new(App::new(&Flags::parse_from(line))))
}

async fn ask(app: &Router, method: &str, path: &str, body: &str) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(path);
    let request = request
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()));
    let response = app.clone().oneshot(request.unwrap()).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let text = || Value::from(String::from_utf8(bytes.to_vec()).unwrap());
    (
        status,
        serde_json::from_slice(&bytes).unwrap_or_else(|_| text()),
    )
}

#[tokio::test]
async fn an_actor_counts_until_it_is_deactivated() {
    let app = app(&[]);
    for expected in 1..=3 {
        let (_, count) = ask(&app, "PUT", "/actors/counter/a/method/increment", "").await;
        assert_eq!(count, expected);
    }
    assert_eq!(
        ask(&app, "PUT", "/actors/counter/b/method/get", "").await.1,
        0
    );
    ask(&app, "DELETE", "/actors/counter/a", "").await;
    assert_eq!(
        ask(&app, "PUT", "/actors/counter/a/method/get", "").await.1,
        0
    );
    let (status, _) = ask(&app, "PUT", "/actors/counter/a/method/other", "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn jobs_and_reminders_are_kept() {
    let app = app(&[]);
    ask(&app, "POST", "/job/once", "{}").await;
    let path = "/actors/counter/a/method/remind/tick";
    let (status, _) = ask(&app, "PUT", path, "{}").await;
    assert_eq!(status, StatusCode::OK);
    let (_, received) = ask(&app, "GET", "/received", "").await;
    let wanted = json!([{"job": "once"}, {"actor": "a", "reminder": "tick"}]);
    assert_eq!(received, wanted);
}

/// An application that can't keep an event must not acknowledge it.
#[tokio::test]
async fn an_event_is_kept_in_the_ledger_before_it_is_acknowledged() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("--ledger=http://{}", listener.local_addr().unwrap());
    let ledger = app(&[]);
    let server = axum::serve(listener, ledger.clone()).into_future();
    let app = app(&[&url]);
    let event = r#"{"data": 7}"#;
    let (_, verdict) = tokio::select! {
        verdict = ask(&app, "POST", "/events", event) => verdict,
        ended = server => unreachable!("{ended:?}"),
    };
    assert_eq!(verdict, json!({"status": "SUCCESS"}));
    let (_, data) = ask(&ledger, "GET", "/received/data", "").await;
    assert_eq!(data, json!([7]));
    // The server went with the select.
    let (_, verdict) = ask(&app, "POST", "/events", event).await;
    assert_eq!(verdict, json!({"status": "RETRY"}));
}

#[tokio::test]
async fn actors_are_hosted_unless_told_otherwise() {
    assert_eq!(
        ask(&app(&[]), "GET", "/dapr/config", "").await.1,
        json!({"entities": ["counter"]})
    );
    let without = app(&["--host-actors=false"]);
    assert_eq!(
        ask(&without, "GET", "/dapr/config", "").await.1,
        json!({"entities": []})
    );
}

#[tokio::test]
async fn events_of_the_subscribed_topics_are_kept() {
    let app = app(&["--topics=orders,news"]);
    let (_, subscriptions) = ask(&app, "GET", "/dapr/subscribe", "").await;
    assert_eq!(subscriptions[1]["topic"], "news");
    let route = subscriptions[0]["route"].as_str().unwrap();
    let (_, answer) = ask(&app, "POST", route, r#"{"id":"1"}"#).await;
    assert_eq!(answer, json!({"status": "SUCCESS"}));
    assert_eq!(
        ask(&app, "GET", "/received", "").await.1,
        json!([{"id": "1"}])
    );
}

#[tokio::test]
async fn without_a_sidecar_the_gateway_is_bad() {
    let (status, _) = ask(&app(&["--dapr-http-port=1"]), "GET", "/metadata", "").await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn a_load_counts_its_calls_and_tells_the_failures() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = axum::serve(listener, app(&[])).into_future();
    let load = json!({"urls": [format!("{url}/hello"), format!("{url}/nowhere")], "rate": 100,
        "seconds": 1});
    let app = app(&[]);
    let load = load.to_string();
    let (_, outcome) = tokio::select! {
        outcome = ask(&app, "POST", "/load", &load) => outcome,
        ended = server => unreachable!("{ended:?}"),
    };
    assert_eq!(
        (&outcome["calls"], &outcome["failed"]),
        (&json!(100), &json!(50))
    );
    assert!(
        outcome["failures"][0]
            .as_str()
            .unwrap()
            .contains("/nowhere: 404")
    );
}

/// A sidecar that answers with what it was asked.
async fn echo(method: axum::http::Method, uri: axum::http::Uri, body: String) -> Json<Value> {
    Json(json!([method.as_str(), uri.path(), body]))
}

#[tokio::test]
async fn calls_go_to_the_sidecar_s_api() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let sidecar = axum::serve(listener, Router::new().fallback(any(echo))).into_future();
    let app = app(&[&format!("--dapr-http-port={port}")]);
    let calls = async {
        for (method, path, body, expected) in [
            (
                "GET",
                "/state/k",
                "",
                json!(["GET", "/v1.0/state/statestore/k", ""]),
            ),
            (
                "PUT",
                "/state/k",
                "7",
                json!([
                    "POST",
                    "/v1.0/state/statestore",
                    r#"[{"key":"k","value":7}]"#
                ]),
            ),
            (
                "GET",
                "/call/b/hello",
                "",
                json!(["GET", "/v1.0/invoke/b/method/hello", ""]),
            ),
            (
                "POST",
                "/publish/t",
                "{}",
                json!(["POST", "/v1.0/publish/pubsub/t", "{}"]),
            ),
            (
                "GET",
                "/count/a",
                "",
                json!(["PUT", "/v1.0/actors/counter/a/method/increment", ""]),
            ),
            (
                "GET",
                "/binding/b/hello",
                "",
                json!([
                    "POST",
                    "/v1.0/bindings/b",
                    r#"{"metadata":{"path":"/hello"},"operation":"get"}"#
                ]),
            ),
            ("GET", "/metadata", "", json!(["GET", "/v1.0/metadata", ""])),
        ] {
            assert_eq!(
                ask(&app, method, path, body).await,
                (StatusCode::OK, expected)
            );
        }
    };
    tokio::select! { () = calls => {}, ended = sidecar => ended.unwrap() }
}
