//! The list of placement replicas, as `--initial-cluster` gives it.

use std::collections::BTreeMap;

/// The replicas by ID; never empty, and contains this replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peers {
    own: String,
    all: BTreeMap<String, String>,
}

/// Why a list of replicas cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeersError {
    /// This replica is not in the list.
    #[error(
        "--initial-cluster lists no replica with this one's --id \"{id}\" (it lists: {listed})"
    )]
    OwnMissing {
        /// The ID of this replica.
        id: String,
        /// The IDs found.
        listed: String,
    },
}

// === impl Peers ===

impl Peers {
    /// Reads entries `id=host:port`. An entry that does not split at `=` in exactly two is
    /// passed over, as Dapr does; of two with one ID the last counts.
    ///
    /// # Errors
    /// If `id` is not among them.
    pub fn parse<'e>(
        id: &str,
        entries: impl IntoIterator<Item = &'e str>,
    ) -> Result<Self, PeersError> {
        let all: BTreeMap<_, _> = entries.into_iter().filter_map(entry).collect();
        if all.contains_key(id) {
            return Ok(Self {
                own: id.into(),
                all,
            });
        }
        let listed = all.into_keys().collect::<Vec<_>>().join(", ");
        Err(PeersError::OwnMissing {
            id: id.into(),
            listed,
        })
    }

    /// The `host:port` of this replica.
    pub fn own_address(&self) -> &str {
        self.all.get(&self.own).map_or("", String::as_str)
    }

    /// The ID of this replica.
    pub fn own(&self) -> &str {
        &self.own
    }

    /// The IDs of all replicas.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.all.keys().map(String::as_str)
    }

    /// The `host:port` of a replica.
    pub fn address(&self, id: &str) -> Option<&str> {
        self.all.get(id).map(String::as_str)
    }

    /// How many replicas there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }
}

fn entry(text: &str) -> Option<(String, String)> {
    let mut parts = text.split('=').map(str::trim);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(id), Some(address), None) => Some((id.into(), address.into())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_list_and_drops_what_is_no_entry() {
        let peers = Peers::parse("a", ["a = h:1 ", "b=h:2", "c", "d=e=f", ""]).unwrap();
        assert_eq!((peers.own_address(), peers.count()), ("h:1", 2));
    }

    #[test]
    fn needs_itself_in_the_list() {
        let error = Peers::parse("x", ["a=h:1", "b=h:2"]).unwrap_err();
        assert!(error.to_string().contains("--initial-cluster"), "{error}");
        assert!(error.to_string().contains("a, b"), "{error}");
    }
}
