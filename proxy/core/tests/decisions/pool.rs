use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use proxy_core::{
    endpoint::{Endpoint, State},
    pool::{Counts, Locality, PENALTY, Pool, Unavailable},
};
use rstest::rstest;

/// The clock's reading does not matter, but an `Instant` comes from nowhere else.
#[expect(clippy::disallowed_methods, reason = "a test is told by nobody")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

pub(crate) fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 80))
}

fn endpoint(last: u8, node: &str, zone: &str) -> Endpoint {
    Endpoint {
        node: Some(node.into()),
        zone: Some(zone.into()),
        ..Endpoint::bare(address(last))
    }
}

fn pool(endpoints: Vec<Endpoint>) -> Pool {
    let locality = Locality {
        node: Some("here".into()),
        zone: None,
        spill: 4,
    };
    let mut pool = Pool::new(locality, false);
    pool.update(endpoints);
    pool
}

fn equals(count: u8) -> Pool {
    pool(
        (1..=count)
            .map(|last| Endpoint::bare(address(last)))
            .collect(),
    )
}

#[test]
fn equals_take_turns() {
    let (mut pool, now) = (equals(3), now());
    let mut order = Vec::new();
    for _ in 0..6 {
        let chosen = pool.choose(now).unwrap();
        pool.end(chosen);
        order.push(chosen);
    }
    assert_eq!(order, [1, 2, 3, 1, 2, 3].map(address));
}

#[test]
fn the_nearest_is_taken_until_it_has_too_much_to_do() {
    let mut pool = pool(vec![
        endpoint(1, "there", "other"),
        endpoint(2, "beside", "zone"),
        endpoint(3, "here", "zone"),
    ]);
    let chosen: Vec<_> = (0..15).map(|_| pool.choose(now()).unwrap()).collect();
    // Four calls more than one step farther, eight more than two; equal prices go by turns.
    assert!(chosen[..4].iter().all(|chosen| *chosen == address(3)));
    let of = |last| {
        chosen
            .iter()
            .filter(|chosen| **chosen == address(last))
            .count()
    };
    assert_eq!((of(3), of(2), of(1)), (9, 5, 1));
}

#[rstest]
#[case::unready(State::Unready)]
#[case::terminating(State::Terminating)]
fn what_wants_no_calls_gets_none(#[case] state: State) {
    let mut pool = pool(vec![Endpoint {
        state,
        ..Endpoint::bare(address(1))
    }]);
    assert_eq!(pool.choose(now()), Err(Unavailable::Empty));
    assert_eq!(pool.owner(7, now()), Err(Unavailable::Empty));
    assert!(pool.app_is_healthy(), "an app at zero is asleep");
}

#[test]
fn running_calls_still_count_after_a_change_of_state() {
    let (mut pool, now) = (equals(2), now());
    let busy = pool.choose(now).unwrap();
    assert_eq!(busy, address(1));
    let terminating = Endpoint {
        state: State::Terminating,
        ..Endpoint::bare(busy)
    };
    pool.update(vec![terminating, Endpoint::bare(address(2))]);
    assert_eq!(
        pool.counts(),
        Counts {
            ready: 1,
            unready: 0,
            terminating: 1
        }
    );
    pool.update((1..=2).map(|last| Endpoint::bare(address(last))).collect());
    // The first has one call to do, so both next calls go to the second.
    assert_eq!(pool.choose(now), Ok(address(2)));
    pool.end(address(2));
    assert_eq!(pool.choose(now), Ok(address(2)));
}

#[test]
fn who_refused_is_left_alone_for_a_while() {
    let (mut pool, now) = (equals(2), now());
    pool.refused(address(1), now);
    for _ in 0..3 {
        assert_eq!(pool.choose(now), Ok(address(2)));
    }
    pool.refused(address(2), now + Duration::from_millis(1));
    let until = now + PENALTY;
    assert_eq!(pool.choose(now), Err(Unavailable::Refusing { until }));
    assert_eq!(pool.choose(until), Ok(address(1)));
}

#[test]
fn a_key_does_not_move_for_a_refusal() {
    let (mut pool, now) = (equals(5), now());
    let owner = pool.owner(42, now).unwrap();
    pool.refused(owner, now);
    let until = now + PENALTY;
    assert_eq!(pool.owner(42, now), Err(Unavailable::Refusing { until }));
    assert_eq!(pool.owner(42, until), Ok(owner));
}

#[test]
fn with_checks_an_endpoint_counts_once_it_is_healthy() {
    let (mut pool, now) = (Pool::new(Locality::default(), true), now());
    pool.update(vec![Endpoint::bare(address(1))]);
    assert_eq!(pool.choose(now), Err(Unavailable::Empty));
    assert!(!pool.app_is_healthy());
    assert!(pool.set_health(address(1), true));
    assert!(!pool.set_health(address(1), true), "nothing new");
    assert_eq!(pool.choose(now), Ok(address(1)));
    assert!(pool.app_is_healthy());
}

#[test]
fn an_address_under_another_name_starts_anew() {
    let (mut pool, now) = (equals(2), now());
    pool.refused(address(1), now);
    let another = Endpoint {
        name: "another".into(),
        ..Endpoint::bare(address(1))
    };
    pool.update(vec![another]);
    assert_eq!(pool.choose(now), Ok(address(1)));
}

proptest! {
    /// However calls begin and end, an idle endpoint is chosen if there is one, and none that has
    /// more than the average to do.
    #[test]
    fn the_busy_are_spared(count in 1u8..12, ends in prop::collection::vec(any::<Option<u8>>(), 1..200)) {
        let (mut pool, now) = (equals(count), now());
        let mut running: Vec<SocketAddr> = Vec::new();
        for end in ends {
            match end {
                Some(index) if !running.is_empty() => {
                    pool.end(running.swap_remove(usize::from(index) % running.len()));
                }
                _ => {
                    let load = |last| running.iter().filter(|at| **at == address(last)).count();
                    let idle = (1..=count).map(load).any(|load| load == 0);
                    let average = running.len().div_ceil(usize::from(count));
                    let chosen = pool.choose(now).unwrap();
                    let had = running.iter().filter(|at| **at == chosen).count();
                    let most = if idle { 0 } else { average };
                    prop_assert!(had <= most);
                    running.push(chosen);
                }
            }
        }
    }
}
