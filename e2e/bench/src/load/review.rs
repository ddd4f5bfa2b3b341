//! Admission reviews, as an API server sends them to the injector.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{
    Request, Response,
    header::{CONTENT_TYPE, HOST},
};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    callers::{Caller, drive},
    dialer::Dialer,
};
use crate::{figures::Figure, service::Site, stage::Stage};

/// How many connections at once.
const CONNECTIONS: [usize; 3] = [1, 16, 64];

/// Annotated pods over kept connections.
pub(super) async fn run(
    pid: u32,
    stage: &Stage,
    site: &Site,
    time: Duration,
) -> Result<Vec<Figure>> {
    let dialer = Dialer::new(&stage.anchors(), "dapr-injector", site.port)?;
    let mut figures = Vec::new();
    for count in CONNECTIONS {
        let mut reviewers = Vec::new();
        for _ in 0..count {
            reviewers.push(Reviewer::connect(&dialer).await?);
        }
        figures.extend(drive("reviews", pid, reviewers, time).await?);
    }
    Ok(figures)
}

/// One connection.
struct Reviewer {
    sender: http1::SendRequest<Full<Bytes>>,
    review: Bytes,
    /// Moves the connection's bytes, and closes it when dropped.
    _connection: JoinSet<hyper::Result<()>>,
}

// === impl Reviewer ===

impl Reviewer {
    async fn connect(dialer: &Dialer) -> Result<Self> {
        let stream = dialer.dial().await.context("dial the injector")?;
        let (sender, connection) = http1::handshake(stream).await?;
        let mut task = JoinSet::new();
        task.spawn(connection);
        Ok(Self {
            sender,
            review: review(),
            _connection: task,
        })
    }

    fn request(&self) -> http::Result<Request<Full<Bytes>>> {
        Request::post("/mutate?timeout=10s")
            .header(HOST, "dapr-sidecar-injector.dapr-system.svc")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(self.review.clone()))
    }
}

impl Caller for Reviewer {
    async fn call(&mut self) -> Result<()> {
        let request = self.request()?;
        check(
            self.sender
                .send_request(request)
                .await
                .context("send a review")?,
        )
        .await
    }
}

/// Whether the pod is patched.
async fn check(response: Response<Incoming>) -> Result<()> {
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    let patched = || body.windows(8).any(|part| part == b"\"patch\":");
    ensure!(
        status.is_success() && patched(),
        "a review was answered with {status}: {}",
        String::from_utf8_lossy(&body)
    );
    Ok(())
}

/// A pod of a Deployment, of the size that pods are.
fn review() -> Bytes {
    let account = "system:serviceaccount:kube-system:replicaset-controller";
    let mount = json!({"name": "token", "readOnly": true,
                       "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "generateName": "shop-7d9f6c5b8-", "namespace": "default",
            "labels": {"app": "shop", "pod-template-hash": "7d9f6c5b8"},
            "annotations": {"dapr.io/enabled": "true", "dapr.io/app-id": "shop",
                            "dapr.io/app-port": "8080", "dapr.io/config": "tracing"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet",
                "name": "shop-7d9f6c5b8", "uid": "6a7d3f0e-2b1c-4d5e-8f90-a1b2c3d4e5f6",
                "controller": true, "blockOwnerDeletion": true}],
        },
        "spec": {
            "serviceAccountName": "default", "restartPolicy": "Always", "dnsPolicy": "ClusterFirst",
            "containers": [{"name": "shop", "image": "example.com/shop:1.0.0",
                "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                "env": [{"name": "LOG_LEVEL", "value": "info"}],
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}},
                "volumeMounts": [mount]}],
            "volumes": [{"name": "token", "projected": {"sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}]}}],
        },
    });
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "default", "operation": "CREATE",
            "userInfo": {"username": account, "uid": "1",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:kube-system",
                           "system:authenticated"]},
            "object": pod, "oldObject": null, "dryRun": false,
        },
    });
    review.to_string().into()
}
