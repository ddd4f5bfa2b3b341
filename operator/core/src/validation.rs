//! The answer to a review of a resource before it is stored: a warning for what sidecars use in part,
//! a refusal of what would end them.

use serde_json::{Value, json};

use crate::conversion::convert;
use crate::kind::Kind;
use crate::status::{Problem, problems};

/// API servers cut warnings that are longer, in bytes.
const LONGEST_WARNING: usize = 256;

/// The answer to an `AdmissionReview`; none if it holds no request. What was wrong before is no
/// reason to refuse a change of something else.
pub fn answer(mut review: Value) -> Option<Value> {
    let request = review
        .as_object_mut()?
        .remove("request")
        .filter(Value::is_object)?;
    let found = found(&request, "object");
    let before = self::found(&request, "oldObject");
    let (fatal, partial): (Vec<Problem>, Vec<Problem>) = found
        .into_iter()
        .partition(|problem| problem.fatal && !before.contains(problem));
    let mut response = json!({
        "uid": request["uid"],
        "allowed": fatal.is_empty(),
        "warnings": partial.iter().map(warning).collect::<Vec<_>>(),
    });
    if !fatal.is_empty() {
        let texts: Vec<String> = fatal.iter().map(ToString::to_string).collect();
        let message = format!("sidecars that load it would end: {}", texts.join("; "));
        response["status"] = json!({"code": 422, "reason": "Invalid", "message": message});
    }
    review["response"] = response;
    Some(review)
}

fn warning(problem: &Problem) -> String {
    let mut text = problem.to_string();
    text.truncate(text.floor_char_boundary(LONGEST_WARNING));
    text
}

/// What is wrong with one of the objects of a request; nothing if it is on its way out.
fn found(request: &Value, which: &str) -> Vec<Problem> {
    let object = &request[which];
    let kind = Kind::ALL
        .into_iter()
        .find(|kind| request["kind"]["kind"] == kind.name());
    let Some(kind) = kind.filter(|_| request["kind"]["group"] == crds::GROUP) else {
        return Vec::new();
    };
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return Vec::new();
    }
    match convert(object.clone(), &kind.api_version()) {
        Ok(newer) => problems(kind, &newer),
        // Of the version that is judged already, or of a kind with one.
        Err(_) => problems(kind, object),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn review(kind: &str, object: &Value, old: &Value) -> Value {
        let review = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "u",
                "kind": {"group": "dapr.io", "kind": kind},
                "object": object,
                "oldObject": old,
            },
        });
        let answer = answer(review).unwrap();
        assert_eq!(answer["kind"], "AdmissionReview");
        assert_eq!(answer["response"]["uid"], "u");
        answer["response"].clone()
    }

    fn component(kind: &str) -> Value {
        json!({"metadata": {"name": "c"}, "spec": {"type": kind}})
    }

    #[test]
    fn what_would_end_sidecars_is_refused() {
        let response = review("Component", &component("stat.redis"), &json!(null));
        assert_eq!(response["allowed"], false);
        assert_eq!(response["status"]["code"], 422);
        let message = response["status"]["message"].as_str().unwrap();
        assert!(message.contains("spec.type: \"stat.redis\""), "{message}");
    }

    #[test]
    fn what_is_used_in_part_is_warned_of() {
        let mut object = component("state.redis");
        object["spec"]["initTimeout"] = "ä".repeat(500).into();
        let response = review("Component", &object, &json!(null));
        assert_eq!(response["allowed"], true);
        let warning = response["warnings"][0].as_str().unwrap();
        assert!(warning.starts_with("spec.initTimeout:") && warning.len() <= LONGEST_WARNING);
    }

    #[rstest]
    #[case::same_fault("stat.redis", true)]
    #[case::other_fault("sate.redis", false)]
    #[case::new_fault("state.redis", false)]
    fn what_was_wrong_before_may_stay(#[case] before: &str, #[case] allowed: bool) {
        let response = review("Component", &component("stat.redis"), &component(before));
        assert_eq!(response["allowed"], allowed);
        assert_eq!(
            response["warnings"].as_array().unwrap().is_empty(),
            !allowed
        );
    }

    #[test]
    fn what_is_on_its_way_out_may_go() {
        let mut object = component("stat.redis");
        object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        assert_eq!(review("Component", &object, &json!(null))["allowed"], true);
    }

    #[test]
    fn the_older_version_is_judged_like_the_newer() {
        let object = json!({
            "apiVersion": "dapr.io/v1alpha1",
            "kind": "Subscription",
            "spec": {"pubsubname": "bus", "topic": "t", "route": ""},
        });
        let response = review("Subscription", &object, &json!(null));
        let warning = response["warnings"][0].as_str().unwrap();
        assert!(warning.starts_with("spec.routes:"), "{warning}");
    }

    #[test]
    fn other_kinds_are_let_through() {
        let response = review("Pod", &component("stat.redis"), &json!(null));
        assert_eq!(response["allowed"], true);
    }

    #[rstest]
    #[case(json!({}))]
    #[case(json!({"request": 1}))]
    #[case(json!([]))]
    fn a_review_without_a_request_has_no_answer(#[case] review: Value) {
        assert_eq!(answer(review), None);
    }
}
