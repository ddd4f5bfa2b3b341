//! Pods that will outlive the last root they know.

use std::{sync::Arc, time::Duration};

use config::GoDuration;
use jiff::{SignedDuration, Timestamp};
use sentry::{
    kubernetes::{Pods, Warden},
    metrics::Metrics,
    random,
};
use sentry_core::{Parts, generate::Profile};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    api::Api,
    authority::{PODS, api, empty, open, profile, reach, secret},
};

const STATUS: &str = "/api/v1/namespaces/shop/pods/pod-1/status";
const NAMESPACE: &str = "/api/v1/namespaces/shop";
const SET: &str = "/apis/apps/v1/namespaces/shop/replicasets/cart-5d";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/cart";

/// An authority that ends in so many days.
fn authority(days: i64) -> Parts {
    let profile = Profile {
        lifetime: GoDuration::from_secs(365 * 24 * 3600),
        ..profile("dapr-system")
    };
    let made = Timestamp::now() - SignedDuration::from_hours((365 - days) * 24);
    profile.generate(made, &random::entropy().unwrap()).unwrap()
}

fn owned_by(kind: &str, name: &str) -> Value {
    json!([{"kind": kind, "name": name, "controller": true, "apiVersion": "apps/v1", "uid": "u"}])
}

fn pod(roots: &[u8], told: Option<&str>) -> Value {
    let roots = String::from_utf8(roots.to_vec()).unwrap();
    let told = told.map(|reason| json!({"type": "trilby.dev/TrustAnchorsEnd", "reason": reason}));
    json!({
        "metadata": {"namespace": "shop", "name": "pod-1", "uid": "pod-uid", "resourceVersion": "1",
            "ownerReferences": owned_by("ReplicaSet", "cart-5d")},
        "spec": {"containers": [
            {"name": "app", "env": [{"name": "DAPR_TRUST_ANCHORS", "value": "another's"}]},
            {"name": "daprd", "env": [{"name": "A"}, {"name": "DAPR_TRUST_ANCHORS", "value": roots}]},
        ]},
        "status": {"phase": "Running", "conditions": told.into_iter().collect::<Vec<_>>()},
    })
}

fn cluster(bundle: &Parts, pod: &Value, window: Option<&str>) -> Api {
    let api = api(secret(bundle), empty());
    api.put(PODS, json!({"metadata": {}, "items": [pod]}));
    api.put(STATUS, pod.clone());
    let annotations = window.map(|window| json!({"trilby.dev/restart-window": window}));
    api.put(
        NAMESPACE,
        json!({"metadata": {"name": "shop", "annotations": annotations}}),
    );
    api.put(
        SET,
        json!({"metadata": {"ownerReferences": owned_by("Deployment", "cart")}}),
    );
    api.put(
        DEPLOYMENT,
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "cart", "uid": "cart-uid"}, "spec": {"template": {"metadata": {}}}}),
    );
    for path in [
        "/apis/events.k8s.io/v1/namespaces/shop/events",
        "/apis/events.k8s.io/v1/namespaces/dapr-system/events",
    ] {
        api.put(path, json!({}));
    }
    api
}

/// Looks once; true if the next root was published before.
async fn look(api: &Api, publish: bool) {
    let authority = Arc::new(open(api).await.unwrap());
    if publish {
        authority.advance(None).await.unwrap();
    }
    let pods = Arc::new(Pods::new(api.client(), reach()));
    let warden = Warden::new(
        api.client(),
        Arc::clone(&pods),
        authority,
        Metrics::default(),
    );
    tokio::select! {
        _ = pods.run(CancellationToken::new()) => unreachable!("the watch never ends"),
        done = tokio::time::timeout(Duration::from_secs(10), async {
            pods.synced().await;
            warden.look(Timestamp::now()).await;
        }) => done.unwrap(),
    }
}

