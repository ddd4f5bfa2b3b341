use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use proxy::server::Ends;
use tokio::{net::TcpStream, sync::Notify, task::JoinHandle};

use crate::{
    backend::{Backend, reply},
    client::{Caller, Http},
    setup::{before, guarding, no_end, open_guard, until},
};

type Sender = http2::SendRequest<Full<Bytes>>;

/// One HTTP/2 connection, and the task that ends with it.
async fn connect(to: std::net::SocketAddr) -> (Sender, JoinHandle<hyper::Result<()>>) {
    let stream = TokioIo::new(TcpStream::connect(to).await.unwrap());
    let handshake = http2::handshake(TokioExecutor::new(), stream).await;
    let (sender, connection) = handshake.unwrap();
    (sender, tokio::spawn(connection))
}

fn request(path: &str) -> Request<Full<Bytes>> {
    let uri = format!("http://daprd{path}");
    Request::builder().uri(uri).body(Full::default()).unwrap()
}

fn aged(longest_age: Duration) -> Ends {
    Ends {
        longest_age,
        ..no_end()
    }
}

#[tokio::test]
async fn an_old_http2_connection_ends_after_its_calls() {
    let go = Arc::new(Notify::new());
    let daprd = Backend::slow(&go, "late").await;
    let age = Duration::from_millis(100);
    let address = guarding(open_guard(), daprd.address, aged(age)).await;
    let (mut sender, connection) = connect(address).await;
    let call = sender.send_request(request("/slow"));
    let call = tokio::spawn(call);
    until("the call", async || daprd.asked().len() == 1).await;
    let another = async || sender.clone().send_request(request("/another")).await;
    until("the farewell", async || another().await.is_err()).await;
    // What runs is not cut off.
    go.notify_one();
    let answer = call
        .await
        .unwrap()
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap();
    assert_eq!(answer.to_bytes(), "late");
    until("the end", async || connection.is_finished()).await;
}

#[tokio::test]
async fn an_old_http1_connection_is_closed_with_an_answer() {
    let daprd = Backend::echo().await;
    let address = guarding(
        open_guard(),
        daprd.address,
        aged(Duration::from_millis(100)),
    )
    .await;
    let caller = Caller::new(address, Http::One);
    assert!(caller.get("/").await.headers.get("connection").is_none());
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(caller.get("/").await.headers["connection"], "close");
    assert!(
        caller.get("/").await.headers.get("connection").is_none(),
        "a new connection"
    );
}

#[tokio::test]
async fn a_drain_sends_clients_elsewhere_and_still_serves() {
    let (daprd, ends) = (Backend::echo().await, no_end());
    let address = guarding(open_guard(), daprd.address, ends.clone()).await;
    let (mut sender, connection) = connect(address).await;
    sender.send_request(request("/")).await.unwrap();
    let caller = Caller::new(address, Http::One);
    caller.get("/").await;
    ends.draining.cancel();
    connection.await.unwrap().unwrap();
    until("the end of the old connection", async || {
        caller.get("/").await.headers.get("connection").is_some()
    })
    .await;
    assert_eq!(
        caller.get("/").await.status,
        207,
        "new connections are still served"
    );
}

#[tokio::test]
async fn a_stop_lets_calls_end() {
    let go = Arc::new(Notify::new());
    let waits = go.clone();
    let backend = Backend::start(move |_| {
        let waits = waits.clone();
        async move {
            waits.notified().await;
            reply(200, "late")
        }
    })
    .await;
    let proxy = before(&[backend.address]).await;
    let caller = Caller::new(proxy.address, Http::One);
    let call = tokio::spawn(async move { caller.get("/").await });
    until("the call", async || backend.asked().len() == 1).await;
    proxy.stopping.cancel();
    until("the end of the port", async || {
        TcpStream::connect(proxy.address).await.is_err()
    })
    .await;
    go.notify_one();
    assert_eq!(call.await.unwrap().body, "late");
}
