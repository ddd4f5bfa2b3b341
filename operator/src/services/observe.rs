//! Watches workloads and Services.

use std::pin::Pin;

use futures::stream::{Stream, StreamExt, select_all};
use k8s_openapi::api::core::v1::Service;
use kube::api::ListParams;
use kube::{Api, Client};
use operator_core::assignment::ENABLED;
use operator_core::service::{Workload, WorkloadKey, WorkloadKind};
use process::kubernetes::{Event, watch};
use serde_json::Value;

use crate::follow::{api, installed, is_known};
use crate::object::{Object, api_resource};

/// Name of Services in paths.
pub(super) const SERVICES: &str = "services";

/// What was seen.
#[derive(Debug)]
pub(super) enum Observed {
    /// All workloads of a kind.
    Workloads(WorkloadKind, Vec<Workload>),
    Workload(Workload),
    WorkloadGone(WorkloadKey),
    /// All Services.
    Services(Vec<Service>),
    Service(Service),
    ServiceGone(Service),
}

type Events = Pin<Box<dyn Stream<Item = Observed> + Send>>;

/// Everything that matters to Services, for ever.
pub(super) fn observe(
    client: &Client,
    namespace: Option<&str>,
    kinds: Vec<WorkloadKind>,
) -> impl Stream<Item = Observed> + Send + use<> {
    let mut all = vec![services(client.clone(), namespace)];
    all.extend(
        kinds
            .into_iter()
            .map(|kind| workloads(client, kind, namespace)),
    );
    select_all(all)
}

/// Only those with the label that ours have; others are looked at when they are in the way.
fn services(client: Client, namespace: Option<&str>) -> Events {
    let api: Api<Service> = match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let ours = ListParams::default().labels(&format!("{ENABLED}=true"));
    Box::pin(watch(api, ours).map(|event| match event {
        Event::Reset(services) => Observed::Services(services),
        Event::Apply(service) => Observed::Service(service),
        Event::Delete(service) => Observed::ServiceGone(service),
    }))
}

/// A kind that the API server does not know has no workloads, until it does.
fn workloads(client: &Client, kind: WorkloadKind, namespace: Option<&str>) -> Events {
    let resource = api_resource(kind.group(), kind.version(), kind.name(), kind.plural());
    let api = api(client.clone(), &resource, namespace);
    let events = async_stream::stream! {
        if !is_known(&api).await {
            yield Observed::Workloads(kind, Vec::new());
            installed(&api, kind.name(), || {}).await;
        }
        for await event in watch(api, ListParams::default()) {
            if let Some(observed) = observed(kind, event) {
                yield observed;
            }
        }
    };
    Box::pin(events)
}

fn observed(kind: WorkloadKind, event: Event<Object>) -> Option<Observed> {
    Some(match event {
        Event::Reset(objects) => {
            let workloads = objects
                .into_iter()
                .filter_map(|object| read(kind, object.value));
            Observed::Workloads(kind, workloads.collect())
        }
        Event::Apply(object) => Observed::Workload(read(kind, object.value)?),
        Event::Delete(object) => Observed::WorkloadGone(read(kind, object.value)?.key().clone()),
    })
}

/// One workload that cannot be understood must not hide the others.
fn read(kind: WorkloadKind, mut object: Value) -> Option<Workload> {
    let metadata = serde_json::from_value(object["metadata"].take());
    let spec = serde_json::from_value(object["spec"].take());
    match (metadata, spec) {
        (Ok(metadata), Ok(spec)) => Workload::new(kind, metadata, spec),
        (Err(error), _) | (_, Err(error)) => {
            tracing::warn!(kind = kind.name(), "a workload is passed over: {error}");
            None
        }
    }
}
