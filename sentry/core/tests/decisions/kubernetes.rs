//! The decisions of the kubernetes validator (Dapr: `pkg/sentry/server/validator/kubernetes`).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use identity_core::TrustDomain;
use k8s_openapi::api::authentication::v1::TokenReviewStatus;
use proptest::prelude::*;
use rstest::rstest;
use sentry_core::validator::{
    Claim, Refusal, common, insecure,
    kubernetes::{
        ControlPlane, Pod, ServiceAccount, Verdict, configured_trust_domain, judge, pod_name,
        service_account,
    },
};
use serde_json::{Value, json};

fn claim<'a>(app_id: &'a str, namespace: &'a str) -> Claim<'a> {
    Claim {
        app_id,
        namespace,
        trust_domain: "",
        signing_request: b"csr",
    }
}

fn own() -> ControlPlane {
    let trust_domain = TrustDomain::new("cluster.local").unwrap();
    ControlPlane {
        namespace: "dapr-system".to_owned(),
        trust_domain,
    }
}

fn account(namespace: &str) -> ServiceAccount {
    ServiceAccount {
        namespace: namespace.to_owned(),
        name: "sa".to_owned(),
        pod_uid: None,
    }
}

fn pod(namespace: &str) -> Pod {
    Pod {
        namespace: namespace.to_owned(),
        name: "pod-1".to_owned(),
        service_account: "sa".to_owned(),
        ..Pod::default()
    }
}

fn status(value: Value) -> TokenReviewStatus {
    serde_json::from_value(value).unwrap()
}

fn granted(trust_domain: &str) -> Verdict {
    Verdict::Granted(TrustDomain::new(trust_domain).unwrap())
}

#[rstest]
#[case::empty(
    "",
    "",
    "invalid request: parameter app-id cannot be empty\nnamespace is required"
)]
#[case::dots("a.b", "ns", "invalid request: parameter app-id cannot contain dots")]
#[case::long(&"a".repeat(65), "ns", "invalid request: app ID must be 64 characters or less")]
#[case::bytes(&"é".repeat(33), "ns", "invalid request: app ID must be 64 characters or less")]
fn refuses_flawed_claims(#[case] app_id: &str, #[case] namespace: &str, #[case] text: &str) {
    assert_eq!(
        common::check(&claim(app_id, namespace))
            .unwrap_err()
            .to_string(),
        text
    );
}

#[test]
fn refuses_a_claim_without_request_or_with_a_wrong_domain() {
    let empty = Claim {
        signing_request: b"",
        ..claim("app", "ns")
    };
    assert_eq!(
        common::check(&empty).unwrap_err().to_string(),
        "invalid request: CSR is required"
    );
    let wrong = Claim {
        trust_domain: "a b",
        ..claim("app", "ns")
    };
    assert!(matches!(
        common::check(&wrong),
        Err(Refusal::TrustDomain(_))
    ));
}

#[rstest]
#[case::none("", "public")]
#[case::some("corp.example", "corp.example")]
fn believes_everything_when_insecure(#[case] wish: &str, #[case] expected: &str) {
    let long = "a".repeat(64);
    let claim = Claim {
        trust_domain: wish,
        ..claim(&long, "ns")
    };
    let grant = insecure::validate(&claim).unwrap();
    assert_eq!(grant.trust_domain.as_str(), expected);
    assert!(grant.images.is_empty());
}

#[rstest]
#[case::error(json!({"error": "bad", "authenticated": true}), "invalid token: bad")]
#[case::unknown(json!({"authenticated": false}), "authentication failed")]
#[case::nothing(json!({}), "authentication failed")]
#[case::user(json!({"authenticated": true, "user": {"username": "alice"}}),
    "provided token is not a properly structured service account token")]
#[case::node(json!({"authenticated": true, "user": {"username": "system:node:a"}}),
    "provided token is not a properly structured service account token")]
#[case::other(json!({"authenticated": true, "user": {"username": "x:serviceaccount:ns:sa"}}),
    "provided token is not a properly structured service account token")]
fn refuses_reviews(#[case] review: Value, #[case] text: &str) {
    assert_eq!(
        service_account(&status(review)).unwrap_err().to_string(),
        text
    );
}

#[test]
fn reads_the_service_account_and_the_pod_of_a_review() {
    let review = json!({"authenticated": true, "user": {
        "username": "system:serviceaccount:ns:sa",
        "extra": {"authentication.kubernetes.io/pod-uid": ["uid-1"]},
    }});
    let found = service_account(&status(review)).unwrap();
    assert_eq!((&*found.namespace, &*found.name), ("ns", "sa"));
    assert_eq!(found.pod_uid.as_deref(), Some("uid-1"));
}

#[rstest]
#[case::bare(r#"{"kubernetes.io":{"pod":{"name":"pod-1"}}}"#.to_owned(), Some("pod-1"))]
#[case::jwt(jwt(&json!({"kubernetes.io": {"pod": {"name": "pod-1", "uid": "x"}}, "aud": []})), Some("pod-1"))]
#[case::empty(jwt(&json!({"kubernetes.io": {"pod": {"name": ""}}})), None)]
#[case::no_pod(jwt(&json!({"kubernetes.io": {}})), None)]
#[case::no_claim(jwt(&json!({})), None)]
#[case::two_parts("a.b".to_owned(), None)]
#[case::text("hello".to_owned(), None)]
#[case::nothing(String::new(), None)]
fn reads_the_pod_of_a_token(#[case] token: String, #[case] expected: Option<&str>) {
    assert_eq!(pod_name(&token).ok().as_deref(), expected);
}

