//! From the watches of the API server to the stores.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::api::ListParams;
use kube::{Api, Client};
use operator_core::kind::Kind;
use operator_core::resource::Resource;
use process::kubernetes::{Event, watch};
use serde_json::Value;

use crate::object::{Object, api_resource, is_absence};
use crate::store::Store;

/// How long until a kind that the API server does not know is looked for again.
const MISSING_KIND_WAIT: Duration = Duration::from_secs(10);

/// The objects of a kind, in all namespaces or in one.
pub(crate) fn api(
    client: Client,
    resource: &kube::api::ApiResource,
    namespace: Option<&str>,
) -> Api<Object> {
    match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, resource),
        None => Api::all_with(client, resource),
    }
}

/// Keeps a store up to date, for ever.
pub(crate) async fn follow(client: Client, store: Arc<Store>, namespace: Option<String>) {
    let kind = store.kind();
    let resource = api_resource(crds::GROUP, kind.version(), kind.name(), kind.plural());
    let api = api(client, &resource, namespace.as_deref());
    installed(&api, kind.name(), || store.missing()).await;
    let mut events = pin!(watch(api, ListParams::default()));
    while let Some(event) = events.next().await {
        match event {
            Event::Reset(objects) => {
                store.reset(
                    objects
                        .into_iter()
                        .filter_map(|it| read(kind, it.value))
                        .collect(),
                );
            }
            Event::Apply(object) => {
                if let Some(resource) = read(kind, object.value) {
                    store.apply(resource);
                }
            }
            Event::Delete(object) => {
                if let Some(resource) = read(kind, object.value) {
                    store.delete(&resource);
                }
            }
        }
    }
}

/// Waits until the API server knows the kind. Says so each time it does not.
pub(crate) async fn installed(api: &Api<Object>, kind: &str, missing: impl Fn()) {
    let one = ListParams::default().limit(1);
    while api.list(&one).await.is_err_and(|error| is_absence(&error)) {
        missing();
        tracing::warn!(
            kind,
            "the API server does not know this kind; looking again later"
        );
        tokio::time::sleep(MISSING_KIND_WAIT).await;
    }
}

/// One object that cannot be used must not hide the others.
fn read(kind: Kind, object: Value) -> Option<Resource> {
    Resource::new(kind, object)
        .inspect_err(|error| tracing::warn!("an object is passed over: {error}"))
        .ok()
}
