//! Whether the API server would take a pod.

use std::path::Path;

use anyhow::{Context, Result};
use http::{Request, header::CONTENT_TYPE};
use kube::Client;
use serde_json::Value;

/// The API server, asked what it would do.
pub(super) struct DryRun(Client);

// === impl DryRun ===

impl DryRun {
    pub(super) async fn new(kubeconfig: &Path) -> Result<Self> {
        let client = process::kubernetes::client(Some(kubeconfig)).await;
        client.map(Self).context("reach the API server")
    }

    /// The API server's reason against the pod, if it has one.
    pub(super) async fn refusal(&self, namespace: &str, pod: &Value) -> Result<Option<String>> {
        let path = format!("/api/v1/namespaces/{namespace}/pods?dryRun=All");
        let request = Request::post(path)
            .header(CONTENT_TYPE, "application/json")
            .body(pod.to_string().into_bytes())?;
        match self.0.request_text(request).await {
            Ok(_) => Ok(None),
            Err(kube::Error::Api(status)) => Ok(Some(status.message.clone())),
            Err(error) => Err(error).context("ask the API server for a pod, without making it"),
        }
    }
}
