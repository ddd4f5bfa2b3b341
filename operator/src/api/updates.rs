//! Streams of changes.

use std::sync::Arc;
use std::time::Duration;

use async_stream::try_stream;
use futures::Stream;
use identity_core::Workload;
use operator_core::kind::Kind;
use operator_core::pending::Update;
use operator_core::resource::Resource;
use proto::operator::v1::ResourceEventType;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::render::{RenderError, event};
use super::{Api, stopping};
use crate::assignment::Assignments;
use crate::secrets::ReadSecrets;
use crate::store::Subscription;

/// Until pods that could not be listed are listed again.
const RETRY: Duration = Duration::from_secs(1);

/// A change as it is sent: the resource, and what happened to it.
pub(super) type Sent = (Vec<u8>, ResourceEventType);

/// Which resources of a kind a stream is about.
#[derive(Clone)]
pub(super) enum Selection {
    All,
    /// Those that the pods of the app name.
    Assigned(Assignments),
}

impl<S: ReadSecrets> Api<S> {
    /// The changes of a kind that a caller may see, from now on until the process stops.
    pub(super) fn updates(
        &self,
        caller: Workload,
        kind: Kind,
        selection: Selection,
    ) -> Result<impl Stream<Item = Result<Sent, Status>> + Send + use<S>, Status> {
        if self.stopping.is_cancelled() {
            return Err(stopping());
        }
        let subscription = self.store(kind)?.subscribe(&caller.namespace);
        let secrets = Arc::clone(&self.secrets);
        Ok(stream(
            subscription,
            caller,
            selection,
            secrets,
            self.stopping.clone(),
        ))
    }
}

/// Ends quietly when the process stops. Ends with an error if a change cannot be sent and the
/// sidecar should ask again.
fn stream<S: ReadSecrets>(
    mut subscription: Subscription,
    caller: Workload,
    selection: Selection,
    secrets: Arc<S>,
    stopping: CancellationToken,
) -> impl Stream<Item = Result<Sent, Status>> + Send {
    try_stream! {
        while let Some(change) = stopping.run_until_cancelled(subscription.next()).await {
            let Some(update) = Update::of(change, &caller.app_id) else { continue };
            let (resource, kind) = parts(update);
            let held = selection.holds(&caller, &resource);
            match stopping.run_until_cancelled(held).await {
                Some(true) => {}
                Some(false) => continue,
                None => return,
            }
            match event(&resource, &*secrets).await {
                Ok(json) => yield (json, kind),
                Err(error) => {
                    if let Some(sent) = instead(&resource, kind, &error)? {
                        yield sent;
                    }
                }
            }
        }
    }
}

fn parts(update: Update) -> (Arc<Resource>, ResourceEventType) {
    match update {
        Update::Created(resource) => (resource, ResourceEventType::Created),
        Update::Updated(resource) => (resource, ResourceEventType::Updated),
        Update::Deleted(resource) => (resource, ResourceEventType::Deleted),
    }
}

/// What is sent where secrets could not be filled in. A deletion needs none. A resource whose
/// secret does not exist waits for the sidecar's next list; if that is unknown, the sidecar is
/// made to list now.
fn instead(
    resource: &Resource,
    kind: ResourceEventType,
    error: &RenderError,
) -> Result<Option<Sent>, Status> {
    match (kind, error) {
        (ResourceEventType::Deleted, _) => Ok(Some((resource.json().to_vec(), kind))),
        (_, RenderError::Unresolved(unresolved)) => {
            tracing::warn!("{resource:?} is not sent: {unresolved}");
            Ok(None)
        }
        (_, RenderError::Secret(_)) => Err(Status::unavailable(error.text())),
    }
}

// === impl Selection ===

impl Selection {
    /// Whether the caller wants to hear of a resource. In doubt it is asked until it is known, since a
    /// sidecar never asks for what it missed.
    async fn holds(&self, caller: &Workload, resource: &Resource) -> bool {
        let Self::Assigned(assignments) = self else {
            return true;
        };
        loop {
            match assignments.of(&caller.namespace).await {
                Ok(assigned) => return assigned.holds(&caller.app_id, resource.name()),
                Err(error) => {
                    let error: &(dyn std::error::Error + 'static) = &error;
                    tracing::warn!(error, "{resource:?} waits: its pods could not be listed");
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}
