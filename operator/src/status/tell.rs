//! Writes conditions and Events.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Recorder};
use operator_core::kind::Kind;
use operator_core::resource::Resource;
use operator_core::service::FIELD_MANAGER;
use operator_core::status::Report;
use serde_json::json;
use tokio::time::Instant;

use crate::object::{Object, api_resource};
use crate::store::Name;

/// Complaints about the same kind are at least this far apart.
const COMPLAIN_EVERY: Duration = Duration::from_mins(5);

/// Writes conditions and Events.
pub(super) struct Teller {
    client: Client,
    events: Recorder,
    complained: BTreeMap<Kind, Instant>,
}

// === impl Teller ===

impl Teller {
    pub(super) fn new(client: Client) -> Self {
        Self {
            events: Recorder::new(client.clone(), "dapr-operator".into()),
            client,
            complained: BTreeMap::new(),
        }
    }

    /// Writes the conditions, then an Event for each that got worse. The conditions come first, so
    /// that an Event is not written twice.
    pub(super) async fn tell(
        &self,
        resource: &Resource,
        report: &Report,
    ) -> Result<(), kube::Error> {
        let kind = resource.kind();
        let known = api_resource(crds::GROUP, kind.version(), kind.name(), kind.plural());
        let api: Api<Object> =
            Api::namespaced_with(self.client.clone(), resource.namespace(), &known);
        let patch = Patch::Merge(json!({"status": {"conditions": report.conditions}}));
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        api.patch_status(resource.name(), &params, &patch).await?;
        for worse in &report.worse {
            self.announce(resource, &worse.reason, &worse.message).await;
        }
        Ok(())
    }

    async fn announce(&self, resource: &Resource, reason: &str, note: &str) {
        let event = Event {
            type_: EventType::Warning,
            reason: reason.to_owned(),
            note: Some(note.to_owned()),
            action: "Check".to_owned(),
            secondary: None,
        };
        if let Err(error) = self.events.publish(&event, &reference(resource)).await {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(error, "{resource:?}: {note}; an Event could not be written");
        }
    }

    /// Says that a status could not be written, once in a while.
    pub(super) fn complain(&mut self, name: &Name, error: &kube::Error, wait: Duration) {
        let now = Instant::now();
        let last = self.complained.get(&name.kind);
        if last.is_some_and(|last| now.duration_since(*last) < COMPLAIN_EVERY) {
            return;
        }
        self.complained.insert(name.kind, now);
        let Name {
            kind,
            namespace,
            name,
        } = name;
        let error: &(dyn std::error::Error + 'static) = error;
        tracing::warn!(
            error,
            kind = kind.name(),
            namespace = &**namespace,
            name = &**name,
            "a status could not be looked after; tried again in {wait:?}, and so are others of its kind"
        );
    }
}

fn reference(resource: &Resource) -> ObjectReference {
    let uid = resource.to_value()["metadata"]["uid"]
        .as_str()
        .map(str::to_owned);
    ObjectReference {
        api_version: Some(resource.kind().api_version()),
        kind: Some(resource.kind().name().to_owned()),
        namespace: Some(resource.namespace().to_owned()),
        name: Some(resource.name().to_owned()),
        uid,
        ..ObjectReference::default()
    }
}
