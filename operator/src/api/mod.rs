//! The gRPC API that sidecars read from.

mod caller;
mod render;
mod server;
mod service;
mod updates;

use std::sync::Arc;

use operator_core::kind::Kind;
use tokio_util::sync::CancellationToken;
use tonic::Status;

pub(crate) use server::serve;

use crate::assignment::Assignments;
use crate::store::{Availability, Store};

/// The API: answers from the stores, completed with secrets.
pub struct Api<S> {
    stores: Vec<Arc<Store>>,
    secrets: Arc<S>,
    assignments: Assignments,
    stopping: CancellationToken,
}

// === impl Api ===

impl<S> Api<S> {
    /// An API over one store for each kind.
    pub fn new(
        stores: Vec<Arc<Store>>,
        secrets: S,
        assignments: Assignments,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            stores,
            secrets: Arc::new(secrets),
            assignments,
            stopping,
        }
    }

    fn store(&self, kind: Kind) -> Result<&Arc<Store>, Status> {
        let found = self.stores.iter().find(|store| store.kind() == kind);
        found.ok_or_else(|| Status::unimplemented(format!("{} is not served", kind.name())))
    }

    /// The store of a kind, once the API server was heard. None if it does not know the kind and
    /// sidecars can do without.
    async fn heard(&self, kind: Kind) -> Result<Option<&Arc<Store>>, Status> {
        let store = self.store(kind)?;
        let available = self.stopping.run_until_cancelled(store.available()).await;
        match available {
            Some(Availability::Listed) => Ok(Some(store)),
            Some(Availability::Missing) if kind.is_optional() => Ok(None),
            Some(_) => Err(Status::unknown(format!(
                "error listing {}: the API server does not know this kind",
                kind.plural()
            ))),
            None => Err(stopping()),
        }
    }
}

fn stopping() -> Status {
    Status::unavailable("the operator is stopping")
}
