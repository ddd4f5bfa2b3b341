//! The table sidecars get: for each actor type the hosts that serve it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{host::Host, stream::StreamId};

/// What a sidecar reads of a host in a table: the ring key, the app to authenticate, the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `Host.name`: the key of the host in the ring, and where it is called.
    pub name: String,
    /// `Host.id`: the app ID the caller expects in the host's certificate.
    pub id: String,
    /// `Host.port`.
    pub port: i64,
}

/// The hosts of each actor type, ordered by name, kept up to date host by host.
#[derive(Debug, Default)]
pub struct Table {
    types: BTreeMap<String, TypeHosts>,
}

/// The hosts of one type, by name and stream.
type TypeHosts = BTreeMap<(Arc<str>, StreamId), Arc<Address>>;

// === impl Table ===

impl Table {
    /// Each type with its hosts; both in bytewise order.
    pub fn types(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = &Address>)> {
        self.types
            .iter()
            .map(|(name, hosts)| (name.as_str(), newest(hosts)))
    }

    pub(crate) fn insert(&mut self, stream: StreamId, host: &Host) {
        let address = Arc::new(Address::of(host));
        let key: Arc<str> = host.name.as_str().into();
        for entity in &host.entities {
            let hosts = self.types.entry(entity.clone()).or_default();
            hosts.insert((Arc::clone(&key), stream), Arc::clone(&address));
        }
    }

    pub(crate) fn remove(&mut self, stream: StreamId, host: &Host) {
        let key = (Arc::from(host.name.as_str()), stream);
        for entity in host.entities.iter().collect::<BTreeSet<_>>() {
            let Some(hosts) = self.types.get_mut(entity) else {
                continue;
            };
            hosts.remove(&key);
            if hosts.is_empty() {
                self.types.remove(entity);
            }
        }
    }
}

/// Two streams may carry one name while a sidecar reconnects; the newer one speaks for it.
fn newest(hosts: &TypeHosts) -> impl Iterator<Item = &Address> {
    let mut hosts = hosts.iter().peekable();
    std::iter::from_fn(move || {
        let ((name, _), mut address) = hosts.next()?;
        while let Some((_, newer)) = hosts.next_if(|((next, _), _)| next == name) {
            address = newer;
        }
        Some(&**address)
    })
}

// === impl Address ===

impl Address {
    fn of(host: &Host) -> Self {
        Self {
            name: host.name.clone(),
            id: host.id.clone(),
            port: host.port,
        }
    }
}
