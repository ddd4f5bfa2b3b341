use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use http::Request;
use hyper::body::Incoming;
use proxy_core::endpoint::{Endpoint, State};
use tokio::sync::Semaphore;

use crate::{
    backend::{Backend, nobody, reply},
    client::{Caller, Http},
    setup::{bare, before, until},
};

async fn pods() -> Vec<Backend> {
    let mut pods = Vec::new();
    for _ in 0..3 {
        pods.push(Backend::echo().await);
    }
    pods
}

fn addresses(pods: &[Backend]) -> Vec<std::net::SocketAddr> {
    pods.iter().map(|pod| pod.address).collect()
}

#[tokio::test]
async fn an_actor_is_in_one_pod_whichever_instance_calls_it() {
    let pods = pods().await;
    let instances = [
        before(&addresses(&pods)).await,
        before(&addresses(&pods)).await,
    ];
    let callers = instances
        .each_ref()
        .map(|proxy| Caller::new(proxy.address, Http::One));
    for round in 0..6 {
        for actor in 0..50 {
            let path = format!("/actors/Counter/{actor}/method/add");
            callers[round % 2].call("PUT", &path, &[], "1").await;
        }
    }
    let mut seen = BTreeMap::<String, Vec<usize>>::new();
    for pod in &pods {
        let mut counts = BTreeMap::<String, usize>::new();
        for path in pod.paths() {
            *counts.entry(path).or_default() += 1;
        }
        assert!(counts.len() > 5, "a pod has {} of 50 actors", counts.len());
        for (path, count) in counts {
            seen.entry(path).or_default().push(count);
        }
    }
    assert_eq!(seen.len(), 50);
    assert!(seen.values().all(|counts| counts[..] == [6]), "{seen:?}");
}

/// A pod that answers as many calls as it is let.
async fn gated(gate: &Arc<Semaphore>) -> Backend {
    let gate = gate.clone();
    Backend::start(move |request: Request<Incoming>| {
        let gate = gate.clone();
        async move {
            if request.method() == "PUT" {
                gate.acquire().await.unwrap().forget();
            }
            reply(200, request.uri().path().to_owned())
        }
    })
    .await
}

const CALL: &str = "/actors/Counter/1/method/add";

#[tokio::test]
async fn hands_an_actor_over_after_its_call_and_its_end() {
    let gate = Arc::new(Semaphore::new(0));
    let (old, new) = (gated(&gate).await, Backend::echo().await);
    let proxy = before(&[old.address]).await;
    let caller = Caller::new(proxy.address, Http::One);
    let call = |headers: &'static [(&str, &str)]| {
        let caller = caller.clone();
        tokio::spawn(async move { caller.call("PUT", CALL, headers, "").await })
    };
    let running = call(&[("dapr-api-token", "of the app")]);
    until("the call", async || old.asked().len() == 1).await;
    let unready = Endpoint {
        state: State::Unready,
        ..Endpoint::bare(old.address)
    };
    proxy
        .forwarder
        .set_endpoints(vec![unready, Endpoint::bare(new.address)]);

    // The next turn waits; a call of the same turn does not.
    let next = call(&[("dapr-api-token", "of the app")]);
    until("waiting", async || proxy.forwarder.pending() == 1).await;
    let chained = call(&[("dapr-reentrancy-id", "1")]);
    until("the same turn", async || old.asked().len() == 2).await;
    assert!(new.asked().is_empty());

    gate.add_permits(2);
    assert_eq!(running.await.unwrap().status, 200);
    assert_eq!(chained.await.unwrap().status, 200);
    assert_eq!(next.await.unwrap().status, 207);
    assert_eq!(old.paths()[2..], ["DELETE /actors/Counter/1"]);
    assert_eq!(old.asked()[2].headers["dapr-api-token"], "of the app");
    assert_eq!(new.paths(), [format!("PUT {CALL}")]);
}

