//! Which hosts a leader serves, as its followers remember it: the hosts to wait for after a
//! change of leader, so that no table is spread from which most of them are missing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The names of the hosts with actor types, by namespace; a namespace without any is not listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster(BTreeMap<String, BTreeSet<String>>);

/// What became different in one namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where.
    pub namespace: String,
    /// Names that were not there before.
    pub joined: Vec<String>,
    /// Names that are gone.
    pub left: Vec<String>,
}

/// How many names one change holds at most, so that a change is a message of bounded size.
const MOST_NAMES: usize = 1_000;
/// How much is remembered in all, in bytes: names are the clients' own choice, and memory is not.
/// A new leader does not wait for the hosts beyond, and for those whose name is no address.
const MOST_BYTES: usize = 3 << 19;
/// What a name costs beside itself.
const OVERHEAD: usize = 3;

// === impl Roster ===

impl Roster {
    /// The roster of these hosts, each with its namespace before it, as far as they can be
    /// remembered.
    pub fn of(hosts: impl IntoIterator<Item = (String, BTreeSet<String>)>) -> Self {
        let mut room = MOST_BYTES;
        let mut fits = |name: &String| {
            let fits = name.bytes().all(|byte| byte.is_ascii_graphic());
            let left = room.checked_sub(name.len() + OVERHEAD).filter(|_| fits);
            room = left.unwrap_or(room);
            left.is_some()
        };
        let mut namespaces = BTreeMap::new();
        for (namespace, names) in hosts {
            if names.is_empty() || !fits(&namespace) {
                continue;
            }
            let names: BTreeSet<_> = names.into_iter().filter(&mut fits).collect();
            if !names.is_empty() {
                namespaces.insert(namespace, names);
            }
        }
        Self(namespaces)
    }

    /// Takes the hosts of one namespace out.
    pub fn take(&mut self, namespace: &str) -> BTreeSet<String> {
        self.0.remove(namespace).unwrap_or_default()
    }

    /// How many hosts there are in all namespaces.
    pub fn count(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }

    /// The changes that make this roster the `wanted` one.
    pub fn changes_to(&self, wanted: &Self) -> Vec<Change> {
        let namespaces: BTreeSet<_> = self.0.keys().chain(wanted.0.keys()).collect();
        let differences = namespaces.into_iter().flat_map(|namespace| {
            let (none, known, wanted) = (
                BTreeSet::new(),
                self.0.get(namespace),
                wanted.0.get(namespace),
            );
            let (known, wanted) = (known.unwrap_or(&none), wanted.unwrap_or(&none));
            let joined = pieces(namespace, wanted.difference(known), Change::joined);
            let left = pieces(namespace, known.difference(wanted), Change::left);
            joined.into_iter().chain(left)
        });
        differences.collect()
    }

    /// Follows one change.
    pub fn apply(&mut self, change: &Change) {
        let names = self.0.entry(change.namespace.clone()).or_default();
        names.extend(change.joined.iter().cloned());
        for name in &change.left {
            names.remove(name);
        }
        if names.is_empty() {
            self.0.remove(&change.namespace);
        }
    }
}

fn pieces<'n>(
    namespace: &str,
    names: impl Iterator<Item = &'n String>,
    change: impl Fn(String, Vec<String>) -> Change,
) -> Vec<Change> {
    let names: Vec<_> = names.cloned().collect();
    let pieces = names.chunks(MOST_NAMES);
    pieces
        .map(|names| change(namespace.to_owned(), names.to_vec()))
        .collect()
}

// === impl Change ===

impl Change {
    fn joined(namespace: String, joined: Vec<String>) -> Self {
        Self {
            namespace,
            joined,
            left: Vec::new(),
        }
    }

    fn left(namespace: String, left: Vec<String>) -> Self {
        Self {
            namespace,
            joined: Vec::new(),
            left,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn roster(namespaces: &[(&str, &[&str])]) -> Roster {
        Roster::of(namespaces.iter().map(|(namespace, names)| {
            (
                (*namespace).to_owned(),
                names.iter().map(ToString::to_string).collect(),
            )
        }))
    }

    #[test]
    fn forgets_a_namespace_with_its_last_host() {
        let (mut known, wanted) = (roster(&[("n", &["a"])]), roster(&[]));
        for change in known.changes_to(&wanted) {
            known.apply(&change);
        }
        assert_eq!(known, wanted);
        assert_eq!(known.take("n"), BTreeSet::new());
    }

    #[test]
    fn remembers_no_more_than_it_has_room_for() {
        let long = "x".repeat(MOST_BYTES);
        assert_eq!(
            roster(&[("n", &[&long, "a", "no address"]), (&long, &["b"])]).count(),
            1
        );
        let many = (0..1_000_000).map(|host| host.to_string()).collect();
        let roster = Roster::of([("n".to_owned(), many)]);
        assert!(
            (100_000..300_000).contains(&roster.count()),
            "{}",
            roster.count()
        );
        let changes = Roster::default().changes_to(&roster);
        assert!(
            changes
                .iter()
                .all(|change| change.joined.len() <= MOST_NAMES)
        );
    }

    proptest! {
        #[test]
        fn changes_lead_to_what_is_wanted(
            known in prop::collection::btree_map("[a-c]", prop::collection::btree_set("[a-e]", 1..5), 0..3),
            wanted in prop::collection::btree_map("[a-c]", prop::collection::btree_set("[a-e]", 1..5), 0..3),
        ) {
            let (mut known, wanted) = (Roster(known), Roster(wanted));
            for change in known.changes_to(&wanted) {
                known.apply(&change);
            }
            prop_assert_eq!(known.changes_to(&wanted), vec![]);
            prop_assert_eq!(known, wanted);
        }
    }
}
