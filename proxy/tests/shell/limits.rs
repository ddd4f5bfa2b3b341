use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use proxy::guard;
use proxy_core::limits::Bounds;
use tokio::{io::AsyncReadExt, net::TcpStream, sync::Notify};

use crate::{
    backend::Backend,
    client::{Caller, Http},
    setup::{guarding, no_end, open_guard, until},
};

fn bounded(connections: u32, requests: u32) -> guard::Settings {
    let bounds = Bounds {
        connections,
        requests,
    };
    guard::Settings {
        bounds,
        ..open_guard()
    }
}

#[tokio::test]
async fn connections_of_one_client_take_none_from_another() {
    let address = guarding(bounded(50, 10), Backend::echo().await.address, no_end()).await;
    // More than the machine lets us open at once would not show more.
    let streams: Vec<TcpStream> = stream::iter(0..500)
        .map(|_| async { TcpStream::connect(address).await.unwrap() })
        .buffered(50)
        .collect()
        .await;
    let mut closed = 0;
    for mut stream in streams.into_iter().skip(50) {
        closed += usize::from(stream.read(&mut [0; 1]).await.is_ok_and(|read| read == 0));
    }
    assert_eq!(closed, 450);
    let other = Caller::from(address, Http::Two, Some([127, 0, 0, 2]));
    assert_eq!(other.get("/").await.status, 207);
}

#[tokio::test]
async fn ten_thousand_connections_of_one_client_leave_others_their_answers() {
    let address = guarding(bounded(50, 10), Backend::echo().await.address, no_end()).await;
    let storm = tokio::spawn(async move {
        // Those that are let in stay; the machine has no room for all the others at once.
        let open = |_| async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let mut byte = [0; 1];
            let closed = stream.read(&mut byte);
            let let_in = tokio::time::timeout(Duration::from_secs(1), closed)
                .await
                .is_err();
            let_in.then_some(stream)
        };
        let streams = stream::iter(0..10_000).map(open).buffer_unordered(200);
        let inside: Vec<TcpStream> = streams.filter_map(async |stream| stream).collect().await;
        inside.len()
    });
    let other = Caller::from(address, Http::Two, Some([127, 0, 0, 2]));
    let (mut answers, mut slowest) = (0, Duration::ZERO);
    while !storm.is_finished() {
        let begun = Instant::now();
        assert_eq!(other.get("/").await.status, 207);
        slowest = slowest.max(begun.elapsed());
        answers += 1;
    }
    assert_eq!(storm.await.unwrap(), 50);
    assert!(
        answers > 10 && slowest < Duration::from_secs(2),
        "{answers} answers, {slowest:?}"
    );
}

#[tokio::test]
async fn a_client_that_left_may_come_again() {
    let address = guarding(bounded(1, 10), Backend::echo().await.address, no_end()).await;
    let first = TcpStream::connect(address).await.unwrap();
    let mut refused = TcpStream::connect(address).await.unwrap();
    assert_eq!(refused.read(&mut [0; 1]).await.unwrap(), 0);
    drop(first);
    until("another connection", async || {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut byte = [0; 1];
        let read = stream.read(&mut byte);
        tokio::time::timeout(Duration::from_millis(50), read)
            .await
            .is_err()
    })
    .await;
}

#[tokio::test]
async fn requests_of_one_client_take_none_from_another() {
    let go = Arc::new(Notify::new());
    let daprd = Backend::slow(&go, "done").await;
    let address = guarding(bounded(50, 2), daprd.address, no_end()).await;
    let noisy = Caller::new(address, Http::One);
    let running: Vec<_> = (0..2)
        .map(|_| {
            let noisy = noisy.clone();
            tokio::spawn(async move { noisy.get("/slow").await })
        })
        .collect();
    until("both requests", async || daprd.asked().len() == 2).await;
    let answer = noisy.get("/fast").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["retry-after"]),
        (429, &"1".parse().unwrap())
    );
    let grpc = [("content-type", "application/grpc")];
    let answer = noisy.call("POST", "/fast", &grpc, "").await;
    assert_eq!(answer.headers["grpc-status"], "8");
    let quiet = Caller::from(address, Http::One, Some([127, 0, 0, 2]));
    assert_eq!(quiet.get("/fast").await.status, 200);
    go.notify_waiters();
    for call in running {
        assert_eq!(call.await.unwrap().status, 200);
    }
    assert_eq!(noisy.get("/fast").await.status, 200);
}
