//! Rotations in the cluster's objects, seen from outside.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use proptest::prelude::*;
use sentry::{
    authority::{Authority, AuthorityError},
    random,
};
use sentry_core::{Bundle, Parts, pem, rotation::State};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{
    api::Api,
    authority::{
        CONFIG_MAP, SECRET, api, config_map, empty, open, open_as, owner, profile, secret, supplied,
    },
};

const STATE: &str = "trilby-rotation.json";

fn text(object: &Value, key: &str) -> Vec<u8> {
    let found = serde_json::from_value::<Option<ByteString>>(object["data"][key].clone());
    found.unwrap().map(|text| text.0).unwrap_or_default()
}

fn stored(api: &Api) -> Parts {
    let secret = api.get(SECRET);
    Parts {
        anchors: text(&secret, "ca.crt"),
        issuer_chain: text(&secret, "issuer.crt"),
        issuer_key: Zeroizing::new(text(&secret, "issuer.key")),
    }
}

fn set(api: &Api, parts: &Parts) {
    let mut object = api.get(SECRET);
    let new = secret(parts);
    for key in ["ca.crt", "issuer.crt", "issuer.key"] {
        object["data"][key] = new["data"][key].clone();
    }
    api.put(SECRET, object);
}

fn reasons(api: &Api) -> Vec<String> {
    let reason = |event: &Value| event["reason"].as_str().unwrap_or_default().to_owned();
    api.posted().iter().map(reason).collect()
}

fn roots(text: &[u8]) -> Vec<Vec<u8>> {
    let found = pem::certificates(text).unwrap_or_default();
    found.iter().map(|root| root.to_vec()).collect()
}

/// Whether somebody who knows these roots alone accepts what this bundle signs.
fn serves(parts: &Parts, anchors: &[u8]) -> bool {
    let parts = Parts {
        anchors: anchors.to_vec(),
        ..parts.clone()
    };
    Bundle::load(&parts, Timestamp::now()).is_ok()
}

#[tokio::test]
async fn publishes_the_next_root_from_the_first_day() {
    let api = api(empty(), empty());
    let authority = open(&api).await.unwrap();
    assert_eq!(roots(&stored(&api).anchors).len(), 2);
    assert!(
        !authority.advance(None).await.unwrap(),
        "nothing more is due"
    );
    assert!(api.posted().is_empty(), "to begin is nothing to tell");
}

#[tokio::test]
async fn takes_over_from_the_original() {
    let parts = supplied();
    let (api, anchors) = (api(secret(&parts), empty()), parts.anchors.clone());
    let authority = open(&api).await.unwrap();
    assert_eq!(stored(&api), parts, "to start changes nothing");
    assert!(authority.advance(None).await.unwrap());
    assert_eq!(stored(&api).issuer_key, parts.issuer_key);
    let mut object = api.get(SECRET);
    object["metadata"]["annotations"] = json!({"trilby.dev/rotate": "today"});
    api.put(SECRET, object);
    assert!(authority.advance(None).await.unwrap());
    let next = stored(&api);
    assert_ne!(next.issuer_key, parts.issuer_key);
    assert!(serves(&next, &anchors), "sidecars of the original follow");
    let copy = api.get(CONFIG_MAP);
    assert_eq!(
        copy["data"]["ca.crt"].as_str().unwrap().as_bytes(),
        next.anchors
    );
    assert!(copy["data"].get(STATE).is_none(), "it holds keys");
    let told = [
        "TrustBundleRepaired",
        "RootPublished",
        "RootActivated",
        "RootPublished",
    ];
    assert_eq!(reasons(&api), told);
    assert!(
        !authority.advance(None).await.unwrap(),
        "once asked, once done"
    );
}

#[tokio::test]
async fn replicas_agree_on_one_rotation() {
    let (api, mut replicas) = (api(empty(), empty()), Vec::new());
    for _ in 0..3 {
        replicas.push(open(&api).await.unwrap());
    }
    let mut object = api.get(SECRET);
    object["metadata"]["annotations"] = json!({"trilby.dev/rotate": "1"});
    api.put(SECRET, object);
    let [one, two, three] = &replicas[..] else {
        unreachable!()
    };
    let all = tokio::join!(one.advance(None), two.advance(None), three.advance(None));
    assert!([all.0, all.1, all.2].into_iter().all(|done| done.is_ok()));
    for replica in &replicas {
        replica.reload().await.unwrap();
        assert_eq!(
            replica.bundle().anchors_pem().as_bytes(),
            stored(&api).anchors
        );
        assert!(!replica.advance(None).await.unwrap());
    }
    let activated = reasons(&api)
        .iter()
        .filter(|reason| *reason == "RootActivated")
        .count();
    assert_eq!(activated, 1);
}

