//! Tells the API server where conversions are made, and which roots vouch for it.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use identity::TrustAnchors;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use operator_core::kind::Kind;
use process::Target;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::definitions;
use crate::object::is_absence;

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Keeps the definition of Subscriptions in step with the trust anchors, until `stopping`.
pub(crate) async fn keep_bundle(
    client: Client,
    namespace: String,
    anchors: TrustAnchors,
    ready: Target,
    stopping: CancellationToken,
) {
    stopping
        .run_until_cancelled(keep(client, &namespace, anchors, ready))
        .await;
}

async fn keep(client: Client, namespace: &str, anchors: TrustAnchors, ready: Target) {
    let definitions = definitions::api(client);
    let mut bundle = anchors.ready().await;
    loop {
        publish_until_done(&definitions, namespace, bundle.pem(), &ready).await;
        // Whoever writes the definition anew puts the placeholder back.
        if let Ok(newer) = timeout(LOOK_EVERY, anchors.changed(&bundle)).await {
            bundle = newer;
        }
    }
}

/// A cluster without the definition has nothing to convert: that is no reason to be unready, but
/// one to look again.
async fn publish_until_done(
    definitions: &Api<DynamicObject>,
    namespace: &str,
    pem: &str,
    ready: &Target,
) {
    let mut wait = FIRST_WAIT;
    loop {
        match publish(definitions, namespace, pem).await {
            Ok(()) => return ready.ready(),
            Err(error) => {
                if is_absence(&error) {
                    ready.ready();
                }
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::warn!(error, "conversion of Subscriptions is not set up; retrying");
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

async fn publish(
    definitions: &Api<DynamicObject>,
    namespace: &str,
    pem: &str,
) -> Result<(), kube::Error> {
    let name = format!("{}.{}", Kind::Subscription.plural(), crds::GROUP);
    let definition = definitions.get(&name).await?;
    let client_config = &definition.data["spec"]["conversion"]["webhook"]["clientConfig"];
    if let Some(patch) = patch(client_config, namespace, &STANDARD.encode(pem)) {
        definitions
            .patch(&name, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        tracing::info!("the API server knows the trust anchors of the conversion webhook");
    }
    Ok(())
}

/// What to change; none if all is as it should be.
fn patch(client_config: &Value, namespace: &str, bundle: &str) -> Option<Value> {
    let service = &client_config["service"];
    if service["namespace"] == namespace && client_config["caBundle"] == bundle {
        return None;
    }
    let service = if service.is_object() {
        json!({"namespace": namespace})
    } else {
        json!({"namespace": namespace, "name": crds::CONVERSION_SERVICE, "path": "/convert"})
    };
    let client_config = json!({"service": service, "caBundle": bundle});
    Some(json!({"spec": {"conversion": {"webhook": {"clientConfig": client_config}}}}))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(json!({"service": {"namespace": "dapr-system"}, "caBundle": "Y2E="}), None)]
    #[case(
        json!({"service": {"namespace": "replaceme", "name": "n"}, "caBundle": "Y2E="}),
        Some(json!({"service": {"namespace": "dapr-system"}, "caBundle": "Y2E="}))
    )]
    #[case(
        json!({"service": {"namespace": "dapr-system"}}),
        Some(json!({"service": {"namespace": "dapr-system"}, "caBundle": "Y2E="}))
    )]
    #[case(
        json!({}),
        Some(json!({
            "service": {"namespace": "dapr-system", "name": "dapr-webhook", "path": "/convert"},
            "caBundle": "Y2E=",
        }))
    )]
    fn only_what_differs_is_changed(#[case] before: Value, #[case] expected: Option<Value>) {
        let expected = expected
            .map(|config| json!({"spec": {"conversion": {"webhook": {"clientConfig": config}}}}));
        assert_eq!(patch(&before, "dapr-system", "Y2E="), expected);
    }
}
