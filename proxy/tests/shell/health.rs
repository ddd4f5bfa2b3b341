use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::Request;
use hyper::body::Incoming;
use proxy::forwarder::{Checks, Protocol};
use rstest::rstest;

use crate::{
    backend::{Backend, Reply, echo, reply},
    client::{Caller, Http},
    setup::{Forwarding, Told, bare, forwarding, until},
};

fn checks(protocol: Protocol) -> Checks {
    Checks {
        path: "/healthz".into(),
        protocol,
        interval: Duration::from_millis(20),
        timeout: Duration::from_secs(1),
        threshold: 2,
    }
}

/// A pod whose health check answers as it is told.
async fn pod(well: &Arc<AtomicBool>) -> Backend {
    let well = well.clone();
    Backend::start(move |request: Request<Incoming>| answer(well.clone(), request)).await
}

async fn answer(well: Arc<AtomicBool>, request: Request<Incoming>) -> Reply {
    let well = well.load(Ordering::SeqCst);
    match request.uri().path() {
        "/healthz" => reply(if well { 204 } else { 500 }, ""),
        "/dapr.proto.runtime.v1.AppCallbackHealthCheck/HealthCheck" => {
            let mut answer = reply(200, "");
            let status = if well { "0" } else { "14" };
            answer
                .headers_mut()
                .insert("grpc-status", status.parse().unwrap());
            answer
        }
        _ => echo(request).await,
    }
}

async fn ready(proxy: &Forwarding, count: usize) {
    until("health", async || proxy.forwarder.counts().ready == count).await;
}

#[rstest]
#[case::http(Protocol::Http)]
#[case::h2c(Protocol::H2c)]
#[case::grpc(Protocol::Grpc)]
#[tokio::test]
async fn only_healthy_endpoints_are_chosen(#[case] protocol: Protocol) {
    let (well, ill) = (
        Arc::new(AtomicBool::new(true)),
        Arc::new(AtomicBool::new(false)),
    );
    let (good, bad) = (pod(&well).await, pod(&ill).await);
    let told = Told {
        checks: Some(checks(protocol)),
        ..Told::default()
    };
    let proxy = forwarding(told).await;
    proxy
        .forwarder
        .set_endpoints(bare(&[good.address, bad.address]));
    let caller = Caller::new(proxy.address, Http::One);
    for _ in 0..4 {
        assert_eq!(caller.get("/orders").await.status, 207);
    }
    assert!(!bad.paths().contains(&"GET /orders".into()));
    ill.store(true, Ordering::SeqCst);
    ready(&proxy, 2).await;
    well.store(false, Ordering::SeqCst);
    ready(&proxy, 1).await;
}

#[tokio::test]
async fn daprd_sees_one_app() {
    let well = Arc::new(AtomicBool::new(true));
    let told = Told {
        checks: Some(checks(Protocol::Http)),
        ..Told::default()
    };
    let proxy = forwarding(told).await;
    let caller = Caller::new(proxy.address, Http::One);
    assert_eq!(
        caller.get("/healthz").await.status,
        204,
        "an app at zero is asleep"
    );
    let backend = pod(&well).await;
    proxy.forwarder.set_endpoints(bare(&[backend.address]));
    ready(&proxy, 1).await;
    assert_eq!(caller.get("/healthz").await.status, 204);
    well.store(false, Ordering::SeqCst);
    ready(&proxy, 0).await;
    assert_eq!(caller.get("/healthz").await.status, 503);
}
