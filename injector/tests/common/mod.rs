//! An API server made of a closure, trust anchors, settings and reviews.

#![allow(dead_code, reason = "not every test needs everything")]

use std::{convert::Infallible, sync::Arc};

use http::{Request, Response, StatusCode};
use identity::TrustAnchors;
use identity_core::TrustBundle;
use injector::{Kubernetes, Metrics, Settings, events, namespaces::Namespaces, webhook::Webhook};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tokio::sync::watch;

/// A call to the API server: `GET /path?query`, and the body.
pub(crate) struct Call {
    pub(crate) line: String,
    pub(crate) accept: String,
    pub(crate) body: Vec<u8>,
}

/// An API server that answers each call with what `answer` gives; `None` is "not found".
pub(crate) fn kubernetes(
    answer: impl Fn(Call) -> Option<Value> + Send + Sync + 'static,
) -> Kubernetes {
    let answer = Arc::new(answer);
    let service = tower::service_fn(move |request: Request<Body>| {
        let answer = answer.clone();
        async move {
            let line = format!("{} {}", request.method(), request.uri());
            let accept = request.headers().get("accept");
            let accept = accept
                .map_or("", |accept| accept.to_str().unwrap())
                .to_owned();
            let body = request.into_body().collect_bytes().await.unwrap().to_vec();
            Ok::<_, Infallible>(response(answer(Call { line, accept, body })))
        }
    });
    Kubernetes::new(Client::new(service, "default"))
}

fn response(answer: Option<Value>) -> Response<Body> {
    let not_found = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "code": 404,
        "status": "Failure", "message": "not found", "reason": "NotFound"});
    let status = if answer.is_some() {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    };
    let body = answer.unwrap_or(not_found).to_string().into_bytes();
    Response::builder()
        .status(status)
        .body(Body::from(body))
        .unwrap()
}

pub(crate) fn bundle() -> TrustBundle {
    let certified = rcgen::generate_simple_self_signed(vec!["root".into()]).unwrap();
    TrustBundle::from_pem(certified.cert.pem()).unwrap()
}

pub(crate) fn settings() -> Settings {
    let env = |name: &str| match name {
        "NAMESPACE" => Some("dapr-system".to_owned()),
        "SIDECAR_IMAGE" => Some("daprd:test".to_owned()),
        "ALLOWED_SERVICE_ACCOUNTS" => Some("ns:allowed".to_owned()),
        _ => None,
    };
    Settings::read(&env, "", true).unwrap()
}

pub(crate) fn webhook(kubernetes: Kubernetes, mtls: bool, metrics: Metrics) -> Webhook {
    let Settings {
        cluster, callers, ..
    } = settings();
    Webhook {
        cluster,
        callers,
        anchors: TrustAnchors::fixed(bundle()).unwrap(),
        mtls: watch::Sender::new(mtls).subscribe(),
        identity_token: true,
        namespaces: Namespaces::default(),
        events: events::queue().0,
        kubernetes,
        metrics,
    }
}

/// A review of an enabled pod with these annotations besides, by an allowed service account.
pub(crate) fn review(annotations: &[(&str, &str)]) -> Value {
    let mut review = json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {"uid": "u1", "kind": {"version": "v1", "kind": "Pod"}, "namespace": "default",
            "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:ns:allowed"},
            "object": {"kind": "Pod", "metadata": {"name": "p",
                    "annotations": {"dapr.io/enabled": "true", "dapr.io/app-id": "app"}},
                "spec": {"containers": [{"name": "main"}]}}}});
    for (key, value) in annotations {
        review["request"]["object"]["metadata"]["annotations"][format!("dapr.io/{key}")] =
            json!(value);
    }
    review
}
