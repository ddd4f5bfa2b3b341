//! Brings the definitions of the resources up to this release. Only the leader does, once.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use operator_core::definitions::{Action, action};
use operator_core::service::FIELD_MANAGER;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::object::{api_resource, is_absence};

const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// The definitions of the API server.
pub(crate) fn api(client: Client) -> Api<DynamicObject> {
    let (kind, plural) = ("CustomResourceDefinition", "customresourcedefinitions");
    Api::all_with(
        client,
        &api_resource("apiextensions.k8s.io", "v1", kind, plural),
    )
}

/// Applies what is missing or older, and tries again what failed, until `stopping`. Conversions are
/// made in the namespace of the control plane.
pub(crate) async fn update(client: Client, namespace: String, stopping: CancellationToken) {
    let updating = Box::pin(update_stale(api(client), &namespace));
    stopping.run_until_cancelled(updating).await;
}

/// Most starts find nothing to do, and are spared the memory that the definitions take.
async fn update_stale(api: Api<DynamicObject>, namespace: &str) {
    if are_current(&api).await {
        return;
    }
    let definitions = match crds::definitions() {
        Ok(definitions) => definitions,
        Err(error) => {
            let error: &(dyn std::error::Error + 'static) = &error;
            return tracing::error!(error, "the definitions of this release cannot be written");
        }
    };
    let open = definitions
        .into_iter()
        .filter_map(|definition| document(definition, namespace));
    until_done(&api, open.collect()).await;
}

/// Whether all definitions are marked with this release. What cannot be told is not so.
async fn are_current(api: &Api<DynamicObject>) -> bool {
    for name in crds::names() {
        let existing = api.get_metadata(&name).await.ok();
        let annotations = existing.and_then(|existing| existing.metadata.annotations);
        let version = annotations.and_then(|mut it| it.remove(crds::VERSION_ANNOTATION));
        if version.as_deref() != Some(crds::VERSION) {
            return false;
        }
    }
    true
}

async fn until_done(api: &Api<DynamicObject>, mut open: Vec<(String, Value)>) {
    let mut wait = FIRST_WAIT;
    loop {
        let mut failed = Vec::new();
        for (name, ours) in open {
            if let Err(error) = bring_up(api, &name, &ours).await {
                // Said once: without the right to it, the definitions stay as they are.
                if wait == FIRST_WAIT {
                    let error: &(dyn std::error::Error + 'static) = &error;
                    tracing::warn!(
                        error,
                        name,
                        "a definition could not be brought up to this release; retrying quietly"
                    );
                }
                failed.push((name, ours));
            }
        }
        if failed.is_empty() {
            return;
        }
        open = failed;
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

async fn bring_up(api: &Api<DynamicObject>, name: &str, ours: &Value) -> Result<(), kube::Error> {
    let existing = match api.get(name).await {
        Ok(existing) => Some(content(&existing)),
        Err(error) if is_absence(&error) => None,
        Err(error) => return Err(error),
    };
    match action(existing.as_ref(), ours) {
        Action::Leave => {}
        Action::Spare { path } => tracing::warn!(
            name,
            path,
            "a definition has something that this release does not know; it is left alone"
        ),
        Action::Apply => {
            let params = PatchParams::apply(FIELD_MANAGER).force();
            api.patch(name, &params, &Patch::Apply(ours)).await?;
            tracing::info!(name, "a definition was brought up to this release");
        }
    }
    Ok(())
}

fn content(existing: &DynamicObject) -> Value {
    let mut content = existing.data.clone();
    content["metadata"] = serde_json::to_value(&existing.metadata).unwrap_or_default();
    content
}

/// What is applied: the definition, with conversions where they are made.
fn document(mut definition: CustomResourceDefinition, namespace: &str) -> Option<(String, Value)> {
    let conversion = definition.spec.conversion.as_mut();
    let client_config = conversion
        .and_then(|conversion| conversion.webhook.as_mut())
        .and_then(|webhook| webhook.client_config.as_mut());
    if let Some(service) = client_config.and_then(|it| it.service.as_mut()) {
        namespace.clone_into(&mut service.namespace);
    }
    let name = definition.metadata.name.clone()?;
    Some((name, serde_json::to_value(definition).ok()?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use serde_json::json;

    use super::*;
    use crate::fixtures::answers;

    /// Applies to an API server that has one of the definitions, and refuses the first `refusals`
    /// writes. Answers the bodies by path.
    async fn applied(there: Option<Value>, refusals: usize) -> Vec<(String, Value)> {
        let writes: Arc<Mutex<Vec<String>>> = Arc::default();
        let noting = Arc::clone(&writes);
        let script = answers(move |method, path| {
            if method == "GET" {
                let name = there.as_ref().map(|it| it["metadata"]["name"].clone());
                let here = name.is_some_and(|name| path.ends_with(name.as_str().unwrap()));
                return match &there {
                    Some(there) if here => (200, there.clone()),
                    _ => (404, json!({"code": 404})),
                };
            }
            let mut writes = noting.lock();
            writes.push(path.rsplit('/').next().unwrap().to_owned());
            let refused = writes.len() <= refusals;
            (
                if refused { 403 } else { 200 },
                json!({"metadata": {"name": "x"}, "code": 403}),
            )
        });
        let namespace = "elsewhere".to_owned();
        update(script.client(), namespace, CancellationToken::new()).await;
        let bodies = script.bodies();
        let bodies = bodies.into_iter().filter(|body| !body.is_null());
        let writes = writes.lock().clone();
        writes.into_iter().zip(bodies).collect()
    }

    #[tokio::test]
    async fn what_is_missing_is_applied_with_conversions_at_home() {
        let applied = applied(None, 0).await;
        assert_eq!(applied.len(), crds::definitions().unwrap().len());
        let (_, subscriptions) = applied
            .iter()
            .find(|(name, _)| name == "subscriptions.dapr.io")
            .unwrap();
        let service = &subscriptions["spec"]["conversion"]["webhook"]["clientConfig"]["service"];
        assert_eq!(service["namespace"], "elsewhere");
        assert_eq!(subscriptions["kind"], "CustomResourceDefinition");
    }

    #[tokio::test]
    async fn what_is_of_this_release_is_left_alone() {
        let there = crds::definitions().unwrap().remove(0);
        let name = there.metadata.name.clone().unwrap();
        let applied = applied(serde_json::to_value(there).ok(), 0).await;
        assert!(!applied.is_empty() && applied.iter().all(|(path, _)| *path != name));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_refused_is_tried_again() {
        let all = crds::definitions().unwrap().len();
        assert_eq!(applied(None, 3).await.len(), all + 3);
    }
}
