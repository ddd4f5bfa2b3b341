//! A connection to an injector's webhook, as the API server keeps one.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{
    Request,
    header::{CONTENT_TYPE, HOST},
};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::dialer::Dialer;

/// One connection.
pub(crate) struct Webhook {
    sender: http1::SendRequest<Full<Bytes>>,
    /// Moves the connection's bytes, and closes it when dropped.
    _connection: JoinSet<hyper::Result<()>>,
}

// === impl Webhook ===

impl Webhook {
    pub(crate) async fn connect(dialer: &Dialer) -> Result<Self> {
        let stream = dialer.dial().await.context("dial the injector")?;
        let (sender, connection) = http1::handshake(stream).await?;
        let mut task = JoinSet::new();
        task.spawn(connection);
        Ok(Self {
            sender,
            _connection: task,
        })
    }

    /// The body of the answer to a review; an answer that reports a failure is an error.
    pub(crate) async fn review(&mut self, review: Bytes) -> Result<Bytes> {
        let request = Request::post("/mutate?timeout=10s")
            .header(HOST, "dapr-sidecar-injector.dapr-system.svc")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(review))?;
        let response = self.sender.send_request(request).await;
        let response = response.context("send a review")?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(
            status.is_success(),
            "a review was answered with {status}: {}",
            String::from_utf8_lossy(&body)
        );
        Ok(body)
    }
}

/// The review of a pod that `user` wants to make.
pub(crate) fn review(pod: &Value, namespace: &str, user: &Value) -> Bytes {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": namespace, "operation": "CREATE",
            "userInfo": user,
            "object": pod, "oldObject": null, "dryRun": false,
        },
    });
    review.to_string().into()
}
