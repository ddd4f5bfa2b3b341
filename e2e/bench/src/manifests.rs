//! The objects of a cluster with Dapr that the four services look at.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::service::{NAMESPACE, TRUST_DOMAIN};

pub(crate) fn namespace() -> String {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}).to_string()
}

/// The injector's webhook, without the trust anchors that it writes there itself.
pub(crate) fn webhook() -> String {
    let name = "dapr-sidecar-injector";
    let service = json!({"namespace": NAMESPACE, "name": name, "path": "/mutate"});
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [{
            "name": "sidecar-injector.dapr.io",
            "clientConfig": {"service": service},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"],
                       "operations": ["CREATE"]}],
            "failurePolicy": "Ignore",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }],
    })
    .to_string()
}

/// The committed definitions as one manifest.
pub(crate) fn definitions(workspace: &Path) -> Result<String> {
    let folder = workspace.join("crds/yaml");
    let mut manifest = String::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))? {
        let definition = fs::read_to_string(entry?.path())?;
        manifest = format!("{manifest}---\n{definition}\n");
    }
    ensure!(
        !manifest.is_empty(),
        "{} has no definitions",
        folder.display()
    );
    Ok(manifest)
}

/// The Configuration of the control plane: where its sentry is.
pub(crate) fn configuration(sentry: &str) -> String {
    json!({
        "apiVersion": "dapr.io/v1alpha1", "kind": "Configuration",
        "metadata": {"name": "daprsystem", "namespace": NAMESPACE},
        "spec": {"mtls": {
            "enabled": true,
            "sentryAddress": sentry,
            "controlPlaneTrustDomain": TRUST_DOMAIN,
        }},
    })
    .to_string()
}
