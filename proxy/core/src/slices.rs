//! From the `EndpointSlice`s of a Service to endpoints.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use k8s_openapi::api::discovery::v1::{
    Endpoint as Listed, EndpointConditions, EndpointPort, EndpointSlice,
};

use crate::endpoint::{Endpoint, State};

/// What is known of one Service, slice by slice.
#[derive(Debug)]
pub struct Slices {
    port: Option<u16>,
    slices: BTreeMap<String, Vec<Endpoint>>,
}

// === impl Slices ===

impl Slices {
    /// Endpoints listen on `port`; on the slice's first port if there is none.
    pub fn new(port: Option<u16>) -> Self {
        Self {
            port,
            slices: BTreeMap::new(),
        }
    }

    /// A slice as it is now.
    pub fn apply(&mut self, slice: &EndpointSlice) {
        let endpoints = endpoints(slice, self.port);
        self.slices.insert(name(slice), endpoints);
    }

    /// A slice that is gone.
    pub fn delete(&mut self, slice: &EndpointSlice) {
        self.slices.remove(&name(slice));
    }

    /// All slices; others are gone.
    pub fn reset(&mut self, slices: &[EndpointSlice]) {
        self.slices.clear();
        for slice in slices {
            self.apply(slice);
        }
    }

    /// Every endpoint once. A pod with addresses of both families counts by its IPv4 address, so
    /// that it does not get twice its share.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let all = || self.slices.values().flatten();
        let by_ipv4: BTreeSet<&str> = all()
            .filter(|endpoint| endpoint.address.is_ipv4())
            .map(|endpoint| &*endpoint.name)
            .collect();
        let counts =
            |endpoint: &&Endpoint| endpoint.address.is_ipv4() || !by_ipv4.contains(&*endpoint.name);
        // The same address may be in two slices for a moment, while it moves between them.
        let by_address: BTreeMap<SocketAddr, Endpoint> = all()
            .filter(counts)
            .map(|endpoint| (endpoint.address, endpoint.clone()))
            .collect();
        by_address.into_values().collect()
    }
}

fn name(slice: &EndpointSlice) -> String {
    slice.metadata.name.clone().unwrap_or_default()
}

fn endpoints(slice: &EndpointSlice, port: Option<u16>) -> Vec<Endpoint> {
    let ports = slice.ports.as_deref().unwrap_or_default();
    let Some(port) = port.or_else(|| ports.iter().find_map(number)) else {
        return Vec::new();
    };
    let listed = slice.endpoints.iter();
    listed.filter_map(|listed| endpoint(listed, port)).collect()
}

fn number(port: &EndpointPort) -> Option<u16> {
    port.port.and_then(|port| u16::try_from(port).ok())
}

/// All addresses of an endpoint are interchangeable; the first is used.
fn endpoint(listed: &Listed, port: u16) -> Option<Endpoint> {
    let ip: IpAddr = listed.addresses.first()?.parse().ok()?;
    let address = SocketAddr::new(ip, port);
    let pod = listed.target_ref.as_ref().and_then(|pod| pod.name.clone());
    let text = |text: &Option<String>| text.as_deref().map(Arc::from);
    Some(Endpoint {
        address,
        name: pod.unwrap_or_else(|| address.to_string()).into(),
        node: text(&listed.node_name),
        zone: text(&listed.zone),
        state: state(listed.conditions.as_ref()),
    })
}

/// A Service may publish pods that are not ready; what terminates gets no calls even then.
fn state(conditions: Option<&EndpointConditions>) -> State {
    let terminating = conditions.and_then(|conditions| conditions.terminating);
    let ready = conditions.and_then(|conditions| conditions.ready);
    match (terminating, ready) {
        (Some(true), _) => State::Terminating,
        // By the API's definition unknown means ready.
        (_, None | Some(true)) => State::Ready,
        (_, Some(false)) => State::Unready,
    }
}
