//! Apps that answer too late, or never.

use std::{sync::Arc, time::Duration};

use rstest::rstest;
use tokio::{sync::Notify, time::timeout};

use crate::{
    backend::Backend,
    client::{Caller, Http},
    setup::{before, until},
};

/// What daprd has for a deadline here.
const DEADLINE: Duration = Duration::from_millis(100);

/// daprd gave the call up, so nothing was acknowledged; what the app says then is nobody's answer.
#[rstest]
#[tokio::test]
async fn an_answer_after_the_deadline_is_not_that_of_the_next_call(
    #[values(Http::One, Http::Two)] http: Http,
) {
    let go = Arc::new(Notify::new());
    let app = Backend::slow(&go, "answer").await;
    let proxy = before(&[app.address]).await;
    let caller = Caller::new(proxy.address, http);
    for round in 1..=5 {
        let call = timeout(DEADLINE, caller.get("/slow")).await;
        assert!(call.is_err(), "no answer before the app has one");
        go.notify_waiters();
        let next = caller.get("/quick").await;
        assert_eq!(
            (next.status.as_u16(), &next.body[..]),
            (200, &b"answer"[..])
        );
        assert_eq!(app.asked().len(), 2 * round, "nothing is sent again");
    }
}

#[rstest]
#[tokio::test]
async fn a_pod_that_never_answers_gets_no_more_than_its_share(
    #[values(Http::One, Http::Two)] http: Http,
) {
    let never = Backend::slow(&Arc::new(Notify::new()), "").await;
    let well = Backend::echo().await;
    let proxy = before(&[never.address, well.address]).await;
    let caller = Caller::new(proxy.address, http);
    let stuck: Vec<_> = (0..40)
        .map(|_| {
            let caller = caller.clone();
            tokio::spawn(async move { caller.get("/slow").await.status.as_u16() })
        })
        .collect();
    // One call after the other waits there, and the rest goes where answers come from.
    until("answers of the other pod", async || {
        stuck.iter().filter(|call| call.is_finished()).count() >= 20
    })
    .await;
    let stuck: Vec<_> = stuck
        .into_iter()
        .filter(|call| !call.is_finished())
        .collect();
    assert!(!stuck.is_empty());
    for _ in 0..20 {
        assert_eq!(
            timeout(Duration::from_secs(5), caller.get("/quick"))
                .await
                .unwrap()
                .status,
            207
        );
    }
    for call in stuck {
        call.abort();
    }
}
