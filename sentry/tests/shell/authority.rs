//! Where the bundle comes from and where it goes.

use config::GoDuration;
use identity_core::TrustDomain;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use sentry::{
    authority::{Authority, AuthorityError},
    flags::Paths,
    kubernetes::Reach,
    metrics::Metrics,
    owner::Owner,
    random,
    store::{Files, Secret, Store, StoreError},
};
use sentry_core::{
    Parts,
    agreement::Names,
    generate::{LIFETIME, Profile},
    rotation,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api::Api;

pub(crate) const SECRET: &str = "/api/v1/namespaces/dapr-system/secrets/dapr-trust-bundle";
pub(crate) const CONFIG_MAP: &str = "/api/v1/namespaces/dapr-system/configmaps/dapr-trust-bundle";

pub(crate) const PODS: &str = "/api/v1/pods";

pub(crate) fn owner() -> Owner {
    Owner {
        rotation: rotation::Settings {
            profile: profile("dapr-system"),
            by_age: true,
            interval: SignedDuration::from_hours(2920),
            leaf_life: SignedDuration::from_hours(24),
        },
        tokens: None,
        key_id: None,
    }
}

fn names() -> Names {
    Names {
        anchors: "ca.crt".to_owned(),
        issuer_chain: "issuer.crt".to_owned(),
        issuer_key: "issuer.key".to_owned(),
        jwt_key: "jwt.key".to_owned(),
        key_set: "jwks.json".to_owned(),
    }
}

pub(crate) fn profile(namespace: &str) -> Profile {
    Profile {
        trust_domain: TrustDomain::new("cluster.local").unwrap(),
        namespace: namespace.to_owned(),
        skew: GoDuration::from_secs(900),
        lifetime: LIFETIME,
    }
}

pub(crate) fn supplied() -> Parts {
    let entropy = random::entropy().unwrap();
    profile("elsewhere")
        .generate(Timestamp::now(), &entropy)
        .unwrap()
}

pub(crate) fn secret(parts: &Parts) -> Value {
    let text = |text: &[u8]| ByteString(text.to_vec());
    json!({"metadata": {"name": "dapr-trust-bundle"}, "data": {
        "ca.crt": text(&parts.anchors),
        "issuer.crt": text(&parts.issuer_chain),
        "issuer.key": text(&parts.issuer_key),
        "other": text(b"kept"),
    }})
}

pub(crate) fn config_map(anchors: &str) -> Value {
    json!({"metadata": {"name": "dapr-trust-bundle", "labels": {"app": "x"}}, "data": {"ca.crt": anchors, "other": "kept"}})
}

pub(crate) fn empty() -> Value {
    json!({"metadata": {"name": "dapr-trust-bundle"}})
}

pub(crate) fn api(secret: Value, config_map: Value) -> Api {
    let api = Api::default();
    api.put(SECRET, secret);
    api.put(CONFIG_MAP, config_map);
    api.put(PODS, json!({"metadata": {}, "items": []}));
    api
}

pub(crate) async fn open(api: &Api) -> Result<Authority, AuthorityError> {
    open_as(api, owner()).await
}

pub(crate) fn reach() -> Reach {
    Reach {
        own: "dapr-system".to_owned(),
        served: None,
    }
}

pub(crate) async fn open_as(api: &Api, owner: Owner) -> Result<Authority, AuthorityError> {
    let secret = Secret::new(api.client(), reach(), names());
    Authority::open(Store::Secret(Box::new(secret)), owner, Metrics::default()).await
}

pub(crate) fn files(folder: &TempDir) -> Store {
    let path = |name: &str| folder.path().join(name);
    let paths = Paths {
        anchors: path("ca.crt"),
        issuer_chain: path("issuer.crt"),
        issuer_key: path("issuer.key"),
        jwt_key: path("jwt.key"),
        key_set: path("jwks.json"),
    };
    Store::Files(Box::new(Files::new(paths, names())))
}

fn anchors(object: &Value) -> String {
    let text: ByteString = serde_json::from_value(object["data"]["ca.crt"].clone()).unwrap();
    String::from_utf8(text.0).unwrap()
}

#[tokio::test]
async fn fills_an_empty_secret_and_its_copy() {
    let api = api(empty(), empty());
    let authority = open(&api).await.unwrap();
    assert_eq!(api.writes(), [SECRET, CONFIG_MAP]);
    assert_eq!(anchors(&api.get(SECRET)), authority.bundle().anchors_pem());
    assert_eq!(
        api.get(CONFIG_MAP)["data"]["ca.crt"],
        authority.bundle().anchors_pem()
    );
    assert!(api.get(CONFIG_MAP)["data"].get("issuer.key").is_none());
    assert!(api.posted().is_empty(), "to fill it is no repair");
}

/// As after a Helm release that left out the certificates of the one before.
#[tokio::test]
async fn makes_no_root_while_a_sidecar_trusts_another() {
    let api = api(empty(), empty());
    let roots = String::from_utf8(supplied().anchors).unwrap();
    let pod = json!({"metadata": {"namespace": "shop", "name": "cart"}, "spec": {"containers": [
        {"name": "daprd", "env": [{"name": "DAPR_TRUST_ANCHORS", "value": roots}]}]}});
    api.put(PODS, json!({"metadata": {}, "items": [&pod]}));
    let error = open(&api).await.unwrap_err();
    assert!(matches!(&error, AuthorityError::Trusted(pod) if pod == "shop/cart"));
    assert!(error.to_string().contains("trilby.dev/forget-roots=true"));
    assert!(api.writes().is_empty());
    let mut of_another = pod.clone();
    of_another["spec"]["containers"][0]["env"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "DAPR_CONTROLPLANE_NAMESPACE", "value": "dapr-canary"}));
    api.put(PODS, json!({"metadata": {}, "items": [of_another]}));
    assert!(open(&api).await.is_ok());
    api.put(CONFIG_MAP, empty());
    api.put(PODS, json!({"metadata": {}, "items": [pod]}));
    let mut given_up = empty();
    given_up["metadata"]["annotations"] = json!({"trilby.dev/forget-roots": "true"});
    api.put(SECRET, given_up);
    assert!(open(&api).await.is_ok());
}

