//! Three replicas of placement as plain processes that are killed, stopped and frozen at random,
//! under sidecars, simulated and real: a leader soon each time, and never two that hand out tables.
//! And replicas that are replaced by those of another maker.
//!
//! `PLACEMENT_ROUNDS` says how often something is done to them, `PLACEMENT_SEED` what.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]

mod blocker;
mod daprds;
mod harm;
mod http;
mod orders;
mod replicas;
mod sidecars;
mod visits;

use std::time::{Duration, Instant};

use blocker::Blocker;
use daprds::{APPS, Daprds};
use harm::Random;
use replicas::{Maker, Replicas};
use sidecars::Sidecars;
use visits::Visits;

/// Within what a leader must be there again.
const FAIL_OVER: Duration = Duration::from_secs(10);
/// Without a leader for no longer than this, no call fails.
const PATIENCE: Duration = Duration::from_secs(3);
/// Starts of everything.
const START: Duration = Duration::from_mins(1);
const SIDECARS: usize = 12;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn rounds() -> u64 {
    variable("PLACEMENT_ROUNDS").unwrap_or(8)
}

async fn led() -> Replicas {
    let replicas = Replicas::start();
    replicas.led_within(FAIL_OVER).await;
    replicas
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_and_pauses_leave_one_leader() {
    let (replicas, mut random) = (led().await, Random::seeded());
    let sidecars = Sidecars::start(SIDECARS, &replicas);
    sidecars.settled_within(FAIL_OVER, None).await;
    let mut longest = Duration::ZERO;
    for round in 0..rounds() {
        random.pause().await;
        let harm = random.harm(&replicas).await;
        sidecars.settled_within(FAIL_OVER, Some(harm.victim)).await;
        longest = longest.max(harm.led_after);
        let settled = harm.since.elapsed();
        println!("round {round}: {harm}, settled after {settled:.2?}");
        sidecars.check_one_leader();
    }
    let orders = sidecars.orders();
    println!("longest without a leader {longest:.2?}, {orders} orders");
}

/// Real daprd, unmodified: what it is sent is read from its log, and its actors are called.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn actors_answer_through_kills_and_pauses() {
    let (replicas, mut random) = (led().await, Random::seeded());
    let daprds = Daprds::start(APPS.len(), &replicas);
    daprds.settled_within(START, None).await;
    let visits = Visits::start(daprds.ports());
    visits.answered_within(START, Instant::now()).await;
    visits.forget();
    let (mut longest, mut slowest) = (Duration::ZERO, Duration::ZERO);
    let (mut calls, mut failed) = (0, 0);
    for round in 0..rounds() {
        random.pause().await;
        let harm = random.harm(&replicas).await;
        daprds.settled_within(FAIL_OVER, Some(harm.victim)).await;
        visits.answered_within(FAIL_OVER, Instant::now()).await;
        let settled = harm.since.elapsed();
        daprds.check_orders();
        let outcome = visits.check(&harm);
        println!("round {round}: {harm}, all answer after {settled:.2?}, {outcome}");
        (longest, slowest) = (longest.max(harm.led_after), slowest.max(outcome.slowest));
        (calls, failed) = (calls + outcome.calls, failed + outcome.failed);
    }
    println!(
        "longest without a leader {longest:.2?}; {calls} calls of actors, slowest {slowest:.2?}, \
         {failed} failed"
    );
}

/// Dapr's own replicas are replaced by ours one by one, and back, as a StatefulSet does it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_kind_takes_the_place_of_the_other() {
    let replicas = Replicas::start_by(Maker::Dapr);
    replicas.led_within(START).await;
    let daprds = Daprds::start(APPS.len(), &replicas);
    daprds.settled_within(START, None).await;
    let visits = Visits::start(daprds.ports());
    visits.answered_within(START, Instant::now()).await;
    visits.forget();
    for maker in [Maker::Ours, Maker::Dapr, Maker::Ours] {
        let replacing = async {
            for replica in (0..3).rev() {
                replicas.replace(replica, maker).await;
            }
            replicas.led_within(FAIL_OVER).await;
        };
        let gap = replicas.longest_gap(replacing).await;
        visits.answered_within(FAIL_OVER, Instant::now()).await;
        let (outcome, failures) = visits.outcome();
        println!("to {maker:?}: {gap:.2?} without a leader, {outcome}");
        assert!(gap < FAIL_OVER, "{gap:?} without a leader");
        // Sidecars give up after five seconds, of which they need some to find the leader.
        assert!(failures.is_empty() || gap > PATIENCE, "{failures:?}");
    }
}

/// Real daprd keeps what had changed blocked if its stream ends before the UNLOCK, and does not
/// free it if the next table is the same. It was told of other rings meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_lost_in_mid_round_leaves_no_actor_blocked() {
    let replicas = led().await;
    let mut daprds = Daprds::start(APPS.len() - 1, &replicas);
    let visits = Visits::start(daprds.ports());
    visits.answered_within(START, Instant::now()).await;
    drop(visits);
    let leader = replicas.leader().await.expect("a leader");
    let blocker = Blocker::join(replicas.addresses()[leader].clone()).await;
    blocker.fall_silent();
    daprds.start_next(&replicas);
    daprds.updated_within(START).await;
    let gone = Some(replicas.life(leader));
    replicas.kill(leader).await;
    daprds.settled_within(FAIL_OVER, gone).await;
    let visits = Visits::start(daprds.ports());
    visits.answered_within(FAIL_OVER, Instant::now()).await;
}

/// After a leader was lost, no table goes out from which hosts are missing that it served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_leader_waits_for_the_hosts_of_the_last() {
    let replicas = led().await;
    let sidecars = Sidecars::start(SIDECARS, &replicas);
    sidecars.settled_within(FAIL_OVER, None).await;
    // The followers are told a few times a second, once a new leader has waited for hosts itself.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let leader = replicas.leader().await.expect("a leader");
    let (before, gone) = (sidecars.orders(), Some(replicas.life(leader)));
    replicas.kill(leader).await;
    sidecars.settled_within(FAIL_OVER, gone).await;
    assert_eq!(
        sidecars.partial_tables_after(before),
        0,
        "a table was spread without hosts that were there before"
    );
}

/// Bytes of any kind on the peer port do no harm.
#[tokio::test]
async fn garbage_on_the_peer_port_is_tolerated() {
    let replicas = led().await;
    let leader = replicas.leader().await;
    let garbage: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff; 4096],
        b"\0\0\0\x02{}",
        b"\0\0\0\x40{\"Vote\":",
    ];
    for bytes in garbage.iter().cycle().take(400) {
        for peer in replicas.peer_addresses() {
            replicas::throw(&peer, bytes).await;
        }
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(replicas.leader().await, leader, "the leader changed");
    assert_eq!(replicas.restarts(), 0, "a replica died");
}
