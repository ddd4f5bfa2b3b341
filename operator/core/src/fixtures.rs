//! Resources for tests.

use serde_json::{Value, json};

use crate::kind::Kind;
use crate::resource::Resource;

pub(crate) fn component(name: &str) -> Resource {
    component_with(name, &json!({}))
}

/// A component of the namespace `default` with further fields.
pub(crate) fn component_with(name: &str, fields: &Value) -> Resource {
    let mut object = json!({"metadata": {}});
    merge(&mut object, fields);
    merge(
        &mut object,
        &json!({"metadata": {"name": name, "namespace": "default"}}),
    );
    Resource::new(Kind::Component, object).unwrap()
}

fn merge(into: &mut Value, from: &Value) {
    let (Some(into), Some(from)) = (into.as_object_mut(), from.as_object()) else {
        return;
    };
    for (key, value) in from {
        match into.get_mut(key) {
            Some(existing) if existing.is_object() => merge(existing, value),
            _ => drop(into.insert(key.clone(), value.clone())),
        }
    }
}
