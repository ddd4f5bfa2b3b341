use std::time::Duration;

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::fixtures::component_with;

const NOW: &str = "2026-01-01T00:00:00Z";

/// A component of the namespace `default` that is right in itself.
fn component(fields: &Value) -> Resource {
    let mut object = json!({"metadata": {"generation": 3}, "spec": {"type": "state.redis"}});
    for (key, value) in fields.as_object().unwrap() {
        object[key] = value.clone();
    }
    component_with("c", &object)
}

fn apps(ids: &[&str]) -> Apps {
    let mut apps = Apps::default();
    for id in ids {
        let pod = (Box::from("default"), Box::from(*id));
        apps.apply(pod, (*id).into(), Duration::ZERO);
    }
    apps
}

fn refers() -> Value {
    json!({"type": "state.redis", "metadata": [{"name": "a", "secretKeyRef": {"name": "s"}}]})
}

struct Known {
    secrets: BTreeMap<Box<str>, Presence>,
    has_store: bool,
    apps: Option<Apps>,
}

impl Known {
    fn all() -> Self {
        Self {
            secrets: BTreeMap::new(),
            has_store: true,
            apps: Some(apps(&[])),
        }
    }

    fn secret(presence: Presence) -> Self {
        Self {
            secrets: [("s".into(), presence)].into(),
            ..Self::all()
        }
    }

    fn report(&self, resource: &Resource) -> Option<Report> {
        let facts = Facts {
            secrets: &self.secrets,
            has_store: self.has_store,
            apps: self.apps.as_ref(),
        };
        report(resource, facts, NOW)
    }
}

/// Reason of each condition.
fn reasons(report: &Report) -> Vec<(&str, &str, &str)> {
    let all = report.conditions.iter();
    all.map(|it| (it.type_.as_str(), it.status.as_str(), it.reason.as_str()))
        .collect()
}

/// The component as it is once the report was written.
fn written(fields: &Value, report: &Report) -> Resource {
    let mut fields = fields.clone();
    fields["status"] = json!({"conditions": report.conditions});
    component(&fields)
}

#[test]
fn a_component_without_fault_is_told_once() {
    let fields = json!({});
    let report = Known::all().report(&component(&fields)).unwrap();
    let expected = [
        ("Valid", "True", "NoProblem"),
        ("SecretsResolved", "True", "AllFound"),
        ("ScopesMatched", "True", "AllFound"),
    ];
    assert_eq!(reasons(&report), expected);
    assert_eq!(report.worse, []);
    let generations = report.conditions.iter().map(|it| it.observed_generation);
    assert!(generations.into_iter().all(|it| it == Some(3)));
    assert_eq!(Known::all().report(&written(&fields, &report)), None);
}

/// The key is that of the reference's name, since it names none.
fn with_key(key: &str) -> Presence {
    Presence::There([key.into()].into())
}

#[rstest]
#[case(with_key("s"), "True", "AllFound")]
#[case(with_key("other"), "False", "SecretKeyNotFound")]
#[case(Presence::Missing, "False", "SecretNotFound")]
#[case(Presence::Forbidden, "False", "SecretForbidden")]
fn secrets_are_looked_for(#[case] presence: Presence, #[case] status: &str, #[case] reason: &str) {
    let report = Known::secret(presence)
        .report(&component(&json!({"spec": refers()})))
        .unwrap();
    assert_eq!(reasons(&report)[1], ("SecretsResolved", status, reason));
    assert_eq!(report.worse.len(), usize::from(status == "False"));
}

#[test]
fn a_missing_key_is_named_with_its_secret_and_the_remedy() {
    let entry = json!({"name": "a", "secretKeyRef": {"name": "s", "key": "k"}});
    let fields = json!({"spec": {"type": "state.redis", "metadata": [entry]}});
    let report = Known::secret(with_key("s")).report(&component(&fields));
    let message = &report.unwrap().conditions[1].message;
    let expected = "Secret \"s\" of namespace default has no key \"k\"; until it has, sidecars use \
                    the field as if it were empty: add the key, or correct secretKeyRef";
    assert_eq!(message, expected);
}

#[rstest]
#[case(true, "True", "SecretStoreFound")]
#[case(false, "False", "SecretStoreNotFound")]
fn another_store_is_looked_for(
    #[case] has_store: bool,
    #[case] status: &str,
    #[case] reason: &str,
) {
    let known = Known {
        has_store,
        ..Known::all()
    };
    let fields = json!({"spec": refers(), "auth": {"secretStore": "vault"}});
    let report = known.report(&component(&fields)).unwrap();
    assert_eq!(reasons(&report)[1], ("SecretsResolved", status, reason));
}

