//! The `EndpointSlice`s of a Service of the own namespace.

use std::{pin::pin, sync::Arc};

use futures::StreamExt;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::{Api, Client, api::ListParams};
use process::kubernetes::{Event, watch};
use proxy_core::slices::Slices;
use tokio_util::sync::CancellationToken;

use crate::forwarder::Forwarder;

/// The label that says whose slice it is.
const SERVICE: &str = "kubernetes.io/service-name";

/// Tells the forwarder of every change until it is stopping. Endpoints listen on `port`; on the
/// slice's if there is none.
pub async fn follow(
    forwarder: Arc<Forwarder>,
    client: Client,
    namespace: String,
    service: String,
    port: Option<u16>,
    stopping: CancellationToken,
) {
    let api = Api::<EndpointSlice>::namespaced(client, &namespace);
    let params = ListParams::default().labels(&format!("{SERVICE}={service}"));
    let mut slices = Slices::new(port);
    let mut events = pin!(watch(api, params));
    while let Some(Some(event)) = stopping.run_until_cancelled(events.next()).await {
        match event {
            Event::Reset(all) => slices.reset(&all),
            Event::Apply(slice) => slices.apply(&slice),
            Event::Delete(slice) => slices.delete(&slice),
        }
        forwarder.set_endpoints(slices.endpoints());
    }
}
