//! What `/placement/state` shows.
//!
//! The shape is that of Go's JSON encoder over the protobuf messages `StatePlacementTables` and
//! `StatePlacementTable`: snake case, numbers as numbers, zero values and empty lists omitted.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{host::Host, namespace::Namespace};

/// All namespaces with at least one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StateTables {
    /// By namespace.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, StateTable>,
}

/// One namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StateTable {
    /// The hosts with types, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<Host>,
    /// The version of the last round begun.
    #[serde(skip_serializing_if = "is_unversioned")]
    pub version: u64,
}

// === impl StateTable ===

impl From<&Namespace> for StateTable {
    fn from(namespace: &Namespace) -> Self {
        let mut hosts: Vec<_> = namespace.hosts().iter().cloned().collect();
        hosts.sort_by(|a, b| a.name.cmp(&b.name));
        Self {
            hosts,
            version: namespace.version(),
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_unversioned(version: &u64) -> bool {
    *version == 0
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;
    use crate::Operation;

    #[test]
    fn omits_what_is_empty() {
        let mut state = StateTables::default();
        assert_eq!(to_value(&state).unwrap(), json!({}));
        state.tables.insert("default".into(), StateTable::default());
        assert_eq!(
            to_value(&state).unwrap(),
            json!({"tables": {"default": {}}})
        );
    }

    #[test]
    fn writes_numbers_and_snake_case() {
        let host = Host {
            name: "1.2.3.4:5".into(),
            entities: vec!["a".into()],
            id: "app".into(),
            api_level: 20,
            namespace: "ns".into(),
            operation: Operation::Report,
            version: Some(0),
            ..Host::default()
        };
        assert_eq!(
            serde_json::to_string(&StateTable {
                hosts: vec![host],
                version: 3
            })
            .unwrap(),
            r#"{"hosts":[{"name":"1.2.3.4:5","entities":["a"],"id":"app","api_level":20,"namespace":"ns","operation":1,"version":0}],"version":3}"#
        );
    }
}
