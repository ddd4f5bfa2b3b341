use futures::stream;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;
use crate::fixtures::{Script, answers};

/// What was asked of the API server, by method and path.
type Asked = Arc<Mutex<Vec<String>>>;

/// An API server with these Secrets in namespace `shop`, as `name` or `name/key`, which takes statuses
/// with this code.
fn cluster(secrets: Arc<Mutex<Vec<&'static str>>>, code: u16) -> (Script, Asked) {
    let asked = Asked::default();
    let noting = Arc::clone(&asked);
    let script = answers(move |method, path| {
        noting.lock().push(format!("{method} {path}"));
        let secret = path.strip_prefix("/api/v1/namespaces/shop/secrets/");
        let known = secret.and_then(|name| find(&secrets.lock(), name));
        match (method, known) {
            ("GET", Some(data)) => (200, json!({"metadata": {}, "data": data})),
            ("GET", _) => (404, json!({"code": 404})),
            ("PATCH", _) => (code, json!({"metadata": {"name": "c"}, "code": code})),
            _ => (201, json!({"metadata": {"name": "event"}})),
        }
    });
    (script, asked)
}

/// Content of the newest Secret of this name.
fn find(secrets: &[&str], name: &str) -> Option<Value> {
    let mut rests = secrets.iter().rev().filter_map(|it| it.strip_prefix(name));
    rests.next().map(|rest| match rest.strip_prefix('/') {
        Some(key) => json!({key: "c2VjcmV0"}),
        None => json!({}),
    })
}

fn stores() -> Vec<Arc<Store>> {
    let stores: Vec<_> = Kind::ALL.into_iter().map(Store::new).collect();
    for store in &stores {
        store.reset(Vec::new());
    }
    stores
}

fn component(fields: &Value) -> Resource {
    let mut object = json!({"metadata": {"name": "c", "namespace": "shop", "uid": "u"}});
    for (key, value) in fields.as_object().unwrap() {
        object[key] = value.clone();
    }
    Resource::new(Kind::Component, object).unwrap()
}

fn refers() -> Value {
    let entry = json!({"name": "password", "secretKeyRef": {"name": "redis", "key": "p"}});
    json!({"spec": {"type": "state.redis", "metadata": [entry]}})
}

fn pods(ids: &[&str]) -> impl Stream<Item = Seen> + use<> {
    let pods = ids
        .iter()
        .map(|id| (("shop".into(), (*id).into()), (*id).into()));
    stream::iter([Seen::All(pods.collect())]).chain(stream::pending())
}

#[expect(clippy::disallowed_methods, reason = "there is no process in tests")]
fn begin(script: &Script, stores: &[Arc<Store>], pods: impl Stream<Item = Seen> + Send + 'static) {
    let reporter = Reporter::new(script.client(), stores.to_vec());
    tokio::spawn(reporter.run(pods));
}

/// The bodies of the requests whose method and path begin like this, once there are so many.
async fn bodies(script: &Script, asked: &Asked, start: &str, count: usize) -> Vec<Value> {
    for _ in 0..100_000 {
        let asked = asked.lock().clone();
        let bodies = script.bodies();
        let found: Vec<Value> = asked
            .iter()
            .zip(bodies)
            .filter(|(call, _)| call.starts_with(start))
            .map(|(_, body)| body)
            .collect();
        if found.len() >= count {
            return found;
        }
        sleep(Duration::from_millis(10)).await;
    }
    Vec::new()
}

fn reasons(body: &Value) -> Vec<&str> {
    let conditions = body["status"]["conditions"].as_array().unwrap();
    conditions
        .iter()
        .map(|condition| condition["reason"].as_str().unwrap())
        .collect()
}

const PATCH: &str = "PATCH /apis/dapr.io/v1alpha1/namespaces/shop/components/c/status";
const EVENT: &str = "POST /apis/events.k8s.io/v1/namespaces/shop/events";

