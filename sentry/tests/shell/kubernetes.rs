//! The kubernetes validator against an API server in memory.

use std::{sync::Arc, time::Duration};

use identity_core::{SpiffeId, TrustDomain};
use sentry::kubernetes::{Kubernetes, Pods};
use sentry_core::validator::{Claim, Grant, Refusal, kubernetes::ControlPlane};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{api::Api, authority::reach};

const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const PODS: &str = "/api/v1/pods";
const TOKEN: &str = r#"{"kubernetes.io":{"pod":{"name":"pod-1"}}}"#;

fn pod(app_id: &str) -> Value {
    json!({
        "metadata": {"namespace": "shop", "name": "pod-1", "creationTimestamp": null,
            "annotations": {"dapr.io/app-id": app_id, "dapr.io/config": "appconfig"}},
        "spec": {"serviceAccountName": "sa",
            "initContainers": [{"name": "once", "image": "o"}, {"name": "daprd", "image": "d", "restartPolicy": "Always"}],
            "containers": [{"name": "app", "image": "a"}]},
        "status": {"initContainerStatuses": [{"name": "daprd", "imageID": "x@sha256:1"}]},
    })
}

fn api() -> Api {
    let api = Api::default();
    let username = "system:serviceaccount:shop:sa";
    api.put(
        REVIEWS,
        json!({"status": {"authenticated": true, "user": {"username": username}}}),
    );
    api.put(PODS, json!({"metadata": {}, "items": [pod("cart")]}));
    let configuration = json!({"metadata": {"name": "appconfig"}, "spec": {"accessControl": {"trustDomain": "corp"}}});
    api.put(
        "/apis/dapr.io/v1alpha1/namespaces/shop/configurations/appconfig",
        configuration,
    );
    api
}

async fn ask(api: &Api, app_id: &str, namespace: &str) -> Result<Grant, Refusal> {
    let pods = Arc::new(Pods::new(api.client(), reach()));
    let trust_domain = TrustDomain::new("cluster.local").unwrap();
    let own = ControlPlane {
        namespace: "dapr-system".to_owned(),
        trust_domain,
    };
    let id = SpiffeId::new("spiffe://cluster.local/ns/dapr-system/dapr-sentry").unwrap();
    let validator = Kubernetes::new(api.client(), Arc::clone(&pods), own, &id);
    let claim = Claim {
        app_id,
        namespace,
        trust_domain: "",
        signing_request: b"csr",
    };
    tokio::select! {
        _ = pods.run(CancellationToken::new()) => unreachable!("the watch never ends"),
        answer = tokio::time::timeout(Duration::from_secs(10), validator.validate(&claim, TOKEN)) => {
            answer.unwrap()
        }
    }
}

#[tokio::test]
async fn grants_what_pod_and_configuration_say() {
    let api = api();
    let grant = ask(&api, "cart", "shop").await.unwrap();
    assert_eq!(grant.trust_domain.as_str(), "corp");
    let expected = json!([
        {"role": "daprd", "containerName": "daprd", "image": "d", "digest": "sha256:1"},
        {"role": "app", "containerName": "app", "image": "a"},
    ]);
    assert_eq!(serde_json::to_value(&grant.images).unwrap(), expected);
    let audiences = json!([
        "dapr.io/sentry",
        "spiffe://cluster.local/ns/dapr-system/dapr-sentry"
    ]);
    assert_eq!(
        api.posted()[0]["spec"],
        json!({"token": TOKEN, "audiences": audiences})
    );
}

#[tokio::test]
async fn refuses_other_ids_and_namespaces() {
    let api = api();
    assert!(matches!(
        ask(&api, "other", "shop").await,
        Err(Refusal::AppId { .. })
    ));
    assert!(matches!(
        ask(&api, "cart", "else").await,
        Err(Refusal::Namespace(_))
    ));
    assert!(matches!(
        ask(&api, "a.b", "shop").await,
        Err(Refusal::Malformed(_))
    ));
    assert_eq!(
        api.posted().len(),
        2,
        "a flawed claim costs the API server nothing"
    );
}

#[tokio::test]
async fn reads_a_pod_that_the_watch_has_not_brought() {
    let api = api();
    api.put(PODS, json!({"metadata": {}, "items": null}));
    assert!(matches!(
        ask(&api, "cart", "shop").await,
        Err(Refusal::NoPod)
    ));
    api.put("/api/v1/namespaces/shop/pods/pod-1", pod("cart"));
    assert!(ask(&api, "cart", "shop").await.is_ok());
}

#[tokio::test]
async fn refuses_when_the_api_server_does() {
    let api = api();
    api.put(REVIEWS, json!({"status": {"authenticated": false}}));
    assert_eq!(
        ask(&api, "cart", "shop").await,
        Err(Refusal::Unauthenticated)
    );
    let silent = Api::default();
    silent.put(PODS, json!({"items": []}));
    assert!(matches!(
        ask(&silent, "cart", "shop").await,
        Err(Refusal::Review(_))
    ));
}

#[tokio::test]
async fn refuses_a_pod_whose_configuration_is_missing() {
    let api = api();
    let mut lost = pod("cart");
    lost["metadata"]["annotations"]["dapr.io/config"] = json!("lost");
    api.put(PODS, json!({"items": [lost]}));
    assert_eq!(
        ask(&api, "cart", "shop").await,
        Err(Refusal::NoConfiguration)
    );
}