fn jwt(payload: &Value) -> String {
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload.to_string()))
}

#[test]
fn takes_the_annotated_id_or_the_pods_name() {
    let plain = pod("ns");
    assert_eq!(
        judge(&claim("pod-1", "ns"), &account("ns"), &plain, &own()),
        Ok(granted("public"))
    );
    let named = Pod {
        app_id: Some("app".to_owned()),
        ..pod("ns")
    };
    assert_eq!(
        judge(&claim("app", "ns"), &account("ns"), &named, &own()),
        Ok(granted("public"))
    );
    let empty = Pod {
        app_id: Some(String::new()),
        ..pod("ns")
    };
    let refused = judge(&claim("pod-1", "ns"), &account("ns"), &empty, &own()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "app-id mismatch. expected: , received: pod-1"
    );
}

#[test]
fn refuses_other_identities() {
    let named = Pod {
        app_id: Some("app".to_owned()),
        ..pod("ns")
    };
    let refused =
        |claim: Claim<'_>, account, pod| judge(&claim, &account, &pod, &own()).unwrap_err();
    let id = refused(claim("other", "ns"), account("ns"), named.clone());
    assert_eq!(
        id.to_string(),
        "app-id mismatch. expected: app, received: other"
    );
    let namespace = refused(claim("app", "else"), account("ns"), named.clone());
    assert_eq!(
        namespace.to_string(),
        "namespace mismatch; received namespace: else"
    );
    let legacy = refused(claim("ns:sa", "ns"), account("ns"), named.clone());
    assert!(matches!(legacy, Refusal::AppId { .. }));
    let service = Pod {
        service_account: "other".to_owned(),
        ..named.clone()
    };
    assert_eq!(
        refused(claim("app", "ns"), account("ns"), service),
        Refusal::ServiceAccount
    );
    let bound = ServiceAccount {
        pod_uid: Some("1".to_owned()),
        ..account("ns")
    };
    let replaced = Pod {
        uid: Some("2".to_owned()),
        ..named
    };
    assert_eq!(
        refused(claim("app", "ns"), bound, replaced),
        Refusal::ReplacedPod
    );
}

#[test]
fn knows_the_control_plane() {
    let service = |namespace: &str, name: &str| Pod {
        control_plane: Some(name.to_owned()),
        configuration: Some("ignored".to_owned()),
        ..pod(namespace)
    };
    for name in ["operator", "placement", "injector", "sentry", "scheduler"] {
        let (id, pod) = (format!("dapr-{name}"), service("dapr-system", name));
        let verdict = judge(
            &claim(&id, "dapr-system"),
            &account("dapr-system"),
            &pod,
            &own(),
        );
        assert_eq!(verdict, Ok(granted("cluster.local")));
    }
    let elsewhere = judge(
        &claim("dapr-operator", "ns"),
        &account("ns"),
        &service("ns", "operator"),
        &own(),
    );
    assert_eq!(
        elsewhere.unwrap_err().to_string(),
        "control plane service in namespace 'ns' is not allowed"
    );
    let (system, unknown) = (account("dapr-system"), service("dapr-system", "dashboard"));
    let unknown = judge(
        &claim("dapr-dashboard", "dapr-system"),
        &system,
        &unknown,
        &own(),
    );
    assert_eq!(
        unknown.unwrap_err().to_string(),
        "unknown control plane service 'pod-1'"
    );
    let both = Pod {
        app_id: Some("app".to_owned()),
        ..service("dapr-system", "operator")
    };
    let both = judge(&claim("app", "dapr-system"), &system, &both, &own());
    assert_eq!(
        both.unwrap_err().to_string(),
        "control plane service 'pod-1' cannot have annotation 'dapr.io/app-id'"
    );
}

#[test]
fn asks_for_the_configuration_that_the_pod_names() {
    let named = Pod {
        configuration: Some("appconfig".to_owned()),
        ..pod("ns")
    };
    let verdict = judge(&claim("pod-1", "ns"), &account("ns"), &named, &own());
    assert_eq!(
        verdict,
        Ok(Verdict::AskConfiguration("appconfig".to_owned()))
    );
    assert_eq!(configured_trust_domain("").unwrap().as_str(), "public");
    assert_eq!(configured_trust_domain("corp").unwrap().as_str(), "corp");
    assert!(
        configured_trust_domain("a b")
            .unwrap_err()
            .to_string()
            .starts_with("failed to parse trust domain \"a b\": ")
    );
}

proptest! {
    #[test]
    fn no_token_panics(token in ".{0,200}", payload in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = pod_name(&token);
        let _ = pod_name(&format!("a.{}.b", URL_SAFE_NO_PAD.encode(payload)));
    }

    /// An id is granted only to a pod of the claimed namespace whose annotations give that id.
    #[test]
    fn grants_only_the_pods_own_id(
        app_id in "[a-b]{1,2}",
        namespace in "(ns|dapr-system)",
        pod_namespace in "(ns|dapr-system)",
        annotated in proptest::option::of("[a-b]{0,2}"),
        control_plane in proptest::option::of("(operator|x)"),
    ) {
        let account = account(&pod_namespace);
        let pod = Pod { app_id: annotated.clone(), control_plane: control_plane.clone(), ..pod(&pod_namespace) };
        if judge(&claim(&app_id, &namespace), &account, &pod, &own()).is_ok() {
            prop_assert_eq!(namespace, pod_namespace);
            prop_assert_eq!(control_plane, None);
            prop_assert_eq!(annotated.unwrap_or("pod-1".to_owned()), app_id);
        }
    }
}