#[tokio::test]
async fn an_actor_whose_pod_is_gone_starts_elsewhere_at_once() {
    let pods = pods().await;
    let proxy = before(&addresses(&pods)).await;
    let caller = Caller::new(proxy.address, Http::One);
    caller.call("PUT", CALL, &[], "").await;
    let (with, without): (Vec<_>, Vec<_>) =
        pods.into_iter().partition(|pod| !pod.asked().is_empty());
    proxy.forwarder.set_endpoints(bare(&addresses(&without)));
    for _ in 0..3 {
        assert_eq!(caller.call("PUT", CALL, &[], "").await.status, 207);
    }
    assert_eq!(with[0].asked().len(), 1, "it is told nothing");
    let mut counts: Vec<_> = without.iter().map(|pod| pod.asked().len()).collect();
    counts.sort_unstable();
    assert_eq!(counts, [0, 3]);
}

#[tokio::test]
async fn daprd_ends_an_actor_where_it_is() {
    let pods = pods().await;
    let proxy = before(&[pods[0].address]).await;
    let caller = Caller::new(proxy.address, Http::One);
    caller.call("PUT", CALL, &[], "").await;
    let unready = Endpoint {
        state: State::Unready,
        ..Endpoint::bare(pods[0].address)
    };
    proxy
        .forwarder
        .set_endpoints(vec![unready, Endpoint::bare(pods[1].address)]);
    caller.call("DELETE", "/actors/Counter/1", &[], "").await;
    assert_eq!(
        pods[0].paths(),
        [format!("PUT {CALL}"), "DELETE /actors/Counter/1".into()]
    );
    assert!(pods[1].asked().is_empty());
}

#[tokio::test]
async fn an_end_that_finds_nobody_is_not_tried_for_ever() {
    let other = Backend::echo().await;
    let dead = nobody().await;
    let proxy = before(&[dead]).await;
    // The actor is remembered at an address that nobody listens at any more.
    let caller = Caller::new(proxy.address, Http::One);
    let listening = Backend::at(dead, crate::backend::echo).await;
    caller.call("PUT", CALL, &[], "").await;
    listening.stop();
    let unready = Endpoint {
        state: State::Unready,
        ..Endpoint::bare(dead)
    };
    proxy
        .forwarder
        .set_endpoints(vec![unready, Endpoint::bare(other.address)]);
    let answer = caller.call("DELETE", "/actors/Counter/1", &[], "").await;
    assert_eq!(answer.status, 207);
    assert_eq!(other.paths(), ["DELETE /actors/Counter/1"]);
}

type Memory = Arc<Mutex<BTreeMap<String, u32>>>;

/// A pod with counters in its memory.
async fn counting(memory: &Memory) -> Backend {
    let memory = memory.clone();
    Backend::start(move |request: Request<Incoming>| {
        let path = request.uri().path().trim_end_matches("/method/add");
        let mut memory = memory.lock().unwrap();
        if request.method() == "DELETE" {
            let last = memory.remove(path).unwrap_or_default();
            return std::future::ready(reply(200, last.to_string()));
        }
        let count = memory.entry(path.into()).or_default();
        *count += 1;
        std::future::ready(reply(200, count.to_string()))
    })
    .await
}

#[tokio::test]
async fn an_actors_memory_is_never_in_two_pods_while_pods_come_and_go() {
    let memories: [Memory; 4] = Default::default();
    let mut pods = Vec::new();
    for memory in &memories {
        pods.push(counting(memory).await);
    }
    let instances = [before(&[]).await, before(&[]).await];
    let callers = instances
        .each_ref()
        .map(|proxy| Caller::new(proxy.address, Http::One));
    for call in 0..4_000_usize {
        if call % 100 == 0 {
            // Each pod in turn is not ready, one of them at a time.
            let unready = call / 100 % 5;
            let endpoints = pods.iter().enumerate().map(|(index, pod)| Endpoint {
                state: if index == unready {
                    State::Unready
                } else {
                    State::Ready
                },
                ..Endpoint::bare(pod.address)
            });
            let endpoints: Vec<_> = endpoints.collect();
            for proxy in &instances {
                proxy.forwarder.set_endpoints(endpoints.clone());
            }
        }
        let actor = format!("/actors/Counter/{}", call % 30);
        let path = format!("{actor}/method/add");
        let caller = &callers[call % 30 % 2];
        assert_eq!(caller.call("PUT", &path, &[], "").await.status, 200);
        let holders = memories
            .iter()
            .filter(|memory| memory.lock().unwrap().contains_key(&actor));
        assert_eq!(holders.count(), 1, "{actor} after call {call}");
    }
}
