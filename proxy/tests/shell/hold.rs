use std::time::Duration;

use crate::{
    backend::{Backend, echo, nobody},
    client::{Answer, Caller, Http},
    setup::{Forwarding, Told, bare, before, forwarding, until},
};

const SHORT: Duration = Duration::from_millis(100);

fn spawn(
    proxy: &Forwarding,
    method: &'static str,
    path: &'static str,
) -> tokio::task::JoinHandle<Answer> {
    let caller = Caller::new(proxy.address, Http::One);
    tokio::spawn(async move { caller.call(method, path, &[], "held").await })
}

async fn pending(proxy: &Forwarding, count: usize) {
    until("holding", async || proxy.forwarder.pending() == count).await;
}

#[tokio::test]
async fn held_calls_are_delivered_once_when_the_app_wakes() {
    let proxy = before(&[]).await;
    let calls: Vec<_> = (0..5).map(|_| spawn(&proxy, "POST", "/event")).collect();
    pending(&proxy, 5).await;
    let backend = Backend::echo().await;
    proxy.forwarder.set_endpoints(bare(&[backend.address]));
    for call in calls {
        let answer = call.await.unwrap();
        assert_eq!(
            (answer.status.as_u16(), &answer.body[..]),
            (207, &b"held"[..])
        );
    }
    assert_eq!(backend.asked().len(), 5);
    assert_eq!(proxy.forwarder.pending(), 0);
}

#[tokio::test]
async fn gives_up_with_an_error_that_can_be_repeated() {
    let proxy = forwarding(Told {
        hold: SHORT,
        ..Told::default()
    })
    .await;
    let answer = spawn(&proxy, "POST", "/event").await.unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(proxy.forwarder.pending(), 0);
}

#[tokio::test]
async fn holds_no_more_than_it_may() {
    let proxy = forwarding(Told {
        held: 2,
        ..Told::default()
    })
    .await;
    let _held = [spawn(&proxy, "POST", "/a"), spawn(&proxy, "POST", "/b")];
    pending(&proxy, 2).await;
    assert_eq!(spawn(&proxy, "POST", "/c").await.unwrap().status, 503);
}

#[tokio::test]
async fn what_is_asked_once_waits_longer() {
    let proxy = forwarding(Told {
        hold: SHORT,
        held: 0,
        ..Told::default()
    })
    .await;
    let once = [
        spawn(&proxy, "GET", "/dapr/subscribe"),
        spawn(&proxy, "GET", "/dapr/config"),
    ];
    pending(&proxy, 2).await;
    tokio::time::sleep(2 * SHORT).await;
    assert_eq!(proxy.forwarder.pending(), 2);
    proxy
        .forwarder
        .set_endpoints(bare(&[Backend::echo().await.address]));
    for call in once {
        assert_eq!(call.await.unwrap().status, 207);
    }
}

#[tokio::test]
async fn a_caller_that_went_away_is_no_longer_held() {
    let proxy = before(&[]).await;
    let call = spawn(&proxy, "POST", "/event");
    pending(&proxy, 1).await;
    call.abort();
    pending(&proxy, 0).await;
}

#[tokio::test]
async fn waits_for_an_endpoint_that_does_not_listen_yet() {
    let address = nobody().await;
    let proxy = before(&[address]).await;
    let call = spawn(&proxy, "POST", "/event");
    pending(&proxy, 1).await;
    let backend = Backend::at(address, echo).await;
    assert_eq!(call.await.unwrap().status, 207);
    assert_eq!(backend.asked().len(), 1);
}