/// What a tool that knows nothing of rotations does with the Secret: `dapr mtls
/// renew-certificate`, a Helm release with the same values, one with older values.
#[tokio::test]
async fn bridges_to_an_authority_put_in_place_by_hand() {
    let (old, new) = (supplied(), supplied());
    let api = api(secret(&old), empty());
    let authority = open(&api).await.unwrap();
    authority.advance(None).await.unwrap();
    for _ in 0..2 {
        set(&api, &new);
        assert!(authority.reload().await.unwrap() || serves(&stored(&api), &old.anchors));
        let used = stored(&api);
        assert_eq!(used.issuer_key, new.issuer_key);
        assert!(serves(&used, &old.anchors) && serves(&used, &new.anchors));
        assert_eq!(authority.bundle().anchors_pem().as_bytes(), used.anchors);
        assert_eq!(
            roots(&used.anchors)[0],
            roots(&new.anchors)[0],
            "tools look at the first"
        );
    }
    assert!(reasons(&api).contains(&"RootAdopted".to_owned()));
    assert!(reasons(&api).contains(&"TrustBundleCompleted".to_owned()));
}

/// A replica that starts on the changed Secret knows the one before from the Secret itself.
#[tokio::test]
async fn a_new_replica_bridges_too() {
    let (old, new) = (supplied(), supplied());
    let api = api(secret(&old), empty());
    open(&api).await.unwrap().advance(None).await.unwrap();
    set(&api, &new);
    open(&api).await.unwrap();
    assert!(serves(&stored(&api), &old.anchors));
}

#[tokio::test]
async fn restores_what_helm_emptied_though_no_replica_ran() {
    let old = supplied();
    let api = api(secret(&old), empty());
    open(&api).await.unwrap().advance(None).await.unwrap();
    let before = stored(&api);
    let mut object = api.get(SECRET);
    for key in ["ca.crt", "issuer.crt", "issuer.key"] {
        object["data"].as_object_mut().unwrap().remove(key);
    }
    api.put(SECRET, object);
    open(&api).await.unwrap();
    assert_eq!(stored(&api), before);
    assert!(reasons(&api).contains(&"TrustBundleRestored".to_owned()));
}

#[tokio::test]
async fn makes_no_root_where_another_was_published() {
    let copy = String::from_utf8(supplied().anchors).unwrap();
    let api = api(empty(), config_map(&copy));
    let error = open(&api).await.unwrap_err();
    assert!(matches!(error, AuthorityError::Orphaned), "{error}");
    assert!(error.to_string().contains("ConfigMap"));
    assert!(api.writes().is_empty());
}

#[tokio::test]
async fn takes_the_secret_of_a_certificate_manager_and_follows_it() {
    let manager = |parts: &Parts| {
        let mut object = secret(parts);
        let data = object["data"].as_object_mut().unwrap();
        for (from, to) in [("issuer.crt", "tls.crt"), ("issuer.key", "tls.key")] {
            let text = data.remove(from).unwrap();
            data.insert(to.to_owned(), text);
        }
        object["type"] = json!("kubernetes.io/tls");
        object
    };
    let (first, second) = (supplied(), supplied());
    let api = api(manager(&first), empty());
    let authority = open(&api).await.unwrap();
    authority.advance(None).await.unwrap();
    let mut renewed = manager(&second);
    renewed["data"][STATE] = api.get(SECRET)["data"][STATE].clone();
    api.put(SECRET, renewed);
    assert!(authority.reload().await.unwrap());
    let object = api.get(SECRET);
    assert!(object["data"].get("issuer.crt").is_none());
    assert_eq!(text(&object, "tls.key"), *second.issuer_key);
    let used = Parts {
        issuer_chain: text(&object, "tls.crt"),
        ..second
    };
    assert!(serves(&used, &first.anchors));
}

#[tokio::test]
async fn goes_on_where_what_it_remembered_is_garbage() {
    let parts = supplied();
    let api = api(secret(&parts), empty());
    let authority = open(&api).await.unwrap();
    authority.advance(None).await.unwrap();
    let mut object = api.get(SECRET);
    object["data"][STATE] = json!(ByteString(b"{\"kept\": 7".to_vec()));
    api.put(SECRET, object);
    authority.reload().await.unwrap();
    authority.advance(None).await.unwrap();
    State::read(&text(&api.get(SECRET), STATE)).unwrap();
    assert_eq!(stored(&api).issuer_key, parts.issuer_key);
}

#[tokio::test]
async fn starts_although_the_authority_ended_while_nobody_ran() {
    let made = Timestamp::now() - SignedDuration::from_hours(24 * 366);
    let ended = profile("dapr-system")
        .generate(made, &random::entropy().unwrap())
        .unwrap();
    let api = api(secret(&ended), empty());
    let authority = open(&api).await.unwrap();
    assert!(reasons(&api).contains(&"RootActivated".to_owned()));
    assert_ne!(stored(&api).issuer_key, ended.issuer_key);
    assert!(authority.bundle().issuer_not_after() > Timestamp::now());
}

#[tokio::test]
async fn tells_once_that_an_authority_ends_and_nothing_replaces_it() {
    let made = Timestamp::now() - SignedDuration::from_hours(24 * 340);
    let parts = profile("dapr-system")
        .generate(made, &random::entropy().unwrap())
        .unwrap();
    let api = api(secret(&parts), empty());
    let mut owner = owner();
    owner.rotation.by_age = false;
    let authority = open_as(&api, owner).await.unwrap();
    for _ in 0..2 {
        authority.advance(None).await.unwrap();
    }
    let told = reasons(&api);
    let told: Vec<_> = told
        .iter()
        .filter(|reason| *reason == "AuthorityEnds")
        .collect();
    assert_eq!(told.len(), 1);
}

