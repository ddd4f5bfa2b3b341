//! A place that a call can be sent to.

use std::{net::SocketAddr, sync::Arc};

/// One pod of the app, or one address of a host that is no pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// The pod's name, or the address as text: what actors are spread by, so that a pod of a
    /// `StatefulSet` gets its actors back under a new address.
    pub name: Arc<str>,
    /// The node it runs on.
    pub node: Option<Arc<str>>,
    /// The zone of that node.
    pub zone: Option<Arc<str>>,
    /// Whether it wants calls.
    pub state: State,
}

/// Whether an endpoint wants calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// New calls may be sent.
    Ready,
    /// Not yet, or not now.
    Unready,
    /// Its running calls end; it gets no new ones.
    Terminating,
}

// === impl Endpoint ===

impl Endpoint {
    /// A ready endpoint of which only the address is known.
    pub fn bare(address: SocketAddr) -> Self {
        Self {
            address,
            name: address.to_string().into(),
            node: None,
            zone: None,
            state: State::Ready,
        }
    }
}
