//! A simulated sidecar, as the server sees it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use placement_core::{Host, Operation, Order, Outbox, Step};

use crate::world::Happening;

/// What a sidecar was told about its peers: type → names.
pub(crate) type Ring = BTreeMap<String, BTreeSet<String>>;

/// An order, with the table that it would carry.
#[derive(Clone)]
pub(crate) struct Frame {
    pub(crate) order: Order,
    pub(crate) ring: Ring,
}

/// A sidecar on one stream. On its next stream it is another of the same name.
pub(crate) struct Sidecar {
    pub(crate) name: String,
    /// When its stream was opened.
    pub(crate) since: Duration,
    pub(crate) explicit: bool,
    pub(crate) types: u8,
    pub(crate) open: bool,
    pub(crate) frozen: bool,
    /// When it was first sent a LOCK of a round after it froze.
    pub(crate) asked: Option<Duration>,
    pub(crate) outbox: Outbox<Frame>,
    pub(crate) sent: VecDeque<Host>,
    pub(crate) locked: u64,
    pub(crate) updated: Option<u64>,
    pub(crate) unlocked: Option<u64>,
    pub(crate) rings: Rings,
    /// Types that changed since the last UNLOCK of this stream.
    pub(crate) changed: BTreeSet<String>,
}

/// What a sidecar knows beyond the end of a stream.
#[derive(Clone, Default)]
pub(crate) struct Rings {
    pub(crate) ring: Ring,
    /// Another number of virtual nodes makes each ring another.
    preview: bool,
    /// Types whose calls wait.
    pub(crate) blocked: BTreeSet<String>,
}

impl Rings {
    /// Takes in a table; the types whose rings are others now.
    fn update(&mut self, ring: Ring, preview: bool) -> BTreeSet<String> {
        let types = self.ring.keys().chain(ring.keys());
        let differs =
            |kind: &&String| preview != self.preview || self.ring.get(*kind) != ring.get(*kind);
        let changed: BTreeSet<_> = types.filter(differs).cloned().collect();
        self.blocked.extend(changed.clone());
        (self.ring, self.preview) = (ring, preview);
        changed
    }
}

impl Sidecar {
    pub(crate) fn new(name: String, explicit: bool, types: u8, since: Duration) -> Self {
        Self {
            name,
            since,
            explicit,
            types,
            open: true,
            frozen: false,
            asked: None,
            outbox: Outbox::default(),
            sent: VecDeque::new(),
            locked: 0,
            updated: None,
            unlocked: None,
            rings: Rings::default(),
            changed: BTreeSet::new(),
        }
    }

    /// Where its pod is.
    pub(crate) fn address(&self) -> IpAddr {
        let address: SocketAddr = self.name.parse().expect("names are addresses here");
        address.ip()
    }

    pub(crate) fn host(&self) -> Host {
        Host {
            name: self.name.clone(),
            entities: type_names(self.types).collect(),
            operation: if self.explicit {
                Operation::Report
            } else {
                Operation::Unknown
            },
            ..Host::default()
        }
    }

    /// Its next stream.
    pub(crate) fn returns(&self) -> Happening {
        Happening::Return {
            name: self.name.clone(),
            explicit: self.explicit,
            types: self.types,
        }
    }

    /// What a sidecar does with an order, and its answer.
    pub(crate) fn obey(&mut self, frame: Frame) -> Option<Host> {
        let version = frame.order.version;
        assert!(version >= self.locked, "an order of the past");
        let operation = match frame.order.step {
            Step::Lock => {
                self.locked = version;
                Operation::Lock
            }
            Step::Update | Step::Preview => {
                let preview = frame.order.step == Step::Preview;
                self.updated = (!preview).then_some(version);
                self.changed.extend(self.rings.update(frame.ring, preview));
                Operation::Update
            }
            Step::Unlock if self.updated == Some(version) => {
                self.unlocked = Some(version);
                for kind in std::mem::take(&mut self.changed) {
                    self.rings.blocked.remove(&kind);
                }
                Operation::Unlock
            }
            Step::Unlock => return None,
        };
        let explicit = Host {
            operation,
            version: Some(self.locked),
            ..Host::default()
        };
        Some(if self.explicit { explicit } else { self.host() })
    }
}

/// The types that the bits of a number stand for.
pub(crate) fn type_names(types: u8) -> impl Iterator<Item = String> {
    (0..3)
        .filter(move |bit| types & (1 << bit) != 0)
        .map(|bit| format!("type-{bit}"))
}
