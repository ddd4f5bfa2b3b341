//! Events that every instance gets: delivered by one of them.

use std::{sync::Arc, time::Duration};

use http::Request;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use proxy::{
    exclusive::{self, Bounds, Exclusive},
    metrics::Metrics,
};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle};
use tokio_stream::{StreamExt, wrappers::WatchStream};
use tokio_util::sync::CancellationToken;

use crate::{
    backend::{Backend, Reply, reply},
    client::{Answer, Caller, Http},
    setup::{Forwarding, Told, bare, forwarding, until},
};

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/shop/leases";

/// The Lease of an instance, in an API server of its own.
#[derive(Clone)]
struct Store(watch::Sender<Value>);

/// An instance before an app.
struct Instance {
    proxy: Forwarding,
    exclusive: Arc<Exclusive>,
    draining: CancellationToken,
    following: JoinHandle<()>,
}

impl Store {
    async fn start() -> (Self, Backend) {
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {
                "name": "orders-shared", "resourceVersion": "1",
                "annotations": {"trilby.dev/exclusive-bindings": r#"{"tick": "every/second"}"#},
            },
        });
        let store = Self(watch::Sender::new(lease));
        let serving = store.clone();
        let server = Backend::start(move |request: Request<Incoming>| {
            let store = serving.clone();
            async move { store.answer(request).await }
        });
        (store, server.await)
    }

    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let (head, body) = request.into_parts();
        let query = head.uri.query().unwrap_or_default();
        if query.contains("watch=true") {
            let told = WatchStream::new(self.0.subscribe());
            let events = told.map(|lease| json!({"type": "MODIFIED", "object": lease}));
            let lines = events.map(|event| Ok(Frame::data(format!("{event}\n").into())));
            return http::Response::new(BodyExt::boxed(StreamBody::new(lines)));
        }
        if head.method == "PUT" {
            let body = body.collect().await.unwrap().to_bytes();
            return self.replace(serde_json::from_slice(&body).unwrap());
        }
        if head.uri.path().ends_with("/orders-shared") {
            return reply(200, self.0.borrow().to_string());
        }
        assert!(
            query.contains("fieldSelector=metadata.name%3Dorders-shared"),
            "{query}"
        );
        let list = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "LeaseList",
            "metadata": {"resourceVersion": "1"}, "items": [*self.0.borrow()],
        });
        reply(200, list.to_string())
    }

    fn replace(&self, mut lease: Value) -> Reply {
        let mut written = None;
        self.0.send_if_modified(|known| {
            if known["metadata"]["resourceVersion"] != lease["metadata"]["resourceVersion"] {
                return false;
            }
            let version: u64 = known["metadata"]["resourceVersion"]
                .as_str()
                .unwrap()
                .parse()
                .unwrap();
            lease["metadata"]["resourceVersion"] = (version + 1).to_string().into();
            written = Some(lease.clone());
            *known = lease.clone();
            true
        });
        match written {
            Some(lease) => reply(200, lease.to_string()),
            None => reply(409, json!({"kind": "Status", "code": 409, "reason": "Conflict", "message": "", "status": "Failure"}).to_string()),
        }
    }
}

impl Instance {
    async fn start(name: &str, server: &Backend, app: &Backend) -> Self {
        identity::install_crypto_provider();
        let bounds = Bounds {
            events: 10,
            event: Duration::from_secs(20),
        };
        let exclusive = Exclusive::new(name, String::new(), bounds, Metrics::default());
        let proxy = forwarding(Told {
            endpoints: bare(&[app.address]),
            exclusive: Some(exclusive.clone()),
            ..Told::default()
        })
        .await;
        let config = kube::Config::new(format!("http://{}", server.address).parse().unwrap());
        let api: Api<Lease> = Api::namespaced(Client::try_from(config).unwrap(), "shop");
        let (draining, stopping) = (CancellationToken::new(), CancellationToken::new());
        let known = exclusive.clone();
        let name = "orders-shared".to_owned();
        let following = exclusive::follow(known, api, name, draining.clone(), stopping);
        Self {
            proxy,
            exclusive,
            draining,
            following: tokio::spawn(following),
        }
    }

    async fn leads(&self) {
        until("leadership", async || self.exclusive.leads()).await;
    }

    async fn knows(&self) {
        until("the Lease", async || !self.exclusive.bindings().is_empty()).await;
    }

    async fn event(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        Caller::new(self.proxy.address, Http::One)
            .call("POST", path, headers, "{}")
            .await
    }
}

const GRPC: [(&str, &str); 2] = [("content-type", "application/grpc"), ("te", "trailers")];

impl Instance {
    async fn grpc_event(&self, message: &'static [u8]) -> Answer {
        let path = "/dapr.proto.runtime.v1.AppCallback/OnBindingEvent";
        Caller::new(self.proxy.address, Http::Two)
            .call("POST", path, &GRPC, message)
            .await
    }
}

#[tokio::test]
async fn an_event_that_both_get_is_delivered_by_the_leader_and_answered_by_the_other() {
    let ((_, server), app) = (Store::start().await, Backend::echo().await);
    let one = Instance::start("one", &server, &app).await;
    one.leads().await;
    let other = Instance::start("other", &server, &app).await;
    other.knows().await;
    let (from_one, from_other) = tokio::join!(
        one.event("/every/second", &[]),
        other.event("/every/second", &[])
    );
    assert_eq!(
        (from_one.status.as_u16(), from_other.status.as_u16()),
        (207, 200)
    );
    assert_eq!(app.paths(), ["POST /every/second"]);

    let message = b"\0\0\0\0\x06\x0a\x04tick";
    let (from_one, from_other) = tokio::join!(one.grpc_event(message), other.grpc_event(message));
    assert_eq!(
        &from_one.body[..],
        message,
        "what was read of it is sent all the same"
    );
    assert_eq!(
        (
            &from_other.body[..],
            from_other.trailers["grpc-status"].as_bytes()
        ),
        (&[0; 5][..], &b"0"[..])
    );
    assert_eq!(app.asked().len(), 2);
}

