//! Streams of changes.

use std::sync::Arc;

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
use crate::secrets::ReadSecrets;
use crate::store::Subscription;

/// A change as it is sent: the resource, and what happened to it.
pub(super) type Sent = (Vec<u8>, ResourceEventType);

/// Which resources of a kind a stream is about.
#[derive(Clone, Debug)]
pub(super) enum Selection {
    All,
    /// The one of this name, if any.
    Named(Option<String>),
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
            caller.app_id,
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
    app_id: String,
    selection: Selection,
    secrets: Arc<S>,
    stopping: CancellationToken,
) -> impl Stream<Item = Result<Sent, Status>> + Send {
    try_stream! {
        while let Some(change) = stopping.run_until_cancelled(subscription.next()).await {
            let Some(update) = Update::of(change, &app_id) else { continue };
            let (resource, kind) = parts(update);
            if !selection.holds(&resource) {
                continue;
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
    fn holds(&self, resource: &Resource) -> bool {
        match self {
            Self::All => true,
            Self::Named(name) => name.as_deref() == Some(resource.name()),
        }
    }
}
