//! Conversion of Subscriptions between their two versions.

use serde_json::{Value, json};

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

/// A Subscription in another version. The older one has a single path, so rules are lost in it.
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
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    let route = spec.remove("route").unwrap_or_else(|| "".into());
    spec.insert("routes".to_owned(), json!({"default": route}));
}

fn to_older(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    let routes = spec.remove("routes").unwrap_or_default();
    let route = routes.get("default").cloned().unwrap_or_else(|| "".into());
    spec.insert("route".to_owned(), route);
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
    #[case(json!({"routes": {"default": "/t", "rules": [{"match": "true", "path": "/x"}]}}), json!({"route": "/t"}))]
    #[case(json!({"routes": {}}), json!({"route": ""}))]
    fn newer_keeps_its_default_route(#[case] newer: Value, #[case] older: Value) {
        let converted = convert(subscription(NEWER, &newer), OLDER).unwrap();
        assert_eq!(converted, subscription(OLDER, &older));
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
        fn default_routes_survive_a_round_trip(topic in ".*", route in ".*", waits in any::<i32>()) {
            let spec = json!({
                "pubsubname": "bus",
                "topic": topic,
                "routes": {"default": route},
                "bulkSubscribe": {"enabled": true, "maxAwaitDurationMs": waits},
            });
            let before = subscription(NEWER, &spec);
            let there = convert(before.clone(), OLDER).unwrap();
            prop_assert_eq!(convert(there, NEWER).unwrap(), before);
        }
    }
}