/// A step of somebody who changes the two objects, or of sentry.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// One key of the Secret gets its new text, or loses what it had.
    Key(usize, bool),
    /// The whole Secret becomes the new one, or empty.
    Secret(bool),
    /// The copy becomes the new one, or empty.
    Copy(bool),
    Reload,
    Advance,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3_usize, any::<bool>()).prop_map(|(key, new)| Step::Key(key, new)),
        any::<bool>().prop_map(Step::Secret),
        any::<bool>().prop_map(Step::Copy),
        Just(Step::Reload),
        Just(Step::Advance),
        Just(Step::Restart),
    ]
}

/// Sentry's world while somebody changes the two objects in any order.
struct World {
    api: Api,
    new: Parts,
    authority: Option<Authority>,
}

impl World {
    async fn act(&mut self, step: Step) {
        match step {
            Step::Key(at, new) => self.key(["ca.crt", "issuer.crt", "issuer.key"][at], new),
            Step::Secret(true) => self.api.put(SECRET, secret(&self.new)),
            Step::Secret(false) => self.api.put(SECRET, empty()),
            Step::Copy(true) => {
                let text = String::from_utf8(self.new.anchors.clone()).unwrap();
                self.api.put(CONFIG_MAP, config_map(&text));
            }
            Step::Copy(false) => self.api.put(CONFIG_MAP, empty()),
            // Where nothing is left anywhere, a cluster looks like one that has just begun.
            Step::Restart if self.is_blank() => {}
            Step::Restart => self.authority = open_as(&self.api, owner()).await.ok(),
            Step::Reload => {
                if let Some(authority) = &self.authority {
                    let _ = authority.reload().await;
                }
            }
            Step::Advance => {
                if let Some(authority) = &self.authority {
                    let _ = authority.advance(None).await;
                }
            }
        }
    }

    fn is_blank(&self) -> bool {
        [SECRET, CONFIG_MAP].iter().all(|path| {
            let object = self.api.get(path);
            let data = object["data"].as_object();
            data.is_none_or(|data| !data.contains_key("ca.crt") && !data.contains_key(STATE))
        })
    }

    fn key(&self, key: &str, new: bool) {
        let mut object = self.api.get(SECRET);
        if new {
            object["data"][key] = secret(&self.new)["data"][key].clone();
        } else if let Some(data) = object["data"].as_object_mut() {
            data.remove(key);
        }
        self.api.put(SECRET, object);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever somebody does to the two objects, and whenever sentry looks or starts anew: it
    /// signs by the old authority or by the new one, both with everybody's trust, and never by
    /// one that it made instead.
    #[test]
    fn never_makes_another_root(steps in proptest::collection::vec(step(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (old, new) = (supplied(), supplied());
            let api = api(secret(&old), empty());
            let authority = Some(open(&api).await.unwrap());
            let mut world = World { api, new, authority };
            world.act(Step::Advance).await;
            let keys = [(*old.issuer_key).clone(), (*world.new.issuer_key).clone()];
            for step in steps {
                world.act(step).await;
                if let Some(authority) = &world.authority {
                    let found = authority.roots();
                    assert_ne!(found.end(), None);
                }
                let key = text(&world.api.get(SECRET), "issuer.key");
                assert!(key.is_empty() || keys.contains(&key), "{step:?} made a new authority");
            }
        });
    }
}

/// The four files and keys that Dapr's sentry reads hold what it accepts after any number of
/// rotations: linear chain, no root in it, roots that sign themselves, and the key of the first.
#[tokio::test]
async fn leaves_what_the_original_reads() {
    let api = api(empty(), empty());
    let authority = open(&api).await.unwrap();
    for round in 0..4 {
        let mut object = api.get(SECRET);
        object["metadata"]["annotations"] = json!({"trilby.dev/rotate": round.to_string()});
        api.put(SECRET, object);
        assert!(authority.advance(None).await.unwrap());
    }
    let (secret, copy) = (api.get(SECRET), api.get(CONFIG_MAP));
    let keys: Vec<_> = secret["data"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(keys, ["ca.crt", "issuer.crt", "issuer.key", STATE]);
    let parts = stored(&api);
    assert_eq!(
        copy["data"]["ca.crt"].as_str().unwrap().as_bytes(),
        parts.anchors
    );
    let plain = String::from_utf8([parts.anchors.clone(), parts.issuer_chain.clone()].concat());
    assert!(plain.unwrap().lines().all(|line| !line.contains("KEY")));
    let chain = pem::certificates(&parts.issuer_chain).unwrap();
    assert_eq!(chain.len(), 9, "five issuers and four bridges");
    assert!(
        chain
            .iter()
            .all(|one| !roots(&parts.anchors).contains(&one.to_vec()))
    );
    let later = Timestamp::now() + SignedDuration::from_secs(1);
    Bundle::load(&parts, later).unwrap();
}
