use proptest::prelude::*;
use proxy_core::learnt::{Digest, Learnt};
use rstest::rstest;

use crate::pool::address;

fn http(body: &str) -> Digest {
    Digest::of_http(200, body.as_bytes())
}

#[rstest]
#[case::order(
    r#"[{"topic": "a", "routes": {"x": 1, "y": 2}}, {"topic": "b"}]"#,
    r#"[{"topic":"b"},{"routes":{"y":2,"x":1},"topic":"a"}]"#,
    true
)]
#[case::another_route(
    r#"[{"topic": "a", "route": "x"}]"#,
    r#"[{"topic": "a", "route": "y"}]"#,
    false
)]
#[case::no_json("a", "b", false)]
fn answers_that_mean_the_same_are_the_same(
    #[case] one: &str,
    #[case] other: &str,
    #[case] same: bool,
) {
    assert_eq!(http(one) == http(other), same);
}

#[test]
fn the_status_counts() {
    assert_ne!(Digest::of_http(200, b""), Digest::of_http(404, b""));
    assert_ne!(
        Digest::of_grpc(None, b""),
        Digest::of_grpc(Some(b"12"), b"")
    );
}

/// Two subscriptions, the first with two entries in a map.
#[test]
fn the_order_in_a_message_does_not_count() {
    let digest = |message: &[u8]| Digest::of_grpc(None, message);
    let one =
        b"\x0a\x11\x0a\x01p\x1a\x05\x0a\x01a\x10\x01\x1a\x05\x0a\x01b\x10\x02\x0a\x03\x0a\x01q";
    let other =
        b"\x0a\x03\x0a\x01q\x0a\x11\x1a\x05\x0a\x01b\x10\x02\x0a\x01p\x1a\x05\x0a\x01a\x10\x01";
    let another =
        b"\x0a\x03\x0a\x01q\x0a\x11\x1a\x05\x0a\x01a\x10\x02\x0a\x01p\x1a\x05\x0a\x01b\x10\x01";
    assert_eq!(digest(one), digest(other));
    assert_ne!(digest(one), digest(another));
}

proptest! {
    #[test]
    fn any_bytes_have_a_digest(bytes: Vec<u8>) {
        prop_assert_eq!(Digest::of_grpc(None, &bytes), Digest::of_grpc(None, &bytes));
    }
}

#[test]
fn only_what_all_endpoints_say_is_news() {
    let (old, new) = (http("old"), http("new"));
    let ready = [address(1), address(2)];
    let mut learnt = Learnt::default();
    assert_eq!(learnt.news(&ready), None, "nothing was asked");
    learnt.learn("subscribe", old);
    assert_eq!(
        learnt.open(&ready),
        [(address(1), "subscribe"), (address(2), "subscribe")]
    );
    learnt.hear(address(1), "subscribe", new);
    assert_eq!(learnt.news(&ready), None, "one was not asked");
    learnt.hear(address(2), "subscribe", old);
    assert_eq!(learnt.news(&ready), None, "they differ");
    assert_eq!(learnt.open(&ready), []);
    let ready = [address(1), address(3)];
    assert_eq!(learnt.open(&ready), [(address(3), "subscribe")]);
    learnt.hear(address(3), "subscribe", new);
    let news = learnt.news(&ready).unwrap();
    assert_eq!(learnt.news(&[]), None, "nobody says anything");
    learnt.learn("subscribe", new);
    assert_eq!(learnt.news(&ready), None);
    assert_ne!(
        news.after(""),
        news.after("a"),
        "the same answers may come back"
    );
}
