//! Conversion of Subscriptions between their two versions, which loses nothing either way.
//!
//! The older version has a single path and no rules. Dapr drops them there (its
//! `pkg/apis/subscriptions/v2alpha1`), so that whoever writes back what was read destroys them; here
//! an annotation carries them, the one place that the API server lets a conversion write to.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

/// Why an object cannot be converted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotConverted {
    /// Neither version of a Subscription.
    #[error("convert {kind} of {version}: not a Subscription that is known here")]
    Unknown {
        /// Kind of the object.
        kind: String,
        /// Group and version of the object.
        version: String,
    },
    /// There is nothing to convert, or no such version.
    #[error("convert a Subscription from {from} to {to}: no such conversion")]
    NoSuchConversion {
        /// Group and version of the object.
        from: String,
        /// Group and version that were asked for.
        to: String,
    },
}

const OLDER: &str = "dapr.io/v1alpha1";
const NEWER: &str = "dapr.io/v2alpha1";

/// Annotation of a Subscription in its older version: the routes of the newer one, as JSON.
const ROUTES: &str = "trilby.dev/routes";

/// A Subscription in another version.
///
/// # Errors
///
/// If the object is no Subscription, or already in that version.
pub fn convert(mut object: Value, desired: &str) -> Result<Value, NotConverted> {
    let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
    let (kind, from) = (text("kind"), text("apiVersion"));
    if kind != "Subscription" || ![OLDER, NEWER].contains(&from.as_str()) {
        return Err(NotConverted::Unknown {
            kind,
            version: from,
        });
    }
    match (from.as_str(), desired) {
        (OLDER, NEWER) => to_newer(&mut object),
        (NEWER, OLDER) => to_older(&mut object),
        _ => {
            return Err(NotConverted::NoSuchConversion {
                from,
                to: desired.to_owned(),
            });
        }
    }
    object["apiVersion"] = desired.into();
    Ok(object)
}

/// The answer to a `ConversionReview`; none if it holds no request. All objects are converted, or
/// none.
pub fn answer(mut review: Value) -> Option<Value> {
    let mut request = review
        .as_object_mut()?
        .remove("request")
        .filter(Value::is_object)?;
    let desired = request["desiredAPIVersion"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let objects = match request["objects"].take() {
        Value::Array(objects) => objects,
        _ => Vec::new(),
    };
    let converted: Result<Vec<Value>, NotConverted> = objects
        .into_iter()
        .map(|object| convert(object, &desired))
        .collect();
    let (objects, result) = match converted {
        Ok(objects) => (Value::Array(objects), json!({"status": "Success"})),
        Err(error) => (
            Value::Null,
            json!({"status": "Failure", "message": error.to_string()}),
        ),
    };
    review["response"] =
        json!({"uid": request["uid"], "convertedObjects": objects, "result": result});
    Some(review)
}

fn to_newer(object: &mut Value) {
    let kept = take_annotation(object).and_then(|text| serde_json::from_str(&text).ok());
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    let route = spec.remove("route").unwrap_or_else(|| "".into());
    let mut routes: Map<String, Value> = kept.unwrap_or_default();
    if routes.is_empty() || *default_of(&routes) != route {
        routes.insert("default".to_owned(), route);
    }
    spec.insert("routes".to_owned(), routes.into());
}

fn to_older(object: &mut Value) {
    take_annotation(object);
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    let routes = match spec.remove("routes") {
        Some(Value::Object(routes)) => routes,
        _ => Map::new(),
    };
    spec.insert("route".to_owned(), default_of(&routes).into_owned());
    if routes.keys().any(|key| key != "default") {
        annotate(object, &Value::Object(routes));
    }
}

/// No default is an empty one.
fn default_of(routes: &Map<String, Value>) -> Cow<'_, Value> {
    let default = routes.get("default").map(Cow::Borrowed);
    default.unwrap_or_else(|| Cow::Owned("".into()))
}

fn annotate(object: &mut Value, routes: &Value) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    let annotations = metadata.entry("annotations").or_insert(Value::Null);
    if !annotations.is_object() {
        *annotations = json!({});
    }
    annotations[ROUTES] = routes.to_string().into();
}

