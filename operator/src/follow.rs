//! From the watches of the API server to the stores.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::api::{ApiResource, ListParams};
use kube::{Api, Client};
use operator_core::kind::Kind;
use operator_core::resource::Resource;
use process::kubernetes::{Event, watch};
use serde_json::Value;

use crate::object::{Object, api_resource, is_absence, is_refusal};
use crate::store::Store;

/// How long until a kind that the API server does not know is looked for again.
const MISSING_KIND_WAIT: Duration = Duration::from_secs(10);

/// The longest wait for a kind that the cluster may do without: who installs it waits for us.
const OPTIONAL_KIND_WAIT: Duration = Duration::from_mins(1);

/// The longest wait for a kind that this process may not read.
const HIDDEN_KIND_WAIT: Duration = Duration::from_mins(5);

/// The objects of a kind, in all namespaces or in one.
pub(crate) fn api(client: Client, resource: &ApiResource, namespace: Option<&str>) -> Api<Object> {
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

/// Waits until the API server knows the kind, and says first if it does not.
pub(crate) async fn installed(api: &Api<Object>, kind: &str, missing: impl FnOnce()) {
    if is_known(api).await {
        return;
    }
    missing();
    tracing::warn!(
        kind,
        "the API server does not know this kind; it is looked for again"
    );
    while !is_known(api).await {
        tokio::time::sleep(MISSING_KIND_WAIT).await;
    }
    tracing::info!(kind, "the API server knows this kind now");
}

/// Whether the API server knows the kind; in doubt it does, and the watch will tell.
pub(crate) async fn is_known(api: &Api<Object>) -> bool {
    let listed = api.list(&ListParams::default().limit(1)).await;
    !listed.is_err_and(|error| is_absence(&error))
}

/// The namespaces, or the one that is looked at.
pub(crate) fn namespaces(
    client: Client,
    namespace: Option<&str>,
) -> impl Stream<Item = Event<Object>> + Send + use<> {
    let resource = api_resource("", "v1", "Namespace", "namespaces");
    let mut params = ListParams::default();
    if let Some(namespace) = namespace {
        params = params.fields(&format!("metadata.name={namespace}"));
    }
    watch_shown(Api::all_with(client, &resource), params, "Namespace")
}

/// A watch; as long as the API server does not know the kind, or does not show it to this process,
/// there are no objects of it. That is logged once.
pub(crate) fn watch_shown(
    api: Api<Object>,
    params: ListParams,
    kind: &'static str,
) -> impl Stream<Item = Event<Object>> + Send {
    shown(api, params, kind, Some(Event::Reset(Vec::new())))
}

/// The same, but nothing is said of the kind until its objects can be read.
pub(crate) fn watch_once_shown(
    api: Api<Object>,
    params: ListParams,
    kind: &'static str,
) -> impl Stream<Item = Event<Object>> + Send {
    shown(api, params, kind, None)
}

/// A watch that begins when the kind is shown; `meanwhile` is said if it is not at first.
fn shown(
    api: Api<Object>,
    params: ListParams,
    kind: &'static str,
    meanwhile: Option<Event<Object>>,
) -> impl Stream<Item = Event<Object>> + Send {
    async_stream::stream! {
        if let Some(error) = refusal(&api, &params).await {
            complain(kind, &error);
            if let Some(event) = meanwhile {
                yield event;
            }
            until_shown(&api, &params).await;
        }
        for await event in watch(api, params) {
            yield event;
        }
    }
}

async fn until_shown(api: &Api<Object>, params: &ListParams) {
    let mut wait = MISSING_KIND_WAIT;
    loop {
        tokio::time::sleep(wait).await;
        let longest = match refusal(api, params).await {
            None => return,
            Some(error) if is_absence(&error) => OPTIONAL_KIND_WAIT,
            Some(_) => HIDDEN_KIND_WAIT,
        };
        wait = (wait * 2).min(longest);
    }
}

/// Apart, so that nothing that can't move between threads lives across a wait.
fn complain(kind: &str, error: &kube::Error) {
    if is_absence(error) {
        tracing::info!(
            kind,
            "the API server does not know this kind; going on without"
        );
        return;
    }
    let error: &(dyn std::error::Error + 'static) = error;
    tracing::warn!(
        error,
        kind,
        "this process may not read this kind; going on without"
    );
}

/// Why there is nothing to read. Other errors than these two are the watch's business.
async fn refusal(api: &Api<Object>, params: &ListParams) -> Option<kube::Error> {
    let listed = api.list(&params.clone().limit(1)).await;
    listed
        .err()
        .filter(|error| is_absence(error) || is_refusal(error))
}

/// One object that cannot be used must not hide the others.
fn read(kind: Kind, object: Value) -> Option<Resource> {
    Resource::new(kind, object)
        .inspect_err(|error| tracing::warn!("an object is passed over: {error}"))
        .ok()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::fixtures::answers;

    #[tokio::test(start_paused = true)]
    async fn a_missing_kind_is_looked_for_until_it_is_there() {
        let asked = Arc::new(AtomicU16::new(0));
        let counting = Arc::clone(&asked);
        let script = answers(move |_, path| {
            assert_eq!(path, "/apis/dapr.io/v1alpha1/mcpservers");
            let third = counting.fetch_add(1, Ordering::Relaxed) == 2;
            (
                if third { 200 } else { 404 },
                if third {
                    json!({"items": null})
                } else {
                    json!(null)
                },
            )
        });
        let resource = api_resource("dapr.io", "v1alpha1", "MCPServer", "mcpservers");
        let missing = AtomicBool::new(false);
        let api = api(script.client(), &resource, None);
        installed(&api, "MCPServer", || missing.store(true, Ordering::Relaxed)).await;
        assert_eq!(asked.load(Ordering::Relaxed), 3);
        assert!(missing.into_inner());
    }

    #[rstest]
    #[case::not_there(404, OPTIONAL_KIND_WAIT)]
    #[case::not_shown(403, HIDDEN_KIND_WAIT)]
    #[tokio::test(start_paused = true)]
    async fn a_kind_that_comes_late_is_found_within_a_bound(
        #[case] status: u16,
        #[case] bound: Duration,
    ) {
        let there = Arc::new(AtomicBool::new(false));
        let is_there = Arc::clone(&there);
        let script = answers(move |_, _| {
            if is_there.load(Ordering::Relaxed) {
                (200, json!({"items": []}))
            } else {
                (status, json!(null))
            }
        });
        let resource = api_resource("core.openfunction.io", "v1beta2", "Function", "functions");
        let api = api(script.client(), &resource, None);
        let params = ListParams::default();
        let comes = async {
            tokio::time::sleep(Duration::from_hours(1)).await;
            there.store(true, Ordering::Relaxed);
            tokio::time::Instant::now()
        };
        let ((), since) = tokio::join!(until_shown(&api, &params), comes);
        assert!(since.elapsed() <= bound, "{:?}", since.elapsed());
    }

    #[test]
    fn one_object_without_a_name_hides_no_other() {
        let objects = [
            json!({}),
            json!({"metadata": {"name": "a", "namespace": "n"}}),
        ];
        let read: Vec<Resource> = objects
            .into_iter()
            .filter_map(|object| read(Kind::Component, object))
            .collect();
        assert_eq!(read.len(), 1);
    }
}
