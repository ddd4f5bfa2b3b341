//! Worlds for tests of instances: the app `checkout` in the namespace `shop`.

use std::sync::Arc;

use identity::TrustAnchors;
use identity_core::TrustBundle;
use operator_core::kind::Kind;
use operator_core::shared::AppKey;
use serde_json::{Value, json};

use super::{Environment, Resources, World};
use crate::fixtures::{Script, answers};
use crate::store::Store;

pub(super) fn app() -> AppKey {
    AppKey::new("shop", "checkout")
}

/// An API server that knows its version.
pub(super) fn server(
    answer: impl Fn(&str, &str) -> (u16, Value) + Send + Sync + 'static,
) -> Script {
    let version = json!({
        "major": "1", "minor": "36+", "gitVersion": "", "gitCommit": "", "gitTreeState": "",
        "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
    });
    answers(move |method, path| match path {
        "/version" => (200, version.clone()),
        path => answer(method, path),
    })
}

/// Before the trust anchors were read.
pub(super) async fn unanchored(script: &Script) -> Arc<World> {
    world(script, TrustAnchors::follow("/dev/null")).await
}

pub(super) async fn anchored(script: &Script) -> Arc<World> {
    let root = rcgen::generate_simple_self_signed(["root".to_owned()]).unwrap();
    let bundle = TrustBundle::from_pem(root.cert.pem()).unwrap();
    world(script, TrustAnchors::fixed(bundle).unwrap()).await
}

async fn world(script: &Script, anchors: TrustAnchors) -> Arc<World> {
    let env = |name: &str| match name {
        "NAMESPACE" => Some("dapr-system".to_owned()),
        "SIDECAR_IMAGE" => Some("daprd:1".to_owned()),
        "SHARED_PROXY_IMAGE" => Some("proxy:1".to_owned()),
        "KUBE_CLUSTER_DOMAIN" => Some("cluster.local".to_owned()),
        _ => None,
    };
    let environment = Environment::read(&env, true).unwrap();
    let resources = Resources {
        configurations: Store::new(Kind::Configuration),
        components: Store::new(Kind::Component),
    };
    Arc::new(World::new(script.client(), environment, true, anchors, resources).await)
}
