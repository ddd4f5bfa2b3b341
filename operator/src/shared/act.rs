//! Does what was decided about the instance of an app.

use std::collections::BTreeMap;
use std::sync::Arc;

use crds::shared_instance::{SharedInstance, SharedInstanceStatus, Strategy};
use injector_core::Defaults;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions,
};
use kube::runtime::events::{Event, EventType};
use operator_core::shared::{
    Action, AppKey, Decision, FIELD_MANAGER, Ledger, Notice, ObjectKey, Seen, strategy_is_ours,
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::observe::known;
use super::world::World;
use crate::object::is_absence;

/// What is to be done.
pub(super) struct Job {
    pub(super) app: AppKey,
    pub(super) decision: Decision,
    /// What the namespace says about daprd.
    pub(super) defaults: Defaults,
    /// What is known of the objects.
    pub(super) seen: BTreeMap<ObjectKey, Seen>,
    /// Whether the time of the Secret has come.
    pub(super) secret_due: bool,
    /// What was not told yet.
    pub(super) news: Vec<Notice>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// The objects that were applied, as they are now.
    pub(super) became: Vec<(ObjectKey, Seen)>,
    /// When to look at the Secret again, if it was looked at.
    pub(super) secret_due: Option<Timestamp>,
    /// Whether something stands in the way that may go without a word.
    pub(super) blocked: bool,
}

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub(super) enum ActError {
    /// The API server refused, or could not be reached.
    #[error("could not {what}")]
    Api {
        what: String,
        #[source]
        source: kube::Error,
    },
    /// An object makes no JSON.
    #[error("could not write an object as JSON")]
    Json(#[from] serde_json::Error),
    /// There is no randomness.
    #[error("could not make a token")]
    Random,
    /// Too early.
    #[error("the trust anchors are not known yet")]
    Anchors,
}

/// One app's turn.
pub(super) struct Turn<'a> {
    pub(super) world: &'a World,
    pub(super) ledger: &'a Mutex<Ledger>,
    pub(super) app: &'a AppKey,
    pub(super) done: Done,
}

/// Does what was decided.
pub(super) async fn act(
    world: Arc<World>,
    ledger: Arc<Mutex<Ledger>>,
    job: Job,
) -> (AppKey, Done, Result<(), ActError>) {
    for notice in &job.news {
        publish(&world, notice).await;
    }
    let app = job.app.clone();
    let mut turn = Turn {
        world: &world,
        ledger: &ledger,
        app: &app,
        done: Done::default(),
    };
    let result = turn.run(job).await;
    let done = turn.done;
    (app, done, result)
}

/// What cannot be written is in the log, and in the status.
async fn publish(world: &World, notice: &Notice) {
    let event = Event {
        type_: EventType::Warning,
        reason: notice.reason.into(),
        note: Some(notice.note.clone()),
        action: "Bind".into(),
        secondary: None,
    };
    if let Err(error) = world.recorder.publish(&event, &notice.regarding).await {
        let error: &(dyn std::error::Error + 'static) = &error;
        tracing::warn!(error, note = notice.note, "an Event could not be written");
    }
}

// === impl Turn ===

impl Turn<'_> {
    async fn run(&mut self, job: Job) -> Result<(), ActError> {
        let mut result = Ok(());
        for action in job.decision.actions {
            let acted = match action {
                Action::Make(instance) => self.make(&instance).await,
                Action::Adjust { name, strategy } => self.adjust(&name, strategy).await,
                Action::Keep(plan) => {
                    let due = job.secret_due;
                    self.keep(&plan, &job.defaults, &job.seen, due).await
                }
                Action::Tell { name, status } => self.tell(&name, &status).await,
                Action::Collect { name, uid, version } => self.collect(&name, uid, version).await,
            };
            result = result.and(acted);
        }
        result
    }

    /// One that a person made at the same moment stays theirs, so it is created and not applied.
    async fn make(&self, instance: &SharedInstance) -> Result<(), ActError> {
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let object: DynamicObject = serde_json::from_value(whole(&json!(instance)))?;
        match self.instances().create(&params, &object).await {
            Ok(_) => tracing::info!(app = %self.app, "made a SharedInstance for annotations"),
            Err(error) if is_conflict(&error) => {}
            Err(source) => return Err(failed("make a SharedInstance", source)),
        }
        Ok(())
    }

    /// The version makes sure that nobody sets the strategy in between.
    async fn adjust(&self, name: &str, strategy: Strategy) -> Result<(), ActError> {
        let what = "change a SharedInstance";
        let api = self.instances();
        let existing = api
            .get_opt(name)
            .await
            .map_err(|error| failed(what, error))?;
        let Some(existing) = existing else {
            return Ok(());
        };
        let entries = existing.metadata.managed_fields.unwrap_or_default();
        if !strategy_is_ours(&entries) {
            return Ok(());
        }
        let version = existing.metadata.resource_version;
        let patch = json!({
            "metadata": {"resourceVersion": version}, "spec": {"strategy": strategy},
        });
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patched = api.patch(name, &params, &Patch::Merge(patch)).await;
        patched.map(drop).map_err(|error| failed(what, error))
    }

    pub(super) async fn tell(
        &self,
        name: &str,
        status: &SharedInstanceStatus,
    ) -> Result<(), ActError> {
        let object = whole(&json!({
            "metadata": {"name": name, "namespace": self.app.namespace}, "status": status,
        }));
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let told = self
            .instances()
            .patch_status(name, &params, &Patch::Apply(object))
            .await;
        match told {
            Err(error) if is_absence(&error) => Ok(()),
            told => told
                .map(drop)
                .map_err(|error| failed("write a status", error)),
        }
    }

    async fn collect(
        &self,
        name: &str,
        uid: String,
        version: Option<String>,
    ) -> Result<(), ActError> {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(uid),
                resource_version: version,
            }),
            ..DeleteParams::default()
        };
        match self.instances().delete(name, &params).await {
            Ok(_) => tracing::info!(app = %self.app, "deleted a SharedInstance that nothing uses"),
            Err(error) if is_absence(&error) || is_conflict(&error) => {}
            Err(source) => return Err(failed("delete a SharedInstance", source)),
        }
        self.ledger.lock().forget(self.app);
        Ok(())
    }

    fn instances(&self) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<SharedInstance>(&());
        Api::namespaced_with(self.world.client.clone(), &self.app.namespace, &resource)
    }

    pub(super) fn objects(&self, key: &ObjectKey) -> Api<DynamicObject> {
        let resource = known(key.kind.resource());
        Api::namespaced_with(self.world.client.clone(), &self.app.namespace, &resource)
    }
}

/// A `SharedInstance` with the kind that its type implies.
fn whole(object: &Value) -> Value {
    let resource = ApiResource::erase::<SharedInstance>(&());
    let mut whole = object.clone();
    whole["apiVersion"] = resource.api_version.into();
    whole["kind"] = resource.kind.into();
    whole
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

pub(super) fn failed(what: impl Into<String>, source: kube::Error) -> ActError {
    ActError::Api {
        what: what.into(),
        source,
    }
}

#[cfg(test)]
#[path = "act/tests.rs"]
mod tests;