fn events(api: &Api) -> Vec<(String, String)> {
    let posted = api.posted();
    let about = posted
        .iter()
        .filter(|event| event["regarding"]["namespace"] == "shop");
    about
        .map(|event| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (text(&event["regarding"]["kind"]), text(&event["reason"]))
        })
        .collect()
}

#[tokio::test]
async fn marks_a_pod_and_writes_one_event() {
    for (days, expected) in [
        (59, "Within60Days"),
        (29, "Within30Days"),
        (6, "Within7Days"),
    ] {
        let bundle = authority(days);
        let api = cluster(&bundle, &pod(&bundle.anchors, None), None);
        look(&api, false).await;
        let patches = api.patches();
        let [(path, body)] = &patches[..] else {
            unreachable!("{patches:?}")
        };
        assert_eq!(path, STATUS);
        let condition = &body["status"]["conditions"][0];
        assert_eq!(condition["reason"], expected);
        assert_eq!(condition["type"], "trilby.dev/TrustAnchorsEnd");
        assert_eq!(
            events(&api),
            [("Pod".to_owned(), "TrustAnchorsEnd".to_owned())]
        );
    }
}

#[tokio::test]
async fn leaves_pods_alone_that_are_told_or_fine() {
    let (ending, fine) = (authority(29), authority(200));
    let told = pod(&ending.anchors, Some("Within30Days"));
    let mut over = pod(&ending.anchors, None);
    over["status"]["phase"] = json!("Succeeded");
    for (bundle, pod) in [
        (&ending, &told),
        (&fine, &pod(&fine.anchors, None)),
        (&ending, &over),
    ] {
        let api = cluster(bundle, pod, Some("always"));
        look(&api, false).await;
        assert!(api.patches().is_empty() && events(&api).is_empty());
    }
}

#[tokio::test]
async fn leaves_the_event_to_the_replica_that_was_first() {
    let bundle = authority(29);
    let api = cluster(&bundle, &pod(&bundle.anchors, None), None);
    api.put(STATUS, pod(&bundle.anchors, Some("Within30Days")));
    look(&api, false).await;
    assert!(api.patches().is_empty() && events(&api).is_empty());
}

#[tokio::test]
async fn restarts_where_the_namespace_allows_it() {
    let bundle = authority(29);
    let told = pod(&bundle.anchors, Some("Within30Days"));
    let restarts = async |window, publish| {
        let api = cluster(&bundle, &told, window);
        look(&api, publish).await;
        (api.patches(), api)
    };
    for (window, publish) in [
        (None, true),
        (Some("sometimes"), true),
        (Some("always"), false),
    ] {
        let (patches, _) = restarts(window, publish).await;
        assert!(patches.is_empty(), "{window:?} {publish}: {patches:?}");
    }
    let (patches, api) = restarts(Some("always"), true).await;
    let [(path, body)] = &patches[..] else {
        unreachable!("{patches:?}")
    };
    assert_eq!(path, DEPLOYMENT);
    let template = &body["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(
        events(&api),
        [(
            "Deployment".to_owned(),
            "RestartedForTrustAnchors".to_owned()
        )]
    );
    let mut restarted = api.get(DEPLOYMENT);
    restarted["spec"]["template"]["metadata"]["annotations"] = template.clone();
    api.put(DEPLOYMENT, restarted);
    look(&api, false).await;
    assert_eq!(api.patches().len(), 1, "once is enough");
}

/// A pod whose roots have all left the bundle verifies nobody.
#[tokio::test]
async fn tells_of_pods_that_know_no_root_of_the_bundle() {
    let (bundle, other) = (authority(300), authority(300));
    let api = cluster(&bundle, &pod(&other.anchors, None), Some("always"));
    look(&api, false).await;
    let patches = api.patches();
    assert_eq!(patches[0].1["status"]["conditions"][0]["reason"], "Ended");
    assert_eq!(patches[1].0, DEPLOYMENT);
}
