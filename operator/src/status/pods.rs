//! Which pods run an app. Only their metadata is asked for.

use futures::stream::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, PartialObjectMeta};
use kube::{Api, Client};
use operator_core::assignment::APP_ID;
use operator_core::status::PodKey;
use process::kubernetes::{Event, watch};

/// What was seen.
pub(super) enum Seen {
    /// All pods with an app, and its ID.
    All(Vec<(PodKey, Box<str>)>),
    One(PodKey, Box<str>),
    Gone(PodKey),
}

/// Follows the pods that the injector labelled with their app ID, for ever.
pub(super) fn follow(
    client: Client,
    namespace: Option<&str>,
) -> impl Stream<Item = Seen> + Send + use<> {
    let api: Api<PartialObjectMeta<Pod>> = match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let events = watch(api, ListParams::default().labels(APP_ID));
    events.filter_map(async |event| seen(event))
}

fn seen(event: Event<PartialObjectMeta<Pod>>) -> Option<Seen> {
    Some(match event {
        Event::Reset(pods) => Seen::All(pods.iter().filter_map(read).collect()),
        Event::Apply(pod) => {
            let (key, id) = read(&pod)?;
            Seen::One(key, id)
        }
        Event::Delete(pod) => Seen::Gone(read(&pod)?.0),
    })
}

fn read(pod: &PartialObjectMeta<Pod>) -> Option<(PodKey, Box<str>)> {
    let metadata = &pod.metadata;
    let id = metadata.labels.as_ref()?.get(APP_ID)?.as_str().into();
    let namespace = metadata.namespace.as_deref()?.into();
    let name = metadata.name.as_deref()?.into();
    Some(((namespace, name), id))
}
