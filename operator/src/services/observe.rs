//! Watches workloads and Services.

use std::pin::Pin;

use futures::stream::{Stream, StreamExt, select_all};
use k8s_openapi::api::core::v1::Service;
use kube::api::ListParams;
use kube::{Api, Client};
use operator_core::assignment::ENABLED;
use operator_core::service::{Workload, WorkloadKey, WorkloadKind};
use operator_core::shared::MODE;
use process::kubernetes::{Event, watch};
use serde_json::Value;

use crate::follow::{self, api, installed, is_known};
use crate::object::{Object, api_resource};

/// Name of Services in paths.
pub(super) const SERVICES: &str = "services";
/// Name of namespaces in paths.
pub(super) const NAMESPACES: &str = "namespaces";

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
    /// How the pods of all namespaces get their daprd, where they don't say.
    Namespaces(Vec<(String, Option<String>)>),
    /// The same of one namespace.
    Namespace(String, Option<String>),
}

type Events = Pin<Box<dyn Stream<Item = Observed> + Send>>;

/// Everything that matters to Services, for ever.
pub(super) fn observe(
    client: &Client,
    namespace: Option<&str>,
    kinds: Vec<WorkloadKind>,
) -> impl Stream<Item = Observed> + Send + use<> {
    let mut all = vec![
        services(client.clone(), namespace),
        namespaces(client.clone(), namespace),
    ];
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

fn namespaces(client: Client, namespace: Option<&str>) -> Events {
    let events = follow::namespaces(client, namespace);
    Box::pin(events.filter_map(async |event| {
        Some(match event {
            Event::Reset(objects) => {
                Observed::Namespaces(objects.iter().filter_map(|it| mode(&it.value)).collect())
            }
            Event::Apply(object) => {
                let (name, mode) = mode(&object.value)?;
                Observed::Namespace(name, mode)
            }
            Event::Delete(object) => Observed::Namespace(mode(&object.value)?.0, None),
        })
    }))
}

/// The name of a namespace, and the mode that it says.
fn mode(namespace: &Value) -> Option<(String, Option<String>)> {
    let metadata = &namespace["metadata"];
    let mode = metadata["annotations"][MODE].as_str();
    Some((
        metadata["name"].as_str()?.to_owned(),
        mode.map(str::to_owned),
    ))
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
