//! What runs beside the reviews: the CA bundle, mTLS, the service accounts.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use common::{Call, bundle, kubernetes};
use identity::TrustAnchors;
use injector::{ca_bundle, mtls};
use process::Health;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

#[tokio::test(start_paused = true)]
async fn keeps_the_ca_bundle_and_tries_until_it_is_set() {
    let (sender, mut calls) = mpsc::unbounded_channel();
    let count = AtomicUsize::new(0);
    let api = kubernetes(move |call: Call| {
        sender.send(call).unwrap();
        // The chart's object comes later than the first two tries.
        (count.fetch_add(1, Ordering::Relaxed) >= 2).then(|| json!({}))
    });
    let bundle = bundle();
    let anchors = TrustAnchors::fixed(bundle.clone()).unwrap();
    let (health, stopping) = (Health::default(), CancellationToken::new());
    let keep = ca_bundle::keep(
        api,
        "dapr-sidecar-injector".to_owned(),
        anchors,
        health.target("webhook"),
        stopping.clone(),
    );
    let look = async {
        for call in 1..=2 {
            calls.recv().await.unwrap();
            assert!(!health.is_healthy(), "healthy after failed try {call}");
        }
        let set = calls.recv().await.unwrap();
        let again = calls.recv().await.unwrap();
        assert!(health.is_healthy());
        stopping.cancel();
        (set, again)
    };
    let (kept, (set, again)) = tokio::join!(keep, look);
    kept.unwrap();
    let path =
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/dapr-sidecar-injector";
    assert_eq!(set.line, format!("PATCH {path}"));
    let expected = json!([{"op": "add", "path": "/webhooks/0/clientConfig/caBundle",
        "value": STANDARD.encode(bundle.pem())}]);
    assert_eq!(
        serde_json::from_slice::<Value>(&set.body).unwrap(),
        expected
    );
    assert_eq!(set.body, again.body);
}

#[rstest]
#[case::off(Some(json!({"spec": {"mtls": {"enabled": false}}})), false)]
#[case::on(Some(json!({"spec": {"mtls": {"enabled": true}}})), true)]
#[case::silent(Some(json!({"spec": {"mtls": null}})), true)]
#[case::empty(Some(json!({})), true)]
#[case::unreadable(Some(json!({"spec": 5})), true)]
#[case::missing(None, true)]
#[tokio::test]
async fn reads_mtls(#[case] configuration: Option<Value>, #[case] expected: bool) {
    let api = kubernetes(move |call: Call| {
        let path = "/apis/dapr.io/v1alpha1/namespaces/dapr-system/configurations/daprsystem";
        assert_eq!(call.line, format!("GET {path}"));
        configuration.clone()
    });
    assert_eq!(*mtls::read(&api, "dapr-system").await.borrow(), expected);
}

#[tokio::test(start_paused = true)]
async fn follows_mtls_and_keeps_the_state_over_a_failure() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let api = kubernetes(move |_| match counted.fetch_add(1, Ordering::Relaxed) {
        0 => Some(json!({})),
        1 => Some(json!({"spec": {"mtls": {"enabled": false}}})),
        _ => Some(json!("broken")),
    });
    let enabled = mtls::read(&api, "ns").await;
    let (mut seen, stopping) = (enabled.subscribe(), CancellationToken::new());
    assert!(*seen.borrow());
    let follow = mtls::follow(api, "ns".into(), enabled, stopping.clone());
    let look = async {
        assert!(!*seen.wait_for(|on| !on).await.unwrap());
        while count.load(Ordering::Relaxed) < 4 {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        assert!(!*seen.borrow());
        stopping.cancel();
    };
    let (followed, ()) = tokio::join!(follow, look);
    followed.unwrap();
}

#[tokio::test]
async fn lists_service_accounts_by_page() {
    let api = kubernetes(|call: Call| {
        let account = |name: &str| json!({"metadata": {"namespace": "ns", "name": name, "uid": format!("uid-{name}")}});
        match call.line.as_str() {
            "GET /api/v1/serviceaccounts?limit=500&continue=" => {
                Some(json!({"metadata": {"continue": "more"}, "items": [account("a")]}))
            }
            "GET /api/v1/serviceaccounts?limit=500&continue=more" => {
                Some(json!({"metadata": {}, "items": [account("b")]}))
            }
            _ => None,
        }
    });
    let accounts = api.service_accounts().await.unwrap();
    let uids: Vec<_> = accounts
        .iter()
        .map(|account| account.uid.as_str())
        .collect();
    assert_eq!(uids, ["uid-a", "uid-b"]);
}

#[tokio::test]
async fn takes_a_list_of_nothing() {
    let api = kubernetes(|_| Some(json!({"kind": "ServiceAccountList", "items": null})));
    assert!(api.service_accounts().await.unwrap().is_empty());
}
