//! Watches all that decides about instances. Each object is reduced to what matters at once.

use std::future::ready;
use std::pin::Pin;

use crds::shared_instance::SharedInstance;
use futures::stream::{Stream, StreamExt, select_all};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::api::{ApiResource, ListParams};
use operator_core::shared::{
    AppKey, BOUND_TO, Binding, BindingKey, BoundKind, INSTANCE, ObjectKey, ObjectKind, Resource,
    Seen,
};
use process::kubernetes::Event;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::follow::{self, api, watch_once_shown, watch_shown};
use crate::object::{Object, api_resource};

const PODS: Resource = Resource {
    group: "",
    version: "v1",
    kind: "Pod",
    plural: "pods",
};
const SLICES: Resource = Resource {
    group: "discovery.k8s.io",
    version: "v1",
    kind: "EndpointSlice",
    plural: "endpointslices",
};

/// What was seen.
#[derive(Debug)]
pub(super) enum Observed {
    Workloads(BoundKind, Event<Result<Binding, BindingKey>>),
    Namespaces(Event<Box<ObjectMeta>>),
    Instances(Event<Box<SharedInstance>>),
    Pods(Event<Box<Pod>>),
    Slices(Event<Box<EndpointSlice>>),
    Objects(ObjectKind, Event<(AppKey, ObjectKey, Seen)>),
}

type Events = Pin<Box<dyn Stream<Item = Observed> + Send>>;

/// What has to be heard of before anything is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Workloads(BoundKind),
    Namespaces,
    Instances,
    Pods,
    Slices,
    Objects(ObjectKind),
}

/// All that has to be heard of.
pub(super) fn sources() -> impl Iterator<Item = Source> {
    let others = [
        Source::Namespaces,
        Source::Instances,
        Source::Pods,
        Source::Slices,
    ];
    let workloads = BoundKind::ALL.into_iter().map(Source::Workloads);
    workloads
        .chain(watched().map(Source::Objects))
        .chain(others)
}

/// Secrets are read by name, so that nobody needs the right to list them.
fn watched() -> impl Iterator<Item = ObjectKind> {
    ObjectKind::ALL
        .into_iter()
        .filter(|kind| *kind != ObjectKind::Secret)
}

/// All that decides about instances, for ever.
pub(super) fn observe(
    client: &Client,
    namespace: Option<&str>,
) -> impl Stream<Item = Observed> + Send + use<> {
    let all = ListParams::default();
    let labelled = |label: &str| ListParams::default().labels(label);
    let namespaces = follow::namespaces(client.clone(), namespace);
    let pods = shown(client, PODS, labelled(BOUND_TO), namespace);
    let slices = shown(client, SLICES, labelled(INSTANCE), namespace);
    let mut events: Vec<Events> = vec![
        each(namespaces, |it| metadata(&it), Observed::Namespaces),
        each(pods, typed, Observed::Pods),
        each(slices, typed, Observed::Slices),
        instances(client, namespace),
    ];
    for kind in BoundKind::ALL {
        let objects = shown(client, kind.resource(), all.clone(), namespace);
        let observed = move |event| Observed::Workloads(kind, event);
        events.push(each(objects, move |it| workload(kind, &it), observed));
    }
    for kind in watched() {
        let objects = shown(client, kind.resource(), labelled(INSTANCE), namespace);
        let observed = move |event| Observed::Objects(kind, event);
        events.push(each(objects, move |it| Seen::read(kind, &it), observed));
    }
    select_all(events)
}

fn shown(
    client: &Client,
    resource: Resource,
    params: ListParams,
    namespace: Option<&str>,
) -> impl Stream<Item = Event<Object>> + Send + use<> {
    watch_shown(
        api(client.clone(), &known(resource), namespace),
        params,
        resource.kind,
    )
}

/// Without the kind there is nothing to decide, so nothing is said until it is there.
fn instances(client: &Client, namespace: Option<&str>) -> Events {
    let resource = ApiResource::erase::<SharedInstance>(&());
    let api = api(client.clone(), &resource, namespace);
    let events = watch_once_shown(api, ListParams::default(), "SharedInstance");
    each(events, typed, Observed::Instances)
}

pub(super) fn known(resource: Resource) -> ApiResource {
    api_resource(
        resource.group,
        resource.version,
        resource.kind,
        resource.plural,
    )
}

/// What can't be read is passed over: one such object must not hide the others.
fn each<T: 'static>(
    events: impl Stream<Item = Event<Object>> + Send + 'static,
    read: impl Fn(Value) -> Option<T> + Send + 'static,
    observed: impl Fn(Event<T>) -> Observed + Send + 'static,
) -> Events {
    Box::pin(events.filter_map(move |event| {
        let event = match event {
            Event::Reset(objects) => {
                let objects = objects.into_iter().filter_map(|object| read(object.value));
                Some(Event::Reset(objects.collect()))
            }
            Event::Apply(object) => read(object.value).map(Event::Apply),
            Event::Delete(object) => read(object.value).map(Event::Delete),
        };
        ready(event.map(&observed))
    }))
}

fn typed<T: DeserializeOwned>(object: Value) -> Option<Box<T>> {
    serde_json::from_value(object)
        .map(Box::new)
        .inspect_err(|error| tracing::warn!("an object is passed over: {error}"))
        .ok()
}

fn metadata(object: &Value) -> Option<Box<ObjectMeta>> {
    typed(object["metadata"].clone())
}

/// One that does not use Dapr, or no more, goes by its key.
fn workload(kind: BoundKind, object: &Value) -> Option<Result<Binding, BindingKey>> {
    let binding = Binding::read(kind, object).map(Ok);
    binding.or_else(|| Binding::key_of(kind, object).map(Err))
}
