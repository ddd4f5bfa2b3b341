//! Admission reviews, as an API server sends them to the injector.

use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use serde_json::{Value, json};

use super::callers::{Caller, drive};
use crate::{
    dialer::Dialer,
    figures::Figure,
    service::Site,
    stage::Stage,
    webhook::{Webhook, review},
};

/// How many connections at once.
const CONNECTIONS: [usize; 3] = [1, 16, 64];

/// Which pods are reviewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pods {
    /// They ask for a sidecar.
    Annotated,
    /// The others of the cluster, which an injector sees as well.
    Plain,
}

/// Reviews over kept connections.
pub(super) async fn run(
    pid: u32,
    stage: &Stage,
    site: &Site,
    time: Duration,
) -> Result<Vec<Figure>> {
    let dialer = Dialer::new(&stage.anchors(), "dapr-injector", site.port)?;
    let mut figures = Vec::new();
    for pods in [Pods::Annotated, Pods::Plain] {
        for count in CONNECTIONS {
            let mut reviewers = Vec::new();
            for _ in 0..count {
                reviewers.push(Reviewer::connect(&dialer, pods).await?);
            }
            figures.extend(drive(pods.name(), pid, reviewers, time).await?);
        }
    }
    Ok(figures)
}

/// One connection.
struct Reviewer {
    webhook: Webhook,
    pods: Pods,
    review: Bytes,
}

// === impl Pods ===

impl Pods {
    const fn name(self) -> &'static str {
        match self {
            Self::Annotated => "annotated pods",
            Self::Plain => "plain pods",
        }
    }

    fn review(self) -> Bytes {
        let account = "system:serviceaccount:kube-system:replicaset-controller";
        let user = json!({"username": account, "uid": "1",
            "groups": ["system:serviceaccounts", "system:serviceaccounts:kube-system",
                       "system:authenticated"]});
        review(&pod(&self.annotations()), "default", &user)
    }

    fn annotations(self) -> Value {
        match self {
            Self::Annotated => json!({"dapr.io/enabled": "true", "dapr.io/app-id": "shop",
                "dapr.io/app-port": "8080", "dapr.io/config": "tracing"}),
            Self::Plain => json!({"prometheus.io/scrape": "true"}),
        }
    }
}

// === impl Reviewer ===

impl Reviewer {
    async fn connect(dialer: &Dialer, pods: Pods) -> Result<Self> {
        Ok(Self {
            webhook: Webhook::connect(dialer).await?,
            pods,
            review: pods.review(),
        })
    }
}

impl Caller for Reviewer {
    async fn call(&mut self) -> Result<()> {
        let answer = self.webhook.review(self.review.clone()).await?;
        let patched = answer.windows(8).any(|part| part == b"\"patch\":");
        ensure!(
            patched == (self.pods == Pods::Annotated),
            "a review of {} was answered with {}",
            self.pods.name(),
            String::from_utf8_lossy(&answer)
        );
        Ok(())
    }
}

/// A pod of a Deployment, of the size that pods are.
fn pod(annotations: &Value) -> Value {
    let mount = json!({"name": "token", "readOnly": true,
                       "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"});
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "generateName": "shop-7d9f6c5b8-", "namespace": "default",
            "labels": {"app": "shop", "pod-template-hash": "7d9f6c5b8"},
            "annotations": annotations,
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
    })
}