#[tokio::test]
async fn repairs_the_copy_and_leaves_the_secret_alone() {
    let parts = supplied();
    for copy in [config_map("something else"), config_map(""), empty()] {
        let api = api(secret(&parts), copy);
        let authority = open(&api).await.unwrap();
        assert_eq!(api.writes(), [CONFIG_MAP]);
        let event = &api.posted()[0];
        assert_eq!(event["reason"], "TrustBundleRepaired");
        assert_eq!(event["metadata"]["namespace"], "dapr-system");
        let note = event["note"].as_str().unwrap();
        assert!(note.contains("ca.crt differed"), "{note}");
        assert_eq!(
            api.get(CONFIG_MAP)["data"]["ca.crt"],
            authority.bundle().anchors_pem()
        );
        assert_eq!(authority.bundle().anchors_pem().as_bytes(), parts.anchors);
    }
}

#[tokio::test]
async fn keeps_what_else_is_in_the_copy() {
    let api = api(secret(&supplied()), config_map("something else"));
    open(&api).await.unwrap();
    let copy = api.get(CONFIG_MAP);
    assert_eq!(
        (&copy["data"]["other"], &copy["metadata"]["labels"]["app"]),
        (&json!("kept"), &json!("x"))
    );
}

#[tokio::test]
async fn names_what_a_secret_lacks_and_writes_nothing() {
    let mut partial = secret(&supplied());
    partial["data"]
        .as_object_mut()
        .unwrap()
        .remove("issuer.key");
    let api = api(partial, empty());
    let error = open(&api).await.unwrap_err();
    let AuthorityError::Store(StoreError::Incomplete(incomplete)) = error else {
        unreachable!("{error}");
    };
    assert_eq!(incomplete.missing, ["issuer.key"]);
    assert!(api.writes().is_empty());
}

#[tokio::test]
async fn publishes_nothing_of_a_broken_secret() {
    let mut broken = secret(&supplied());
    broken["data"]["issuer.key"] = json!(ByteString(b"garbage".to_vec()));
    let api = api(broken, config_map("before"));
    assert!(matches!(open(&api).await, Err(AuthorityError::Bundle(_))));
    assert!(api.writes().is_empty());
}

#[tokio::test]
async fn takes_the_bundle_of_the_replica_that_wrote_first() {
    let (api, parts) = (api(empty(), empty()), supplied());
    api.interfere(SECRET, secret(&parts));
    let authority = open(&api).await.unwrap();
    assert_eq!(authority.bundle().anchors_pem().as_bytes(), parts.anchors);
    assert_eq!(api.writes(), [CONFIG_MAP]);
}

#[tokio::test]
async fn restores_a_secret_that_was_emptied_while_in_use() {
    let parts = supplied();
    let api = api(secret(&parts), empty());
    let authority = open(&api).await.unwrap();
    api.put(SECRET, empty());
    assert!(!authority.reload().await.unwrap());
    assert_eq!(anchors(&api.get(SECRET)).as_bytes(), parts.anchors);
}

#[tokio::test]
async fn goes_on_with_its_bundle_when_the_secret_turns_to_garbage() {
    let parts = supplied();
    let api = api(secret(&parts), empty());
    let authority = open(&api).await.unwrap();
    let mut garbage = secret(&parts);
    garbage["data"]["issuer.crt"] = json!(ByteString(b"garbage".to_vec()));
    api.put(SECRET, garbage);
    assert!(authority.reload().await.is_err());
    assert_eq!(authority.bundle().anchors_pem().as_bytes(), parts.anchors);
    let next = supplied();
    api.put(SECRET, secret(&next));
    assert!(authority.reload().await.unwrap());
    assert_eq!(authority.bundle().anchors_pem().as_bytes(), next.anchors);
}

#[tokio::test]
async fn makes_anew_what_was_deleted() {
    let parts = supplied();
    let api = api(secret(&parts), config_map("something else"));
    let authority = open(&api).await.unwrap();
    api.remove(SECRET);
    api.remove(CONFIG_MAP);
    assert!(!authority.reload().await.unwrap());
    let made = api.get(SECRET);
    assert_eq!(anchors(&made).as_bytes(), parts.anchors);
    assert_eq!(
        made["metadata"]["annotations"]["helm.sh/resource-policy"],
        "keep"
    );
    assert_eq!(
        api.get(CONFIG_MAP)["data"]["ca.crt"],
        authority.bundle().anchors_pem()
    );
}

#[tokio::test]
async fn keeps_private_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    let first = Authority::open(files(&folder), owner(), Metrics::default())
        .await
        .unwrap();
    for name in ["ca.crt", "issuer.crt", "issuer.key"] {
        let mode = folder
            .path()
            .join(name)
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 3);
    let second = Authority::open(files(&folder), owner(), Metrics::default())
        .await
        .unwrap();
    assert_eq!(first.bundle().anchors_pem(), second.bundle().anchors_pem());
    std::fs::remove_file(folder.path().join("issuer.crt")).unwrap();
    let partial = Authority::open(files(&folder), owner(), Metrics::default()).await;
    assert!(partial.unwrap_err().to_string().contains("store"));
}