/// Removes the annotation, and all annotations if it was the only one.
fn take_annotation(object: &mut Value) -> Option<String> {
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    let annotations = metadata.get_mut("annotations")?.as_object_mut()?;
    let taken = annotations.remove(ROUTES)?;
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
    taken.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn subscription(version: &str, spec: &Value) -> Value {
        json!({
            "apiVersion": version,
            "kind": "Subscription",
            "metadata": {"name": "s", "namespace": "shop", "annotations": {"a": "b"}},
            "spec": spec,
            "scopes": ["app"],
        })
    }

    #[rstest]
    #[case(json!({"topic": "t", "route": "/t"}), json!({"topic": "t", "routes": {"default": "/t"}}))]
    #[case(json!({"topic": "t"}), json!({"topic": "t", "routes": {"default": ""}}))]
    fn older_gets_a_default_route(#[case] older: Value, #[case] newer: Value) {
        let converted = convert(subscription(OLDER, &older), NEWER).unwrap();
        assert_eq!(converted, subscription(NEWER, &newer));
    }

    #[rstest]
    #[case(json!({"routes": {"default": "/t"}}), json!({"route": "/t"}))]
    #[case(json!({"routes": {}}), json!({"route": ""}))]
    #[case(json!({"routes": null}), json!({"route": ""}))]
    fn newer_keeps_its_default_route(#[case] newer: Value, #[case] older: Value) {
        let converted = convert(subscription(NEWER, &newer), OLDER).unwrap();
        assert_eq!(converted, subscription(OLDER, &older));
    }

    fn with_rules() -> Value {
        let rules = json!([{"match": "true", "path": "/x"}]);
        subscription(
            NEWER,
            &json!({"topic": "t", "routes": {"default": "/t", "rules": rules}}),
        )
    }

    #[test]
    fn rules_go_along_in_the_older_version_and_come_back() {
        let older = convert(with_rules(), OLDER).unwrap();
        assert_eq!(older["spec"], json!({"topic": "t", "route": "/t"}));
        assert_eq!(older["metadata"]["annotations"]["a"], "b");
        assert_eq!(convert(older, NEWER).unwrap(), with_rules());
    }

    #[test]
    fn a_path_that_was_changed_in_the_older_version_is_the_new_default() {
        let mut older = convert(with_rules(), OLDER).unwrap();
        older["spec"]["route"] = "/other".into();
        let newer = convert(older, NEWER).unwrap();
        let routes = json!({"default": "/other", "rules": [{"match": "true", "path": "/x"}]});
        assert_eq!(newer["spec"]["routes"], routes);
    }

    #[test]
    fn rules_that_were_taken_away_in_the_older_version_stay_away() {
        let mut older = convert(with_rules(), OLDER).unwrap();
        older["metadata"]["annotations"] = json!({"a": "b"});
        let newer = convert(older, NEWER).unwrap();
        assert_eq!(newer["spec"]["routes"], json!({"default": "/t"}));
    }

    #[rstest]
    #[case(json!("no JSON"))]
    #[case(json!("[]"))]
    #[case(json!(7))]
    fn an_annotation_that_was_spoilt_is_dropped(#[case] text: Value) {
        let mut older = subscription(OLDER, &json!({"route": "/t"}));
        older["metadata"]["annotations"][ROUTES] = text;
        let expected = subscription(NEWER, &json!({"routes": {"default": "/t"}}));
        assert_eq!(convert(older, NEWER).unwrap(), expected);
    }

    #[test]
    fn the_status_goes_along() {
        let mut newer = with_rules();
        newer["status"] = json!({"conditions": [{"type": "Valid"}]});
        let older = convert(newer.clone(), OLDER).unwrap();
        assert_eq!(older["status"], newer["status"]);
        assert_eq!(convert(older, NEWER).unwrap(), newer);
    }

    #[rstest]
    #[case("Component", OLDER, NEWER)]
    #[case("Subscription", "dapr.io/v3", NEWER)]
    #[case("Subscription", NEWER, NEWER)]
    #[case("Subscription", NEWER, "dapr.io/v3")]
    fn nothing_else_is_converted(#[case] kind: &str, #[case] from: &str, #[case] to: &str) {
        assert!(convert(json!({"kind": kind, "apiVersion": from}), to).is_err());
    }

    fn review(objects: &Value) -> Value {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "ConversionReview",
            "request": {"uid": "u", "desiredAPIVersion": NEWER, "objects": objects},
        })
    }

    #[test]
    fn a_review_is_answered_in_order() {
        let objects = json!([
            subscription(OLDER, &json!({"route": "/a"})),
            subscription(OLDER, &json!({"route": "/b"}))
        ]);
        let answer = answer(review(&objects)).unwrap();
        assert_eq!(answer.get("request"), None);
        assert_eq!(answer["kind"], "ConversionReview");
        assert_eq!(answer["response"]["uid"], "u");
        assert_eq!(answer["response"]["result"]["status"], "Success");
        assert_eq!(
            answer["response"]["convertedObjects"][1]["spec"]["routes"]["default"],
            "/b"
        );
    }

    #[test]
    fn one_failure_fails_the_review() {
        let objects = json!([subscription(OLDER, &json!({"route": "/a"})), {"kind": "Pod"}]);
        let answer = answer(review(&objects)).unwrap();
        assert_eq!(answer["response"]["result"]["status"], "Failure");
        assert_eq!(answer["response"]["convertedObjects"], Value::Null);
        assert_eq!(answer["response"]["uid"], "u");
    }

    #[rstest]
    #[case(json!({"kind": "ConversionReview"}))]
    #[case(json!({"request": null}))]
    #[case(json!("text"))]
    fn a_review_without_a_request_has_no_answer(#[case] review: Value) {
        assert_eq!(answer(review), None);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_in_a_round_trip(
            topic in ".*",
            default in prop::option::of(".*"),
            paths in prop::collection::vec(".*", 0..4),
            annotated in any::<bool>(),
        ) {
            let rules: Vec<Value> =
                paths.iter().map(|path| json!({"match": "m", "path": path})).collect();
            let mut routes = json!({});
            if let Some(default) = default {
                routes["default"] = default.into();
            }
            if !rules.is_empty() {
                routes["rules"] = rules.into();
            } else if routes["default"].is_null() {
                routes["default"] = "".into();
            }
            let spec = json!({"pubsubname": "bus", "topic": topic, "routes": routes});
            let mut before = subscription(NEWER, &spec);
            if !annotated {
                before["metadata"].as_object_mut().unwrap().remove("annotations");
            }
            let there = convert(before.clone(), OLDER).unwrap();
            prop_assert!(there["spec"].get("routes").is_none());
            prop_assert_eq!(convert(there, NEWER).unwrap(), before);
        }
    }
}