#[rstest]
#[case(&["a"], "True")]
#[case(&["a", "b"], "True")]
#[case(&["a", "x"], "False")]
fn scopes_are_looked_for(#[case] scopes: &[&str], #[case] status: &str) {
    let known = Known {
        apps: Some(apps(&["a", "b"])),
        ..Known::all()
    };
    let report = known
        .report(&component(&json!({"scopes": scopes})))
        .unwrap();
    assert_eq!(report.conditions[2].status, status);
    let named = report.conditions[2].message.contains("app ID \"x\":");
    assert_eq!(named, status == "False");
}

#[test]
fn what_stays_false_for_the_same_reason_is_no_news() {
    let fields = json!({"spec": refers()});
    let known = Known::secret(Presence::Missing);
    let first = known.report(&component(&fields)).unwrap();
    let mut more = fields.clone();
    more["scopes"] = json!(["x"]);
    let second = known.report(&written(&more, &first)).unwrap();
    let worse: Vec<&str> = second.worse.iter().map(|it| it.type_.as_str()).collect();
    assert_eq!(worse, ["ScopesMatched"]);
}

#[test]
fn what_gets_better_is_no_event_and_has_a_new_time() {
    let fields = json!({"spec": refers()});
    let missing = Known::secret(Presence::Missing);
    let mut told = missing.report(&component(&fields)).unwrap();
    for condition in &mut told.conditions {
        condition.last_transition_time = "2025-01-01T00:00:00Z".to_owned();
    }
    let there = Known::secret(with_key("s"));
    let report = there.report(&written(&fields, &told)).unwrap();
    assert_eq!(report.worse, []);
    let times: Vec<&str> = report
        .conditions
        .iter()
        .map(|it| it.last_transition_time.as_str())
        .collect();
    assert_eq!(times, ["2025-01-01T00:00:00Z", NOW, "2025-01-01T00:00:00Z"]);
}

#[test]
fn scopes_stay_as_they_were_told_until_the_pods_are_known() {
    let fields = json!({"scopes": ["x"]});
    let told = Known::all().report(&component(&fields)).unwrap();
    let unknown = Known {
        apps: None,
        ..Known::all()
    };
    assert_eq!(unknown.report(&written(&fields, &told)), None);
    let first = unknown.report(&component(&fields)).unwrap();
    assert_eq!(first.conditions.len(), 2);
}

#[test]
fn conditions_of_others_stay() {
    let other = json!({"type": "Audited", "status": "False", "reason": "r", "message": "m"});
    let fields = json!({"status": {"conditions": [other]}});
    let report = Known::all().report(&component(&fields)).unwrap();
    assert_eq!(reasons(&report)[3], ("Audited", "False", "r"));
    assert_eq!(report.worse, []);
}

#[rstest]
#[case(Kind::Configuration, &["Valid", "SecretsResolved"])]
#[case(Kind::Resiliency, &["Valid", "ScopesMatched"])]
#[case(Kind::Subscription, &["Valid", "ScopesMatched"])]
#[case(Kind::WorkflowAccessPolicy, &["Valid", "ScopesMatched"])]
#[case(Kind::HttpEndpoint, &["Valid", "SecretsResolved", "ScopesMatched"])]
#[case(Kind::McpServer, &["Valid", "SecretsResolved", "ScopesMatched"])]
fn kinds_have_what_can_be_told_of_them(#[case] kind: Kind, #[case] expected: &[&str]) {
    let object = json!({"metadata": {"name": "c", "namespace": "default"}});
    let report = Known::all()
        .report(&Resource::new(kind, object).unwrap())
        .unwrap();
    let types: Vec<&str> = report
        .conditions
        .iter()
        .map(|it| it.type_.as_str())
        .collect();
    assert_eq!(types, expected);
}

proptest! {
    /// Whatever is wrong, a status that was written is enough said, and not too long.
    #[test]
    fn a_report_is_told_once(
        kind in ".*",
        scopes in prop::collection::vec("[a-z]{1,60}", 0..80),
        missing in any::<bool>(),
    ) {
        let mut spec = refers();
        spec["type"] = kind.into();
        let fields = json!({"spec": spec, "scopes": scopes});
        let presence = if missing { Presence::Missing } else { with_key("other") };
        let known = Known::secret(presence);
        let told = known.report(&component(&fields)).unwrap();
        prop_assert!(told.conditions.iter().all(|it| it.message.len() <= LONGEST_MESSAGE));
        prop_assert_eq!(known.report(&written(&fields, &told)), None);
    }
}
