//! What each stream reported, and the table made of it.

use std::collections::BTreeMap;

use crate::{host::Host, stream::StreamId, table::Table};

/// The hosts with at least one actor type, by stream; owns the [`Table`], so that the two can
/// never disagree.
#[derive(Debug, Default)]
pub struct Hosts {
    by_stream: BTreeMap<StreamId, Host>,
    table: Table,
    revision: u64,
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
        self.table.remove(stream, &host);
        self.revision += 1;
        true
    }

    fn insert(&mut self, stream: StreamId, host: Host) {
        if !host.entities.is_empty() {
            self.table.insert(stream, &host);
            self.revision += 1;
            self.by_stream.insert(stream, host);
        }
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
}
