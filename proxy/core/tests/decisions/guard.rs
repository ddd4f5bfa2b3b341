use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use proxy_core::{
    age::lifetime,
    limits::{Bounds, Limits, TooMany},
    source::{Range, canonical},
    token::Tokens,
};
use rstest::rstest;

use crate::pool::now;

const GRACE: Duration = Duration::from_mins(1);

fn tokens(text: &str, now: Instant) -> Tokens {
    let mut tokens = Tokens::new(GRACE);
    tokens.replace(text, now);
    tokens
}

#[test]
fn every_line_is_a_token() {
    let now = now();
    let tokens = tokens("new\n\n old \n", now);
    for (shown, good) in [
        ("new", true),
        ("old", true),
        ("", false),
        ("ne", false),
        ("newer", false),
    ] {
        assert_eq!(tokens.accepts(shown.as_bytes(), now), good, "{shown}");
    }
}

#[test]
fn a_replaced_token_stays_good_for_a_while() {
    let now = now();
    let mut tokens = tokens("old", now);
    tokens.replace("new", now);
    assert!(tokens.accepts(b"new", now) && tokens.accepts(b"old", now));
    assert!(!tokens.accepts(b"old", now + GRACE));
    assert!(tokens.accepts(b"new", now + GRACE));
    tokens.replace("new", now + GRACE / 2);
    assert!(
        !tokens.accepts(b"old", now + GRACE),
        "reading the same again prolongs nothing"
    );
}

#[test]
fn no_token_lets_nobody_in() {
    let now = now();
    let tokens = tokens("\n", now);
    assert!(tokens.is_empty() && !tokens.accepts(b"", now));
}

#[test]
fn tokens_are_not_shown() {
    let shown = format!("{:?}", tokens("hunter2", now()));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[rstest]
#[case::inside("10.244.0.0/16", "10.244.3.7", true)]
#[case::outside("10.244.0.0/16", "10.245.0.1", false)]
#[case::one("10.0.0.1", "10.0.0.1", true)]
#[case::other("10.0.0.1", "10.0.0.2", false)]
#[case::all("0.0.0.0/0", "192.0.2.1", true)]
#[case::mapped("10.0.0.0/8", "::ffff:10.1.2.3", true)]
#[case::v6("fd00::/8", "fd12::1", true)]
#[case::families("0.0.0.0/0", "fd12::1", false)]
fn ranges_contain(#[case] range: Range, #[case] ip: IpAddr, #[case] inside: bool) {
    assert_eq!(range.contains(canonical(ip)), inside);
}

#[rstest]
#[case("10.0.0.0/33")]
#[case("10.0.0/8")]
#[case("10.0.0.0/")]
#[case("pods")]
fn other_text_is_no_range(#[case] text: &str) {
    assert!(text.parse::<Range>().is_err());
}

#[test]
fn one_client_takes_nothing_from_another() {
    let mut limits = Limits::new(Bounds {
        connections: 2,
        requests: 1,
    });
    let (noisy, quiet): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
    assert_eq!(
        (limits.connect(noisy), limits.connect(noisy)),
        (Ok(()), Ok(()))
    );
    assert_eq!(limits.connect(noisy), Err(TooMany("connections")));
    assert_eq!(
        (limits.begin(noisy), limits.begin(noisy)),
        (Ok(()), Err(TooMany("requests")))
    );
    assert_eq!(
        (limits.connect(quiet), limits.begin(quiet)),
        (Ok(()), Ok(()))
    );
    limits.end(noisy);
    assert_eq!(limits.begin(noisy), Ok(()));
    limits.end(quiet);
    limits.disconnect(quiet);
    assert_eq!(limits.clients(), 1, "who is gone is forgotten");
}

proptest! {
    #[test]
    fn a_life_is_as_long_as_said_give_or_take_a_tenth(seconds in 1u64..100_000, random: u64) {
        let longest = Duration::from_secs(seconds);
        let life = lifetime(longest, random).unwrap();
        prop_assert!(life >= longest.mul_f64(0.9) && life <= longest.mul_f64(1.1));
    }
}

#[test]
fn no_age_is_no_end() {
    assert_eq!(lifetime(Duration::ZERO, 5), None);
}
