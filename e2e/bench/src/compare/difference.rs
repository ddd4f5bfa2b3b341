//! Where two JSON values differ.

use std::collections::BTreeSet;

use serde_json::Value;

/// One place at which the injectors' results differ; `null` where one has nothing there.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Difference {
    /// Members joined by dots; an item of a list goes by its name if all items have one.
    pub(super) at: String,
    pub(super) original: Value,
    pub(super) ours: Value,
}

/// All places at which the values differ.
pub(super) fn differences(original: &Value, ours: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk("", original, ours, &mut found);
    found
}

fn walk(at: &str, original: &Value, ours: &Value, found: &mut Vec<Difference>) {
    if original == ours {
        return;
    }
    let Some(keys) = keys(original, ours) else {
        found.push(Difference {
            at: at.to_owned(),
            original: original.clone(),
            ours: ours.clone(),
        });
        return;
    };
    for key in keys {
        let below = if at.is_empty() {
            key.clone()
        } else {
            format!("{at}.{key}")
        };
        walk(&below, child(original, &key), child(ours, &key), found);
    }
}

/// What leads on to the parts of both; none if they are compared as a whole.
fn keys(original: &Value, ours: &Value) -> Option<BTreeSet<String>> {
    match (original, ours) {
        (Value::Object(a), Value::Object(b)) => Some(a.keys().chain(b.keys()).cloned().collect()),
        (Value::Array(a), Value::Array(b)) => {
            let (a, b) = (names(a)?, names(b)?);
            let shared = |all: &[&str], other: &[&str]| -> Vec<String> {
                let shared = all.iter().filter(|name| other.contains(name));
                shared.map(|name| (*name).to_owned()).collect()
            };
            let same_order = shared(&a, &b) == shared(&b, &a);
            same_order.then(|| a.iter().chain(&b).map(|name| (*name).to_owned()).collect())
        }
        _ => None,
    }
}

/// The names of all items, if all have one and no two the same.
fn names(list: &[Value]) -> Option<Vec<&str>> {
    let names: Vec<&str> = list
        .iter()
        .map(|item| item["name"].as_str())
        .collect::<Option<_>>()?;
    let different: BTreeSet<&str> = names.iter().copied().collect();
    (different.len() == names.len()).then_some(names)
}

fn child<'v>(value: &'v Value, key: &str) -> &'v Value {
    const NOTHING: &Value = &Value::Null;
    match value {
        Value::Array(items) => items
            .iter()
            .find(|item| item["name"] == key)
            .unwrap_or(NOTHING),
        other => other.get(key).unwrap_or(NOTHING),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::same(json!({"a": [1]}), json!({"a": [1]}), &[])]
    #[case::member(json!({"a": {"b": 1}}), json!({"a": {"b": 2}}), &["a.b"])]
    #[case::missing(json!({"a": {"b": 1}}), json!({"a": {}}), &["a.b"])]
    #[case::named(json!({"c": [{"name": "x", "v": 1}, {"name": "y"}]}),
        json!({"c": [{"name": "x", "v": 2}]}), &["c.x.v", "c.y"])]
    #[case::order(json!({"c": [{"name": "x"}, {"name": "y"}]}),
        json!({"c": [{"name": "y"}, {"name": "x"}]}), &["c"])]
    #[case::twice(json!({"c": [{"name": "x"}, {"name": "x"}]}), json!({"c": [{"name": "x"}]}), &["c"])]
    #[case::no_names(json!({"c": ["x"]}), json!({"c": ["x", "y"]}), &["c"])]
    fn finds(#[case] original: Value, #[case] ours: Value, #[case] expected: &[&str]) {
        let found = differences(&original, &ours);
        let at: Vec<&str> = found.iter().map(|one| one.at.as_str()).collect();
        assert_eq!(at, expected);
    }
}
