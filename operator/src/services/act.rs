//! Does what was decided about a Service.

use k8s_openapi::api::core::v1::Service;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client};
use operator_core::service::{Action, FIELD_MANAGER, Key, adopted, is_ours};
use serde_json::json;

/// What became of an action.
pub(super) struct Done {
    pub(super) key: Key,
    pub(super) result: Result<Outcome, kube::Error>,
}

/// What was done.
pub(super) enum Outcome {
    Nothing,
    Applied {
        service: Box<Service>,
        created: bool,
    },
    Deleted {
        app_id: String,
    },
}

/// Does what was decided.
pub(super) async fn act(client: Client, key: Key, action: Action) -> Done {
    let api = Api::namespaced(client, &key.namespace);
    let result = match action {
        Action::Leave => Ok(Outcome::Nothing),
        Action::Apply(service) => apply(&api, &key, service).await,
        Action::Delete { uid, app_id } => delete(&api, &key, uid, app_id).await,
    };
    Done { key, result }
}

/// What stands in the way is looked at first: it may be someone else's, or have been written by
/// the original operator.
async fn apply(
    api: &Api<Service>,
    key: &Key,
    service: Box<Service>,
) -> Result<Outcome, kube::Error> {
    let existing = api.get_opt(&key.name).await?;
    if let Some(existing) = &existing {
        if !is_ours(existing) {
            tracing::warn!(service = ?key, "a Service of this name is not ours; it is left alone");
            return Ok(Outcome::Nothing);
        }
        adopt(api, key, existing).await?;
    }
    let params = PatchParams::apply(FIELD_MANAGER).force();
    api.patch(&key.name, &params, &Patch::Apply(&service))
        .await?;
    tracing::info!(service = ?key, "applied a Service");
    Ok(Outcome::Applied {
        service,
        created: existing.is_none(),
    })
}

async fn adopt(api: &Api<Service>, key: &Key, existing: &Service) -> Result<(), kube::Error> {
    let metadata = &existing.metadata;
    let Some(entries) = adopted(metadata.managed_fields.as_deref().unwrap_or_default()) else {
        return Ok(());
    };
    let patch = json!({"metadata": {
        "resourceVersion": metadata.resource_version, "managedFields": entries,
    }});
    api.patch(&key.name, &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    Ok(())
}

async fn delete(
    api: &Api<Service>,
    key: &Key,
    uid: String,
    app_id: String,
) -> Result<Outcome, kube::Error> {
    let only_this = Preconditions {
        uid: Some(uid),
        resource_version: None,
    };
    let params = DeleteParams {
        preconditions: Some(only_this),
        ..DeleteParams::default()
    };
    match api.delete(&key.name, &params).await {
        Ok(_) => {
            tracing::info!(service = ?key, "deleted a Service that nobody wants any more");
            Ok(Outcome::Deleted { app_id })
        }
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Outcome::Nothing),
        Err(error) => Err(error),
    }
}
