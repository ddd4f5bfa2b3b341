//! Whether a definition that the API server has is to be replaced by that of this release.

use crds::VERSION_ANNOTATION;
use serde_json::Value;

/// What to do about a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is of this release, or of a newer one.
    Leave,
    /// It is missing, or older.
    Apply,
    /// It has something that this release does not know, and that objects might lose.
    Spare {
        /// What that is.
        path: String,
    },
}

/// What to do about a definition, given the one that is there.
pub fn action(existing: Option<&Value>, ours: &Value) -> Action {
    let Some(existing) = existing else {
        return Action::Apply;
    };
    let told = version(existing);
    if told.is_some() && told >= version(ours) {
        return Action::Leave;
    }
    match unknown(existing, ours) {
        Some(path) => Action::Spare { path },
        None => Action::Apply,
    }
}

/// The release that a definition came with, `1.18.2-trilby.1` as its four numbers; none if it does
/// not say.
fn version(definition: &Value) -> Option<Vec<u64>> {
    let text = definition["metadata"]["annotations"][VERSION_ANNOTATION].as_str()?;
    let numbers = text.replacen("-trilby", "", 1);
    numbers.split('.').map(|part| part.parse().ok()).collect()
}

/// Something of a definition that ours has not.
fn unknown(existing: &Value, ours: &Value) -> Option<String> {
    versions(existing).find_map(|version| {
        let name = version["name"].as_str().unwrap_or_default();
        let Some(known) = versions(ours).find(|known| known["name"] == *name) else {
            return Some(name.to_owned());
        };
        let schema = |version: &Value| version["schema"]["openAPIV3Schema"].clone();
        missing(&schema(version), &schema(known), name)
    })
}

fn versions(definition: &Value) -> impl Iterator<Item = &Value> {
    definition["spec"]["versions"]
        .as_array()
        .into_iter()
        .flatten()
}

/// A property or a value of a schema that ours has not, by its path.
fn missing(existing: &Value, ours: &Value, path: &str) -> Option<String> {
    if ours["x-kubernetes-preserve-unknown-fields"] == true {
        return None;
    }
    let values = existing["enum"].as_array().into_iter().flatten();
    if let Some(known) = ours["enum"].as_array()
        && let Some(value) = values.into_iter().find(|value| !known.contains(value))
    {
        return Some(format!("{path}={value}"));
    }
    let properties = existing["properties"].as_object().into_iter().flatten();
    let mut inner: Vec<(&Value, &Value, String)> = properties
        .map(|(name, schema)| (schema, &ours["properties"][name], format!("{path}.{name}")))
        .collect();
    for (keyword, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if existing[keyword].is_object() {
            inner.push((&existing[keyword], &ours[keyword], format!("{path}{mark}")));
        }
    }
    inner.into_iter().find_map(|(existing, ours, path)| {
        if ours.is_object() {
            missing(existing, ours, &path)
        } else {
            Some(path)
        }
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn definition(version: Option<&str>, properties: &Value) -> Value {
        let mut definition = json!({"metadata": {}, "spec": {"versions": [{
            "name": "v1",
            "schema": {"openAPIV3Schema": {"properties": properties}},
        }]}});
        if let Some(version) = version {
            definition["metadata"]["annotations"] = json!({VERSION_ANNOTATION: version});
        }
        definition
    }

    #[rstest]
    #[case::same(Some("1.18.2-trilby.3"), Action::Leave)]
    #[case::newer(Some("1.18.10-trilby.1"), Action::Leave)]
    #[case::newer_for_the_same(Some("1.18.2-trilby.10"), Action::Leave)]
    #[case::older(Some("1.18.1-trilby.9"), Action::Apply)]
    #[case::older_for_the_same(Some("1.18.2-trilby.2"), Action::Apply)]
    #[case::without_one_of_ours(Some("1.18.2"), Action::Apply)]
    #[case::much_older(Some("1.9.30"), Action::Apply)]
    #[case::unmarked(None, Action::Apply)]
    #[case::odd(Some("latest"), Action::Apply)]
    fn releases_are_compared(#[case] version: Option<&str>, #[case] expected: Action) {
        let ours = definition(Some("1.18.2-trilby.3"), &json!({"a": {}}));
        let there = definition(version, &json!({"a": {}}));
        assert_eq!(action(Some(&there), &ours), expected);
    }

    #[test]
    fn what_is_missing_is_applied() {
        assert_eq!(
            action(None, &definition(Some("1"), &json!({}))),
            Action::Apply
        );
    }

    #[rstest]
    #[case(json!({"a": {}}), None)]
    #[case(json!({"new": {}}), Some("v1.new"))]
    #[case(json!({"list": {"items": {"properties": {"new": {}}}}}), Some("v1.list[].new"))]
    #[case(json!({"map": {"additionalProperties": {"properties": {"new": {}}}}}), Some("v1.map{}.new"))]
    #[case(json!({"any": {"properties": {"new": {}}}}), None)]
    #[case(json!({"choice": {"enum": ["x"]}}), None)]
    #[case(json!({"choice": {"enum": ["x", "z"]}}), Some("v1.choice=\"z\""))]
    fn what_objects_might_lose_is_spared(#[case] there: Value, #[case] path: Option<&str>) {
        let ours = definition(
            Some("1.18.2"),
            &json!({
                "a": {"type": "string"},
                "list": {"items": {"properties": {"a": {}}}},
                "map": {"additionalProperties": {"properties": {}}},
                "any": {"x-kubernetes-preserve-unknown-fields": true},
                "choice": {"enum": ["x", "y"]},
            }),
        );
        let expected = path.map_or(Action::Apply, |path| Action::Spare {
            path: path.to_owned(),
        });
        assert_eq!(action(Some(&definition(None, &there)), &ours), expected);
    }

    #[test]
    fn another_version_is_spared() {
        let mut there = definition(None, &json!({}));
        there["spec"]["versions"][0]["name"] = "v9".into();
        let expected = Action::Spare {
            path: "v9".to_owned(),
        };
        assert_eq!(
            action(Some(&there), &definition(Some("1"), &json!({}))),
            expected
        );
    }

    #[test]
    fn definitions_of_this_release_are_left_alone() {
        for definition in crds::definitions().unwrap() {
            let ours = serde_json::to_value(definition).unwrap();
            assert_eq!(action(Some(&ours), &ours), Action::Leave);
            let mut unmarked = ours.clone();
            unmarked["metadata"]["annotations"] = json!({});
            assert_eq!(action(Some(&unmarked), &ours), Action::Apply);
        }
    }
}