#[tokio::test(start_paused = true)]
async fn a_missing_secret_is_told_until_it_is_there_with_its_key() {
    let secrets: Arc<Mutex<Vec<&str>>> = Arc::default();
    let (script, asked) = cluster(Arc::clone(&secrets), 200);
    let stores = stores();
    stores[0].apply(component(&refers()));
    begin(&script, &stores, pods(&[]));
    let told = bodies(&script, &asked, PATCH, 1).await;
    assert_eq!(told.len(), 1, "{:?}", asked.lock());
    assert_eq!(
        reasons(&told[0]),
        ["NoProblem", "SecretNotFound", "AllFound"]
    );
    let events = bodies(&script, &asked, EVENT, 1).await;
    assert_eq!(events[0]["reason"], "SecretNotFound");
    assert_eq!(events[0]["regarding"]["uid"], "u");

    let mut after = refers();
    after["status"] = told[0]["status"].clone();
    stores[0].apply(component(&after));
    secrets.lock().push("redis");
    let told = bodies(&script, &asked, PATCH, 2).await;
    assert_eq!(reasons(&told[1])[1], "SecretKeyNotFound");
    after["status"] = told[1]["status"].clone();
    stores[0].apply(component(&after));
    secrets.lock().push("redis/p");
    let told = bodies(&script, &asked, PATCH, 3).await;
    assert_eq!(reasons(&told[2]), ["NoProblem", "AllFound", "AllFound"]);
    assert_eq!(bodies(&script, &asked, EVENT, 2).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_app_that_comes_matches_its_scope() {
    let (script, asked) = cluster(Arc::default(), 200);
    let stores = stores();
    let fields = json!({"spec": {"type": "state.redis"}, "scopes": ["checkout"]});
    stores[0].apply(component(&fields));
    let (sender, receiver) = futures::channel::mpsc::unbounded();
    sender.unbounded_send(Seen::All(Vec::new())).unwrap();
    begin(&script, &stores, receiver);
    let told = bodies(&script, &asked, PATCH, 1).await;
    assert_eq!(reasons(&told[0])[2], "AppNotFound");

    let pod = ("shop".into(), "checkout-0".into());
    sender
        .unbounded_send(Seen::One(pod, "checkout".into()))
        .unwrap();
    let told = bodies(&script, &asked, PATCH, 2).await;
    assert_eq!(reasons(&told[1])[2], "AllFound");
}

#[tokio::test(start_paused = true)]
async fn what_was_told_is_not_told_again() {
    let (script, asked) = cluster(Arc::default(), 200);
    let stores = stores();
    stores[0].apply(component(&json!({"spec": {"type": "state.redis"}})));
    begin(&script, &stores, pods(&[]));
    let told = bodies(&script, &asked, PATCH, 1).await;
    let mut after = json!({"spec": {"type": "state.redis"}});
    after["status"] = told[0]["status"].clone();
    stores[0].apply(component(&after));
    sleep(Duration::from_hours(1)).await;
    assert_eq!(asked.lock().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_write_it_is_tried_seldom() {
    let (script, asked) = cluster(Arc::default(), 403);
    let stores = stores();
    stores[0].apply(component(&json!({"spec": {"type": "state.redis"}})));
    begin(&script, &stores, pods(&[]));
    sleep(Duration::from_hours(1)).await;
    let tried = asked.lock().len();
    assert!((10..25).contains(&tried), "{tried}");
}

#[tokio::test(start_paused = true)]
async fn without_pods_the_rest_is_told_after_a_while() {
    let (script, asked) = cluster(Arc::default(), 200);
    let stores = stores();
    stores[0].apply(component(&json!({"spec": {"type": "stat.redis"}})));
    begin(&script, &stores, stream::pending());
    let told = bodies(&script, &asked, PATCH, 1).await;
    assert_eq!(reasons(&told[0]), ["StopsSidecars", "AllFound"]);
}
