//! Three replicas as plain processes that are killed, stopped and frozen at random, under streams
//! of simulated sidecars: a leader soon each time, and never two that hand out tables.
//!
//! `PLACEMENT_ROUNDS` says how often something is done to them, `PLACEMENT_SEED` what.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may fail loudly"
)]

mod cluster;
mod sidecars;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cluster::Cluster;
use sidecars::Sidecars;

/// Within what a leader must be there again.
const FAIL_OVER: Duration = Duration::from_secs(10);
/// Longer than a mandate and an election together.
const FROZEN: Duration = Duration::from_secs(5);
const SIDECARS: usize = 12;

struct Random(u64);

impl Random {
    fn draw(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(below).unwrap()).unwrap()
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn seed() -> u64 {
    let clock = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_millis()
    };
    variable("PLACEMENT_SEED").unwrap_or_else(|| u64::try_from(clock()).unwrap()) | 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_and_pauses_leave_one_leader() {
    let (rounds, seed) = (variable("PLACEMENT_ROUNDS").unwrap_or(6), seed());
    println!("PLACEMENT_SEED={seed}");
    let (cluster, mut random) = (Cluster::start(), Random(seed));
    cluster.led_within(FAIL_OVER).await;
    let sidecars = Sidecars::start(SIDECARS, &cluster);
    sidecars.settled_within(FAIL_OVER, None).await;
    let mut longest = Duration::ZERO;
    for round in 0..rounds {
        let leader = cluster.leader().await.expect("a leader");
        let victim = if random.draw(3) < 2 {
            leader
        } else {
            (leader + 1 + random.draw(2)) % 3
        };
        let (gone, done) = (cluster.life(victim), Instant::now());
        let what = hurt(&cluster, victim, random.draw(3)).await;
        cluster.led_by_another_within(FAIL_OVER, Some(gone)).await;
        let led = done.elapsed();
        sidecars.settled_within(FAIL_OVER, Some(gone)).await;
        if what != "froze" {
            longest = longest.max(led);
        }
        println!(
            "round {round}: {what} replica {victim} (leader {leader}): led after {led:?}, settled \
             after {:?}",
            done.elapsed()
        );
        sidecars.check_one_leader();
    }
    println!(
        "{rounds} rounds, longest without a leader {longest:?}, {} orders",
        sidecars.orders()
    );
}

async fn hurt(cluster: &Cluster, victim: usize, how: usize) -> &'static str {
    match how {
        0 => {
            cluster.kill(victim);
            "killed"
        }
        1 => {
            cluster.stop(victim);
            "stopped"
        }
        _ => {
            cluster.freeze(victim, FROZEN).await;
            "froze"
        }
    }
}

/// After a leader was lost, no table goes out from which hosts are missing that it served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_leader_waits_for_the_hosts_of_the_last() {
    let cluster = Cluster::start();
    cluster.led_within(FAIL_OVER).await;
    let sidecars = Sidecars::start(SIDECARS, &cluster);
    sidecars.settled_within(FAIL_OVER, None).await;
    // The followers are told a few times a second, once a new leader has waited for hosts itself.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let leader = cluster.leader().await.expect("a leader");
    let (before, gone) = (sidecars.orders(), Some(cluster.life(leader)));
    cluster.kill(leader);
    cluster.led_by_another_within(FAIL_OVER, gone).await;
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
    let cluster = Cluster::start();
    cluster.led_within(FAIL_OVER).await;
    let leader = cluster.leader().await;
    let garbage: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff; 4096],
        b"\0\0\0\x02{}",
        b"\0\0\0\x40{\"Vote\":",
    ];
    for bytes in garbage.iter().cycle().take(400) {
        for peer in cluster.peer_addresses() {
            cluster::throw(&peer, bytes).await;
        }
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(cluster.leader().await, leader, "the leader changed");
    assert_eq!(cluster.restarts(), 0, "a replica died");
}
