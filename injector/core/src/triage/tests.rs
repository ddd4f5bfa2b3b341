use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::testing::{cluster, pod, triaged};

fn skipped(object: &Value, groups: &[&str]) -> (Skip, Vec<Warning>) {
    let triage = triaged(object, groups, &cluster());
    let Verdict::Skip(skip, warnings) = triage.verdict else {
        unreachable!("{triage:?}")
    };
    (skip, warnings)
}

fn denied(object: &Value) -> String {
    let triage = triaged(object, &["system:masters"], &cluster());
    let Verdict::Deny(denial) = triage.verdict else {
        unreachable!("{triage:?}")
    };
    denial.to_string()
}

#[test]
fn leaves_other_kinds_alone() {
    let request: Request<'_> =
        serde_json::from_str(r#"{"kind": {"kind": "Job"}, "object": {}}"#).unwrap();
    let triage = triage(
        &request,
        &Callers::new("", "").unwrap(),
        &cluster(),
        &Defaults::default(),
    );
    assert!(matches!(triage.verdict, Verdict::Skip(Skip::NotAPod, _)));
}

#[rstest]
#[case("true")]
#[case("True")]
fn takes_enabled_in_any_case(#[case] value: &str) {
    let (skip, _) = skipped(&pod(&[("enabled", value)]), &[]);
    assert_eq!(skip, Skip::Unauthorized);
}

#[rstest]
#[case("false", false)]
#[case("0", false)]
#[case("", false)]
#[case("yes", true)]
#[case("1", true)]
#[case(" true", true)]
#[case("ture", true)]
fn takes_no_other_word_and_says_so(#[case] value: &str, #[case] warned: bool) {
    let (skip, warnings) = skipped(&pod(&[("enabled", value)]), &["system:masters"]);
    assert_eq!(skip, Skip::NotEnabled);
    assert_eq!(!warnings.is_empty(), warned);
    assert!(
        warnings
            .iter()
            .all(|warning| warning.as_str().starts_with("dapr.io/enabled: "))
    );
}

#[rstest]
#[case(json!({"metadata": {}, "spec": {}}))]
#[case(json!({}))]
#[case(json!({"metadata": null, "spec": {"containers": 5}}))]
fn never_refuses_a_pod_that_does_not_ask(#[case] object: Value) {
    assert_eq!(
        skipped(&object, &["system:masters"]),
        (Skip::NotEnabled, vec![])
    );
}

#[test]
fn warns_a_caller_that_may_not_ask() {
    let (skip, warnings) = skipped(&pod(&[]), &["system:nodes"]);
    assert_eq!(skip, Skip::Unauthorized);
    let warning = warnings[0].as_str();
    assert!(warning.contains("\"someone\"") && warning.contains("ALLOWED_SERVICE_ACCOUNTS"));
}

#[rstest]
#[case(json!(null))]
#[case(json!("pod"))]
#[case(json!({"metadata": {"annotations": 7}, "spec": {}}))]
#[case(json!({"metadata": {"annotations": {"dapr.io/enabled": "true"}}}))]
fn refuses_what_can_not_be_read(#[case] object: Value) {
    assert!(denied(&object).contains("could not be unmarshalled"));
    assert!(matches!(
        triaged(&object, &[], &cluster()).verdict,
        Verdict::Skip(Skip::Unauthorized, _)
    ));
}

#[rstest]
#[case("containers")]
#[case("initContainers")]
fn leaves_injected_pods_alone_before_it_minds_the_app_id(#[case] list: &str) {
    let mut pod = pod(&[("app-id", "NOT VALID")]);
    pod["spec"][list] = json!([{"name": "main"}, {"name": "daprd"}]);
    assert_eq!(skipped(&pod, &["system:masters"]), (Skip::Injected, vec![]));
}

#[rstest]
#[case::longest(&"a".repeat(58), true)]
#[case::too_long(&"a".repeat(59), false)]
#[case::digits("1", true)]
#[case::upper("App", false)]
#[case::underscore("a_b", false)]
#[case::dot("a.b", false)]
#[case::leading_dash("-a", false)]
#[case::trailing_dash("a-", true)]
#[case::not_ascii("ä", false)]
fn takes_app_ids_that_make_a_service_name(#[case] id: &str, #[case] valid: bool) {
    let triage = triaged(&pod(&[("app-id", id)]), &["system:masters"], &cluster());
    assert_eq!(triage.app_id, id);
    match triage.verdict {
        Verdict::Inject(candidate) => assert!(valid && candidate.app_id == id),
        Verdict::Deny(denial) => {
            let text = denial.to_string();
            assert!(!valid && text.starts_with("dapr.io/app-id: \"") && text.contains("change"));
        }
        Verdict::Skip(..) | Verdict::Bind(_) => unreachable!("an enabled pod of an administrator"),
    }
}

#[rstest]
#[case(json!("p1"), Some("p1"))]
#[case(json!(null), None)]
fn falls_back_to_the_pods_name(#[case] name: Value, #[case] expected: Option<&str>) {
    let mut pod = pod(&[("app-id", "")]);
    pod["metadata"]["name"] = name;
    let triage = triaged(&pod, &["system:masters"], &cluster());
    match triage.verdict {
        Verdict::Inject(candidate) => assert_eq!(Some(candidate.app_id.as_str()), expected),
        Verdict::Deny(denial) => {
            assert!(expected.is_none() && denial.to_string().contains("dapr.io/app-id"));
        }
        Verdict::Skip(..) | Verdict::Bind(_) => unreachable!("an enabled pod of an administrator"),
    }
}
