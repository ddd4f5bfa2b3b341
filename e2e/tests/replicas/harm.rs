//! What is done to replicas, at random.

use std::{
    fmt,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::time::sleep;

use crate::replicas::{Life, Replicas};

/// Draws what is done; a seed decides.
pub(crate) struct Random(u64);

/// What was done to a replica.
pub(crate) struct Harm {
    pub(crate) how: How,
    /// The life of the replica that it was done to.
    pub(crate) victim: Life,
    /// Who led before.
    pub(crate) leader: usize,
    pub(crate) since: Instant,
    /// How long it took until another replica led, or the same if it was not the leader.
    pub(crate) led_after: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Killed,
    Stopped,
    Froze,
}

/// Longer than a mandate and an election together.
const FROZEN: Duration = Duration::from_secs(5);

// === impl Random ===

impl Random {
    /// By `PLACEMENT_SEED`, which is told.
    pub(crate) fn seeded() -> Self {
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seed = crate::variable("PLACEMENT_SEED");
        let seed = seed.unwrap_or_else(|| u64::try_from(clock().as_millis()).unwrap()) | 1;
        println!("PLACEMENT_SEED={seed}");
        Self(seed)
    }

    fn draw(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(below).unwrap()).unwrap()
    }

    /// All goes well for up to two seconds.
    pub(crate) async fn pause(&mut self) {
        let milliseconds = u64::try_from(self.draw(2_000)).unwrap();
        sleep(Duration::from_millis(milliseconds)).await;
    }

    /// Kills, stops or freezes the leader, or more rarely a follower; returns when there is a
    /// leader.
    pub(crate) async fn harm(&mut self, replicas: &Replicas) -> Harm {
        let leader = replicas.leader().await.expect("a leader");
        let others = [leader, leader, leader + 1, leader + 2];
        let victim = others[self.draw(others.len())] % 3;
        let how = [How::Killed, How::Stopped, How::Froze][self.draw(3)];
        let (life, since) = (replicas.life(victim), Instant::now());
        let led_after = match how {
            How::Killed => replicas.kill(victim).await,
            How::Stopped => replicas.stop(victim).await,
            How::Froze => replicas.freeze(victim, FROZEN).await,
        };
        Harm {
            how,
            victim: life,
            leader,
            since,
            led_after,
        }
    }
}

// === impl Harm ===

impl Harm {
    /// Whether it was done to a follower.
    pub(crate) fn spares_the_leader(&self) -> bool {
        self.victim.0 != self.leader
    }
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = if self.spares_the_leader() {
            "follower"
        } else {
            "leader"
        };
        let (how, replica, led) = (self.how, self.victim.0, self.led_after);
        write!(f, "{how:?} {role} {replica}: led after {led:.2?}")
    }
}