#[tokio::test]
async fn everything_else_is_delivered_by_both() {
    let ((_, server), app) = (Store::start().await, Backend::echo().await);
    let one = Instance::start("one", &server, &app).await;
    one.leads().await;
    let other = Instance::start("other", &server, &app).await;
    other.knows().await;
    for (path, headers) in [
        ("/tick", &[][..]),
        ("/every/second", &[("dapr-caller-app-id", "shop")][..]),
        ("/every/second", &[("trilby-invoked", "1")][..]),
    ] {
        assert_eq!(other.event(path, headers).await.status, 207, "{path}");
    }
    let answer = other.grpc_event(b"\0\0\0\0\x06\x0a\x04tock").await;
    assert_eq!(&answer.body[..], b"\0\0\0\0\x06\x0a\x04tock");
    let asked = app.asked();
    assert_eq!(asked.len(), 4);
    assert!(
        asked
            .iter()
            .all(|asked| !asked.headers.contains_key("trilby-invoked"))
    );
}

#[tokio::test]
async fn the_next_leader_delivers_what_the_last_one_did_not() {
    let ((store, server), app) = (Store::start().await, Backend::echo().await);
    let one = Instance::start("one", &server, &app).await;
    one.leads().await;
    let other = Instance::start("other", &server, &app).await;
    other.knows().await;
    // It dies without a word, and gets no copy.
    one.following.abort();
    assert_eq!(store.0.borrow()["spec"]["holderIdentity"], "one");
    let answer = other.event("/every/second", &[]).await;
    assert_eq!(answer.status, 207);
    assert!(other.exclusive.leads());
    assert_eq!(app.asked().len(), 1);
}

#[tokio::test]
async fn a_leader_that_drains_hands_over_at_once() {
    let ((_, server), app) = (Store::start().await, Backend::echo().await);
    let one = Instance::start("one", &server, &app).await;
    one.leads().await;
    let other = Instance::start("other", &server, &app).await;
    other.knows().await;
    one.draining.cancel();
    let begun = std::time::Instant::now();
    other.leads().await;
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "nobody waits until the lease runs out"
    );
    assert!(!one.exclusive.leads());
    let paths = server.paths();
    assert!(
        paths
            .iter()
            .all(|path| path.starts_with(&format!("GET {LEASES}"))
                || *path == format!("PUT {LEASES}/orders-shared")),
        "{paths:?}"
    );
}

#[tokio::test]
async fn nothing_is_answered_while_nobody_knows_who_leads() {
    let app = Backend::echo().await;
    let dead = Backend::start(async |_| reply(500, "")).await;
    let one = Instance::start("one", &dead, &app).await;
    // Which bindings are exclusive is not known either: rather twice than never.
    assert_eq!(one.event("/every/second", &[]).await.status, 207);
}

fn subscribing(topic: &str) -> impl Future<Output = Backend> {
    let subscriptions = json!([{"pubsubname": "broker", "topic": topic, "route": "/in"}]);
    Backend::start(move |request: Request<Incoming>| {
        let subscriptions = subscriptions.to_string();
        async move {
            match request.uri().path() {
                "/dapr/subscribe" => reply(200, subscriptions),
                _ => reply(404, ""),
            }
        }
    })
}

impl Store {
    fn revision(&self) -> Option<String> {
        let lease = self.0.borrow();
        let revision = lease["metadata"]["annotations"]["trilby.dev/app-revision"].as_str();
        revision.map(str::to_owned)
    }
}

#[tokio::test]
async fn asks_for_new_instances_once_the_whole_app_subscribes_to_something_else() {
    let ((store, server), old) = (Store::start().await, subscribing("orders").await);
    let one = Instance::start("one", &server, &old).await;
    let ask = async |path: &str| Caller::new(one.proxy.address, Http::One).get(path).await;
    let learnt = ask("/dapr/subscribe").await;
    assert!(
        String::from_utf8_lossy(&learnt.body).contains("orders"),
        "daprd gets it all the same"
    );
    assert_eq!(ask("/dapr/config").await.status, 404);

    // In the middle of a roll-out, and after one that changed nothing.
    let new = subscribing("refunds").await;
    let same = subscribing("orders").await;
    for app in [&[&old, &new][..], &[&same][..]] {
        let addresses: Vec<_> = app.iter().map(|app| app.address).collect();
        one.proxy.forwarder.set_endpoints(bare(&addresses));
        let asked = async || app.iter().all(|app| app.asked().len() >= 4);
        until("questions to all", asked).await;
    }
    assert_eq!(store.revision(), None);

    one.proxy.forwarder.set_endpoints(bare(&[new.address]));
    until("the wish", async || store.revision().is_some()).await;
    let wished = store.revision();
    // What begins with that revision and learns the same has nothing to wish for.
    one.proxy.forwarder.set_endpoints(bare(&[old.address]));
    one.proxy.forwarder.set_endpoints(bare(&[new.address]));
    until("no more questions", async || new.asked().len() >= 4).await;
    assert_eq!(store.revision(), wished);
}
