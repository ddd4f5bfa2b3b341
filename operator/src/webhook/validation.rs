//! Tells the API server which roots vouch for validations. Where the chart set up none, there is
//! nothing to tell, and validation is not missed.

use std::time::Duration;

use identity::TrustAnchors;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Name of the configuration that the chart makes.
const NAME: &str = "dapr-resource-validation";

const LOOK_EVERY: Duration = Duration::from_mins(1);

/// Keeps the configuration in step with the trust anchors, until `stopping`.
pub(crate) async fn keep_validation(
    client: Client,
    anchors: TrustAnchors,
    stopping: CancellationToken,
) {
    let configurations = Api::all(client);
    stopping
        .run_until_cancelled(keep(&configurations, anchors))
        .await;
}

async fn keep(configurations: &Api<ValidatingWebhookConfiguration>, anchors: TrustAnchors) {
    let (mut bundle, mut told) = (anchors.ready().await, false);
    loop {
        match publish(configurations, bundle.pem()).await {
            Ok(()) => told = false,
            Err(error) if !told => {
                told = true;
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::info!(error, "resources are not validated when they are written");
            }
            Err(_) => {}
        }
        if let Ok(newer) = timeout(LOOK_EVERY, anchors.changed(&bundle)).await {
            bundle = newer;
        }
    }
}

async fn publish(
    configurations: &Api<ValidatingWebhookConfiguration>,
    pem: &str,
) -> Result<(), kube::Error> {
    let configuration = configurations.get(NAME).await?;
    if let Some(patch) = patch(&configuration, pem) {
        configurations
            .patch(NAME, &PatchParams::default(), &Patch::Strategic(patch))
            .await?;
        tracing::info!("the API server knows the trust anchors of the validation webhook");
    }
    Ok(())
}

/// What to change; none if all is as it should be.
fn patch(configuration: &ValidatingWebhookConfiguration, pem: &str) -> Option<Value> {
    let bundle = ByteString(pem.as_bytes().to_vec());
    let webhooks = configuration.webhooks.iter().flatten();
    let stale: Vec<Value> = webhooks
        .filter(|webhook| webhook.client_config.ca_bundle.as_ref() != Some(&bundle))
        .map(|webhook| json!({"name": webhook.name, "clientConfig": {"caBundle": bundle}}))
        .collect();
    (!stale.is_empty()).then(|| json!({"webhooks": stale}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_changed() {
        let configuration = json!({"metadata": {"name": NAME}, "webhooks": [
            {"name": "a", "clientConfig": {"caBundle": "Y2E="}},
            {"name": "b", "clientConfig": {}},
        ]});
        let configuration = serde_json::from_value(configuration).unwrap();
        let expected = json!({"webhooks": [{"name": "b", "clientConfig": {"caBundle": "Y2E="}}]});
        assert_eq!(patch(&configuration, "ca"), Some(expected));
        let configuration =
            json!({"webhooks": [{"name": "a", "clientConfig": {"caBundle": "Y2E="}}]});
        let configuration = serde_json::from_value(configuration).unwrap();
        assert_eq!(patch(&configuration, "ca"), None);
    }
}
