//! Does what was decided about a Service.

use k8s_openapi::api::core::v1::Service;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client};
use operator_core::service::{Action, FIELD_MANAGER, Key, adopted, is_ours};
use serde_json::json;

use crate::object::is_absence;

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
            tracing::warn!(service = %key, "a Service of this name is not ours; it is left alone");
            return Ok(Outcome::Nothing);
        }
        adopt(api, key, existing).await?;
    }
    let params = PatchParams::apply(FIELD_MANAGER).force();
    api.patch(&key.name, &params, &Patch::Apply(&service))
        .await?;
    tracing::info!(service = %key, "applied a Service");
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
            tracing::info!(service = %key, "deleted a Service that nobody wants any more");
            Ok(Outcome::Deleted { app_id })
        }
        Err(error) if is_absence(&error) => Ok(Outcome::Nothing),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::Value;

    use super::*;
    use crate::fixtures::{Script, answers};

    fn key() -> Key {
        Key {
            namespace: "shop".into(),
            name: "checkout-dapr".into(),
        }
    }

    fn wanted() -> Action {
        let service = json!({"metadata": {"name": "checkout-dapr", "namespace": "shop"}});
        Action::Apply(serde_json::from_value(service).unwrap())
    }

    fn ours(managed_fields: &Value) -> Value {
        json!({"metadata": {
            "name": "checkout-dapr",
            "resourceVersion": "7",
            "labels": {"dapr.io/enabled": "true"},
            "annotations": {"dapr.io/app-id": "checkout"},
            "managedFields": managed_fields,
        }})
    }

    const APPLY: &str = "PATCH application/apply-patch+yaml dapr-operator";
    const MERGE: &str = "PATCH application/merge-patch+json";

    #[rstest]
    #[case::new(None, &["GET", APPLY])]
    #[case::ours(Some(ours(&json!([]))), &["GET", APPLY])]
    #[case::not_ours(Some(json!({"metadata": {"name": "checkout-dapr"}})), &["GET"])]
    #[case::former(
        Some(ours(&json!([{"manager": "operator", "operation": "Update"}]))),
        &["GET", MERGE, APPLY]
    )]
    #[tokio::test]
    async fn what_stands_in_the_way_is_looked_at(
        #[case] existing: Option<Value>,
        #[case] expected: &[&str],
    ) {
        let script: Script = answers(move |method, _| match (method, &existing) {
            ("GET", Some(existing)) => (200, existing.clone()),
            ("GET", None) => (
                404,
                json!({"kind": "Status", "code": 404, "reason": "NotFound"}),
            ),
            _ => (200, json!({"metadata": {"name": "checkout-dapr"}})),
        });
        assert!(act(script.client(), key(), wanted()).await.result.is_ok());
        assert_eq!(script.calls(), expected);
    }

    #[tokio::test]
    async fn only_the_service_that_was_seen_is_deleted() {
        let script = answers(|_, _| (200, json!({"kind": "Status", "status": "Success"})));
        let action = Action::Delete {
            uid: "seen".to_owned(),
            app_id: "checkout".to_owned(),
        };
        let done = act(script.client(), key(), action).await;
        assert!(matches!(done.result, Ok(Outcome::Deleted { .. })));
        assert_eq!(script.bodies()[0]["preconditions"]["uid"], "seen");
    }
}
