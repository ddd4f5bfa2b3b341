use std::sync::Arc;

use futures::{StreamExt, stream};
use http::Request;
use hyper::body::Incoming;
use proxy_core::endpoint::{Endpoint, State};
use rstest::rstest;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::Notify,
};

use crate::{
    backend::{Backend, nobody, reply},
    client::{Caller, Http},
    setup::{Told, bare, before, forwarding, until},
};

#[rstest]
#[case::http1(Http::One)]
#[case::http2(Http::Two)]
#[tokio::test]
async fn passes_everything_on_unchanged(#[case] http: Http) {
    let backend = Backend::echo().await;
    let proxy = before(&[backend.address]).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = [("traceparent", trace), ("x-one", "1"), ("te", "trailers")];
    let caller = Caller::new(proxy.address, http);
    let answer = caller
        .call("PATCH", "/a%2Fb?c=d", &headers, "payload")
        .await;
    assert_eq!(answer.status, 207);
    assert_eq!(answer.body, "payload");
    assert_eq!(answer.headers["traceparent"], trace);
    assert_eq!(answer.headers["x-one"], "1");
    assert_eq!(answer.trailers["x-checksum"], "42");
    assert_eq!(backend.paths(), ["PATCH /a%2Fb"]);
}

#[tokio::test]
async fn keeps_headers_of_one_connection_to_it() {
    let backend = Backend::echo().await;
    let proxy = before(&[backend.address]).await;
    let headers = [("connection", "x-hop"), ("x-hop", "1"), ("x-end", "1")];
    Caller::new(proxy.address, Http::One)
        .call("POST", "/", &headers, "")
        .await;
    let seen = &backend.asked()[0].headers;
    assert!(seen.get("x-hop").is_none() && seen.get("connection").is_none());
    assert_eq!(seen["x-end"], "1");
}

#[rstest]
#[case::http1(Http::One)]
#[case::http2(Http::Two)]
#[tokio::test]
async fn tries_another_endpoint_when_nothing_was_sent(#[case] http: Http) {
    let backend = Backend::echo().await;
    let proxy = before(&[nobody().await, backend.address, nobody().await]).await;
    let (caller, body) = (Caller::new(proxy.address, http), vec![7; 200_000]);
    for _ in 0..10 {
        let answer = caller.call("POST", "/event", &[], body.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.to_vec()),
            (207, body.clone())
        );
    }
    assert_eq!(backend.asked().len(), 10);
}

/// A server that reads something and hangs up; says how often.
async fn hangs_up() -> (std::net::SocketAddr, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::default());
    let counted: Arc<std::sync::atomic::AtomicUsize> = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let _ = stream.read(&mut [0; 1024]).await;
        }
    });
    (address, count)
}

#[rstest]
#[case::http1(Http::One)]
#[case::http2(Http::Two)]
#[tokio::test]
async fn repeats_nothing_that_was_sent(#[case] http: Http) {
    let (broken, count) = hangs_up().await;
    let proxy = before(&[broken]).await;
    let caller = Caller::new(proxy.address, http);
    let answer = caller.call("POST", "/event", &[], "once").await;
    assert_eq!(answer.status, 502);
    assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[rstest]
#[case::one_connection(Http::Two)]
#[case::many_connections(Http::One)]
#[tokio::test]
async fn spreads_over_ten_endpoints(#[case] http: Http) {
    let backends: Vec<_> = stream::iter(0..10)
        .then(|_| Backend::echo())
        .collect()
        .await;
    let addresses: Vec<_> = backends.iter().map(|backend| backend.address).collect();
    let (half, proxy) = (&addresses[..5], before(&addresses[..5]).await);
    let caller = Caller::new(proxy.address, http);
    let calls = async |count: usize| {
        let calls = stream::iter(0..count).map(|_| caller.call("POST", "/", &[], "x"));
        let answers: Vec<_> = calls.buffer_unordered(20).collect().await;
        assert!(answers.iter().all(|answer| answer.status == 207));
    };
    calls(500).await;
    // The app is scaled up while the connections stay.
    proxy.forwarder.set_endpoints(bare(&addresses));
    calls(1_000).await;
    for backend in &backends {
        let more = if half.contains(&backend.address) {
            100
        } else {
            0
        };
        let count = backend.asked().len() - more;
        assert!(
            (80..=120).contains(&count),
            "{count} of 1000 calls, not a tenth"
        );
    }
}

#[tokio::test]
async fn the_same_node_comes_first() {
    let (near, far) = (Backend::echo().await, Backend::echo().await);
    let on = |backend: &Backend, node: &str| Endpoint {
        node: Some(node.into()),
        ..Endpoint::bare(backend.address)
    };
    let endpoints = vec![on(&near, "here"), on(&far, "there")];
    let proxy = forwarding(Told {
        endpoints,
        node: "here",
        ..Told::default()
    })
    .await;
    let caller = Caller::new(proxy.address, Http::One);
    for _ in 0..20 {
        caller.get("/").await;
    }
    assert_eq!((near.asked().len(), far.asked().len()), (20, 0));
}

#[tokio::test]
async fn an_endpoint_that_terminates_ends_its_calls_and_gets_no_more() {
    let go = Arc::new(Notify::new());
    let waits = go.clone();
    let old = Backend::start(move |_| {
        let waits = waits.clone();
        async move {
            waits.notified().await;
            reply(200, "old")
        }
    })
    .await;
    let new = Backend::start(async |_| reply(200, "new")).await;
    let proxy = before(&[old.address]).await;
    let caller = Caller::new(proxy.address, Http::Two);
    let running = tokio::spawn({
        let caller = caller.clone();
        async move { caller.get("/slow").await }
    });
    until("the call", async || old.asked().len() == 1).await;
    let ends = Endpoint {
        state: State::Terminating,
        ..Endpoint::bare(old.address)
    };
    proxy
        .forwarder
        .set_endpoints(vec![ends, Endpoint::bare(new.address)]);
    for _ in 0..5 {
        assert_eq!(caller.get("/").await.body, "new");
    }
    go.notify_one();
    assert_eq!(running.await.unwrap().body, "old");
    assert_eq!(old.asked().len(), 1);
}

#[tokio::test]
async fn a_first_dial_is_answered_at_once() {
    let proxy = before(&[]).await;
    let mut stream = tokio::net::TcpStream::connect(proxy.address).await.unwrap();
    stream.shutdown().await.unwrap();
}

#[tokio::test]
async fn who_is_busy_is_spared() {
    let stuck = async |request: Request<Incoming>| match request.uri().path() {
        "/stuck" => std::future::pending().await,
        _ => reply(200, "done"),
    };
    let pods = [Backend::start(stuck).await, Backend::start(stuck).await];
    let proxy = before(&pods.each_ref().map(|pod| pod.address)).await;
    let caller = Caller::new(proxy.address, Http::Two);
    let call = caller.clone();
    let call = tokio::spawn(async move { call.get("/stuck").await });
    let counts = || pods.each_ref().map(|pod| pod.asked().len());
    until("a first call", async || counts().iter().sum::<usize>() == 1).await;
    for _ in 0..10 {
        assert_eq!(caller.get("/").await.status, 200);
    }
    let mut counts = counts();
    counts.sort_unstable();
    assert_eq!(counts, [1, 10]);
    call.abort();
}
