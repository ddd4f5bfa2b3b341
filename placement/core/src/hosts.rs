//! What each stream reported, and the table made of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use crate::{
    host::Host,
    stream::StreamId,
    table::{Standing, Table},
};

/// The hosts with at least one actor type, by stream; owns the [`Table`], so that the two can
/// never disagree.
#[derive(Debug, Default)]
pub struct Hosts {
    by_stream: BTreeMap<StreamId, Host>,
    table: Table,
    revision: u64,
    /// Addresses of pods that are being deleted.
    leaving: Arc<BTreeSet<IpAddr>>,
}

// === impl Hosts ===

impl Hosts {
    /// The table of these hosts.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Grows with every change of the table.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// All hosts, in the order of their streams.
    pub fn iter(&self) -> impl Iterator<Item = &Host> {
        self.by_stream.values()
    }

    pub(crate) fn contains(&self, stream: StreamId) -> bool {
        self.by_stream.contains_key(&stream)
    }

    /// Takes in a report; a host without types is no host. Says whether anything changed.
    pub(crate) fn report(&mut self, stream: StreamId, mut host: Host) -> bool {
        host.entities.sort_unstable();
        let changed = match self.by_stream.get(&stream) {
            None => !host.entities.is_empty(),
            Some(known) => known.differs(&host),
        };
        if changed {
            self.remove(stream);
            self.insert(stream, host);
        }
        changed
    }

    /// Says whether the stream had a host.
    pub(crate) fn remove(&mut self, stream: StreamId) -> bool {
        let Some(host) = self.by_stream.remove(&stream) else {
            return false;
        };
        self.table
            .remove(stream, &host, standing(&self.leaving, &host));
        self.revision += 1;
        true
    }

    /// From now on the hosts at these addresses, and no others, are about to end. Says whether
    /// that changes what sidecars would read.
    pub(crate) fn leave(&mut self, leaving: Arc<BTreeSet<IpAddr>>) -> bool {
        let before = self.table.content();
        for (stream, host) in &self.by_stream {
            let (was, is) = (standing(&self.leaving, host), standing(&leaving, host));
            if was != is {
                self.table.remove(*stream, host, was);
                self.table.insert(*stream, host, is);
                self.revision += 1;
            }
        }
        self.leaving = leaving;
        self.table.content() != before
    }

    fn insert(&mut self, stream: StreamId, host: Host) {
        if !host.entities.is_empty() {
            let standing = standing(&self.leaving, &host);
            self.table.insert(stream, &host, standing);
            self.revision += 1;
            self.by_stream.insert(stream, host);
        }
    }
}

/// A host's name is where it is called: its pod's address with a port.
fn standing(leaving: &BTreeSet<IpAddr>, host: &Host) -> Standing {
    let address = || host.name.parse::<SocketAddr>().ok();
    if !leaving.is_empty() && address().is_some_and(|it| leaving.contains(&it.ip())) {
        Standing::Leaving
    } else {
        Standing::Staying
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, entities: &[&str]) -> Host {
        let entities = entities.iter().map(ToString::to_string).collect();
        Host {
            name: name.into(),
            entities,
            ..Host::default()
        }
    }

    fn rows(hosts: &Hosts) -> Vec<(String, Vec<String>)> {
        let names = |addresses: Vec<&crate::Address>| {
            addresses
                .into_iter()
                .map(|address| address.name.clone())
                .collect()
        };
        let types = hosts.table().types();
        types
            .map(|(kind, hosts)| (kind.to_owned(), names(hosts.collect())))
            .collect()
    }

    #[test]
    fn keeps_the_table_in_step() {
        let mut hosts = Hosts::default();
        assert!(hosts.report(StreamId(1), host("b", &["x", "y"])));
        assert!(hosts.report(StreamId(2), host("a", &["y"])));
        assert!(
            !hosts.report(StreamId(1), host("b", &["y", "x"])),
            "the order is no change"
        );
        let both = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(
            rows(&hosts),
            [("x".into(), vec!["b".into()]), ("y".into(), both)]
        );

        assert!(hosts.report(StreamId(1), host("b", &["z"])));
        assert_eq!(
            rows(&hosts),
            [
                ("y".into(), vec!["a".into()]),
                ("z".into(), vec!["b".into()])
            ]
        );
        assert!(
            hosts.report(StreamId(1), host("b", &[])),
            "the last type is gone"
        );
        assert!(!hosts.contains(StreamId(1)));
        assert!(hosts.remove(StreamId(2)));
        assert_eq!(rows(&hosts), []);
    }

    #[test]
    fn lists_a_name_once_and_believes_its_newest_stream() {
        let mut hosts = Hosts::default();
        for (stream, id) in [(1, "old"), (2, "new")] {
            let host = Host {
                id: id.into(),
                ..host("a", &["x", "x"])
            };
            assert!(hosts.report(StreamId(stream), host));
        }
        let ids = |hosts: &Hosts| -> Vec<String> {
            hosts
                .table()
                .types()
                .flat_map(|(_, hosts)| hosts.map(|a| a.id.clone()))
                .collect()
        };
        assert_eq!(ids(&hosts), ["new"]);
        assert!(hosts.remove(StreamId(2)));
        assert_eq!(ids(&hosts), ["old"]);
    }

    #[test]
    fn sees_a_new_address() {
        let mut hosts = Hosts::default();
        hosts.report(StreamId(1), host("a", &["x"]));
        assert!(hosts.report(StreamId(1), host("b", &["x"])));
        assert_eq!(rows(&hosts), [("x".into(), vec!["b".into()])]);
    }

    fn leaving(addresses: &[&str]) -> Arc<BTreeSet<IpAddr>> {
        let parsed = addresses.iter().map(|address| address.parse().unwrap());
        Arc::new(parsed.collect())
    }

    #[test]
    fn leaves_out_who_is_about_to_end_unless_nobody_else_is_there() {
        let mut hosts = Hosts::default();
        hosts.report(StreamId(1), host("10.0.0.1:50002", &["x", "y"]));
        hosts.report(StreamId(2), host("[fd00::2]:50002", &["y"]));
        assert!(hosts.leave(leaving(&["10.0.0.1", "10.0.0.9"])));
        let only = |name: &str| vec![name.to_owned()];
        assert_eq!(
            rows(&hosts),
            [
                ("x".into(), only("10.0.0.1:50002")),
                ("y".into(), only("[fd00::2]:50002"))
            ]
        );
        assert!(
            !hosts.leave(leaving(&["10.0.0.1"])),
            "nobody here had the other address"
        );
        assert!(
            hosts.leave(leaving(&["10.0.0.1", "fd00::2"])),
            "now y has only leaving hosts"
        );
        assert_eq!(rows(&hosts)[1].1.len(), 2);
        assert!(hosts.remove(StreamId(1)));
        assert_eq!(rows(&hosts), [("y".into(), only("[fd00::2]:50002"))]);
    }

    #[test]
    fn a_new_host_at_the_address_of_one_that_ended_is_like_any_other() {
        let mut hosts = Hosts::default();
        hosts.leave(leaving(&["10.0.0.1"]));
        hosts.report(StreamId(1), host("10.0.0.1:50002", &["x"]));
        hosts.report(StreamId(2), host("10.0.0.2:50002", &["x"]));
        assert_eq!(rows(&hosts)[0].1, ["10.0.0.2:50002"]);
        assert!(hosts.leave(leaving(&[])));
        assert_eq!(rows(&hosts)[0].1, ["10.0.0.1:50002", "10.0.0.2:50002"]);
    }
}
