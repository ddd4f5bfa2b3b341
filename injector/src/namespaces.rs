//! The defaults that namespaces have in their annotations, followed aside from the reviews.

use std::{collections::HashMap, convert::Infallible, pin::pin, sync::Arc};

use futures::{Stream, StreamExt};
use injector_core::Defaults;
use k8s_openapi::api::core::v1::Namespace;
use kube::{ResourceExt, api::PartialObjectMeta};
use parking_lot::RwLock;
use process::kubernetes::Event;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A namespace without all that is not metadata.
pub type Metadata = PartialObjectMeta<Namespace>;

/// What is known of all namespaces. Those without defaults take no place.
#[derive(Clone, Debug)]
pub struct Namespaces {
    defaults: Arc<RwLock<HashMap<String, Arc<Defaults>>>>,
    none: Arc<Defaults>,
    known: watch::Sender<bool>,
}

// === impl Namespaces ===

impl Namespaces {
    /// The defaults of the namespace `name`; none while it is not known.
    pub fn defaults(&self, name: &str) -> Arc<Defaults> {
        let defaults = self.defaults.read().get(name).cloned();
        defaults.unwrap_or_else(|| self.none.clone())
    }

    /// Waits until all namespaces were listed once.
    pub async fn known(&self) {
        // The sender lives as long as `self`.
        let _ = self.known.subscribe().wait_for(|known| *known).await;
    }

    /// Takes up `events` until `stopping`.
    ///
    /// # Errors
    /// Never.
    pub async fn follow(
        self,
        events: impl Stream<Item = Event<Metadata>>,
        stopping: CancellationToken,
    ) -> Result<(), Infallible> {
        let mut events = pin!(events.take_until(stopping.cancelled_owned()));
        while let Some(event) = events.next().await {
            self.take(event);
        }
        Ok(())
    }

    fn take(&self, event: Event<Metadata>) {
        match event {
            Event::Reset(all) => {
                let all: HashMap<_, _> = all.into_iter().filter_map(read).collect();
                *self.defaults.write() = all;
                self.known.send_replace(true);
            }
            Event::Apply(one) => {
                let name = one.name_any();
                let read = read(one);
                let mut defaults = self.defaults.write();
                match read {
                    Some((name, read)) => defaults.insert(name, read),
                    None => defaults.remove(&name),
                };
            }
            Event::Delete(one) => {
                self.defaults.write().remove(&one.name_any());
            }
        }
    }
}

impl Default for Namespaces {
    fn default() -> Self {
        Self {
            defaults: Arc::default(),
            none: Arc::default(),
            known: watch::Sender::new(false),
        }
    }
}

/// The name and the defaults of a namespace that has any.
fn read(namespace: Metadata) -> Option<(String, Arc<Defaults>)> {
    let name = namespace.name_any();
    let annotations = namespace.metadata.annotations.unwrap_or_default();
    let (defaults, refused) = Defaults::new(annotations);
    for annotation in refused {
        tracing::warn!(
            namespace = name,
            annotation,
            "only a pod can have this annotation; ignoring it on the namespace"
        );
    }
    (!defaults.is_empty()).then(|| (name, Arc::new(defaults)))
}
