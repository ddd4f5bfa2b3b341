//! Two control planes in one cluster, and no namespace that belongs to both or to none.

use std::collections::BTreeSet;

use rstest::rstest;
use serde_json::Value;

use crate::{named, objects, of_kind};

const CANARY: &str = "global.revision=canary";

/// Objects outside of namespaces.
fn of_the_cluster(objects: &[Value]) -> BTreeSet<String> {
    let outside = objects
        .iter()
        .filter(|one| one["metadata"]["namespace"].is_null());
    outside
        .map(|one| format!("{} {}", one["kind"], one["metadata"]["name"]))
        .collect()
}

#[test]
fn they_share_no_object() {
    let wide = "dapr_sentry.rotation.restarts=true";
    let (one, other) = (objects(&[wide]), objects(&[wide, CANARY]));
    let (one, other) = (of_the_cluster(&one), of_the_cluster(&other));
    assert!(!other.is_empty());
    let both: Vec<_> = one.intersection(&other).collect();
    assert!(both.is_empty(), "{both:?}");
}

/// Whether a webhook is asked about pods of a namespace with this label.
fn serves(objects: &[Value], label: Option<&str>) -> bool {
    let webhook = of_kind(objects, "MutatingWebhookConfiguration")[0];
    let selector = &webhook["webhooks"][0]["namespaceSelector"]["matchExpressions"];
    let by_revision = selector
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["key"] == "trilby.dev/revision")
        .unwrap();
    match by_revision["operator"].as_str().unwrap() {
        "DoesNotExist" => label.is_none(),
        _ => by_revision["values"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one.as_str() == label),
    }
}

#[rstest]
#[case(None, true, false)]
#[case(Some("canary"), false, true)]
#[case(Some("other"), false, false)]
fn a_namespace_belongs_to_one(
    #[case] label: Option<&str>,
    #[case] first: bool,
    #[case] canary: bool,
) {
    assert_eq!(serves(&objects(&[]), label), first);
    assert_eq!(serves(&objects(&[CANARY]), label), canary);
}

#[test]
fn the_one_beside_does_nothing_to_the_whole_cluster() {
    let objects = objects(&[CANARY]);
    let operator = named(&objects, "Deployment", "dapr-operator").to_string();
    for flag in [
        "--disable-crd-updates",
        "--disable-resource-status",
        "--disable-resource-validation",
        "--disable-service-reconciler",
        "--disable-shared-instances",
    ] {
        assert!(operator.contains(flag), "{flag}");
    }
    assert!(of_kind(&objects, "ValidatingWebhookConfiguration").is_empty());
    let role = named(&objects, "ClusterRole", "dapr-operator-admin-canary");
    assert!(!role.to_string().contains("customresourcedefinitions"));
    let injector = named(&objects, "Deployment", "dapr-sidecar-injector").to_string();
    assert!(injector.contains("--webhook-name=dapr-sidecar-injector-canary"));
    let rules = named(&objects, "ClusterRole", "dapr-injector-canary").to_string();
    assert!(rules.contains("dapr-sidecar-injector-canary"));
}
