//! The table sidecars get: for each actor type the hosts that serve it.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use crate::{host::Host, stream::StreamId};

/// The most that a sidecar accepts in one message, in bytes: gRPC-Go's default, which it does not
/// raise.
pub const MESSAGE_LIMIT: usize = 4 * 1024 * 1024;

/// What a sidecar reads of a host in a table: the ring key, the app to authenticate, the port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// `Host.name`: the key of the host in the ring, and where it is called.
    pub name: String,
    /// `Host.id`: the app ID the caller expects in the host's certificate.
    pub id: String,
    /// `Host.port`.
    pub port: i64,
}

/// The hosts of each actor type, ordered by name, kept up to date host by host.
///
/// Hosts that are about to end are left out, unless a type has no others.
#[derive(Debug, Default)]
pub struct Table {
    types: BTreeMap<String, TypeHosts>,
    /// The sum of the hashes of all that a sidecar would read.
    content: u64,
}

/// Whether a host can be given actors for longer than a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// As far as is known.
    Staying,
    /// Its pod is being deleted.
    Leaving,
}

/// The hosts of one type.
#[derive(Debug, Default)]
struct TypeHosts {
    staying: Row,
    leaving: Row,
}

/// Hosts by name and stream.
#[derive(Debug, Default)]
struct Row {
    hosts: BTreeMap<(Arc<str>, StreamId), Arc<Address>>,
    /// The sum of the hashes of what a sidecar would read of them.
    content: u64,
}

// === impl Table ===

impl Table {
    /// Each type with its hosts; both in bytewise order.
    pub fn types(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = &Address>)> {
        self.types
            .iter()
            .map(|(name, hosts)| (name.as_str(), hosts.chosen().newest()))
    }

    /// Differs when what sidecars would read differs. A host that is there twice under one name
    /// makes no difference, nor does the order of events.
    pub(crate) fn content(&self) -> u64 {
        self.content
    }

    pub(crate) fn insert(&mut self, stream: StreamId, host: &Host, standing: Standing) {
        let address = Arc::new(Address::of(host));
        let key = (Arc::from(host.name.as_str()), stream);
        for entity in host.entities.iter().collect::<BTreeSet<_>>() {
            self.change(entity, &key.0, standing, |hosts| {
                hosts.insert(key.clone(), Arc::clone(&address));
            });
        }
    }

    pub(crate) fn remove(&mut self, stream: StreamId, host: &Host, standing: Standing) {
        let key = (Arc::from(host.name.as_str()), stream);
        for entity in host.entities.iter().collect::<BTreeSet<_>>() {
            self.change(entity, &key.0, standing, |hosts| drop(hosts.remove(&key)));
        }
    }

    /// Changes the hosts of a type that have this name and standing.
    fn change(
        &mut self,
        entity: &str,
        name: &Arc<str>,
        standing: Standing,
        change: impl FnOnce(&mut BTreeMap<(Arc<str>, StreamId), Arc<Address>>),
    ) {
        if !self.types.contains_key(entity) {
            self.types.insert(entity.to_owned(), TypeHosts::default());
        }
        let Some(hosts) = self.types.get_mut(entity) else {
            return;
        };
        let before = hosts.chosen().content;
        hosts.row(standing).change(entity, name, change);
        let after = hosts.chosen().content;
        self.content = self.content.wrapping_sub(before).wrapping_add(after);
        if hosts.chosen().hosts.is_empty() {
            self.types.remove(entity);
        }
    }
}

// === impl TypeHosts ===

impl TypeHosts {
    fn row(&mut self, standing: Standing) -> &mut Row {
        match standing {
            Standing::Staying => &mut self.staying,
            Standing::Leaving => &mut self.leaving,
        }
    }

    /// Those that sidecars are told of.
    fn chosen(&self) -> &Row {
        if self.staying.hosts.is_empty() {
            &self.leaving
        } else {
            &self.staying
        }
    }
}

// === impl Row ===

impl Row {
    fn change(
        &mut self,
        entity: &str,
        name: &Arc<str>,
        change: impl FnOnce(&mut BTreeMap<(Arc<str>, StreamId), Arc<Address>>),
    ) {
        let before = self.digest(entity, name);
        change(&mut self.hosts);
        let after = self.digest(entity, name);
        self.content = self.content.wrapping_sub(before).wrapping_add(after);
    }

    /// A hash of what sidecars read of the host with this name; 0 if there is none.
    fn digest(&self, entity: &str, name: &Arc<str>) -> u64 {
        let of_name = (Arc::clone(name), StreamId(0))..=(Arc::clone(name), StreamId(u64::MAX));
        let newest = self.hosts.range(of_name).next_back();
        newest.map_or(0, |(_, address)| {
            let mut hasher = DefaultHasher::new();
            (entity, address).hash(&mut hasher);
            hasher.finish()
        })
    }

    /// Two streams may carry one name while a sidecar reconnects; the newer one speaks for it.
    fn newest(&self) -> impl Iterator<Item = &Address> {
        let mut hosts = self.hosts.iter().peekable();
        std::iter::from_fn(move || {
            let ((name, _), mut address) = hosts.next()?;
            while let Some((_, newer)) = hosts.next_if(|((next, _), _)| next == name) {
                address = newer;
            }
            Some(&**address)
        })
    }
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
