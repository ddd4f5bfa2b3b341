//! Three replicas of placement are killed and paused while actors are called.
//!
//! `TRILBY_KILLS` says how often.

mod calls;
mod replicas;

use std::time::{Duration, Instant};

use e2e::{Install, Reigns};

use self::{
    calls::Calls,
    replicas::{How, Replica},
};
use crate::{rolling_restart::scale, stage::stage};

/// Within what a leader must be there again.
const FAIL_OVER: Duration = Duration::from_secs(10);
/// Longer than a mandate and an election together.
const PAUSED: Duration = Duration::from_secs(5);
/// So often the replicas are asked who leads.
const GLANCE: Duration = Duration::from_millis(50);
/// Several replicas, which tell whether they lead.
const VALUES: [&str; 2] = [
    "dapr_placement.ha=true",
    "dapr_placement.metadataEnabled=true",
];

#[test]
fn actors_answer_through_kills_and_pauses_of_placement() {
    let kills = std::env::var("TRILBY_KILLS").ok();
    let kills = kills.map_or(6, |kills| kills.parse().unwrap());
    stage(|install, apps| {
        scale(apps, 2);
        install.up_with(&VALUES).unwrap();
        let mut watch = Watch::new(install);
        let calls = Calls::wait_for_actors(apps);
        let outcome = calls.during(|| (0..kills).for_each(|round| watch.round(round)));
        println!(
            "{kills} kills and pauses, {:.2?} without a leader at most; {outcome}",
            watch.longest
        );
        // A sidecar may first dial the replica that is gone.
        assert!(outcome.slowest < FAIL_OVER * 3 / 2, "{outcome}");
        outcome.check_failures(&watch.hurt, FAIL_OVER);
    });
}

/// Who leads, as seen from here.
struct Watch<'a> {
    install: &'a Install<'a>,
    begun: Instant,
    replicas: Vec<Replica>,
    reigns: Reigns<Replica>,
    /// When a leader was hurt.
    hurt: Vec<Instant>,
    longest: Duration,
}

// === impl Watch ===

impl<'a> Watch<'a> {
    fn new(install: &'a Install<'a>) -> Self {
        Self {
            install,
            begun: Instant::now(),
            replicas: Vec::new(),
            reigns: Reigns::default(),
            hurt: Vec::new(),
            longest: Duration::ZERO,
        }
    }

    /// Hurts one replica, waits until there is a leader, and then until it is there again itself.
    fn round(&mut self, round: usize) {
        self.replicas = replicas::list(self.install.kube);
        assert_eq!(self.replicas.len(), 3, "all replicas run on this machine");
        let leader = self.leader_within(FAIL_OVER, None);
        let (victim, how) = self.choose(round, &leader);
        let since = Instant::now();
        let hurt = victim.hurt(how);
        self.leader_within(FAIL_OVER, Some(&victim));
        let led = since.elapsed();
        self.longest = self.longest.max(led);
        if how == How::Pause {
            self.look_for(PAUSED.saturating_sub(led));
            drop(hurt);
            // Nothing of what it knew may reach a sidecar now.
            self.look_for(PAUSED / 2);
        }
        let role = if victim == leader {
            "leader"
        } else {
            "follower"
        };
        println!("round {round}: {how:?} {role} {victim}: led after {led:.2?}");
        if victim == leader {
            self.hurt.push(since);
        }
        assert_eq!(self.reigns.overlap(), None, "two led at once");
        if how == How::Kill || victim == leader {
            // A leader that was paused ends itself; either is started anew without a delay.
            victim.replace(self.install.kube);
        }
        self.install.ready().unwrap();
    }

    /// The leader twice, then each of the others.
    fn choose(&self, round: usize, leader: &Replica) -> (Replica, How) {
        let at = self.replicas.iter().position(|one| one == leader).unwrap();
        let victim = (at + [0, 0, 1, 2][round % 4]) % self.replicas.len();
        let how = if round / 4 % 2 == round % 2 {
            How::Kill
        } else {
            How::Pause
        };
        (self.replicas[victim].clone(), how)
    }

    /// Who leads, other than this one.
    fn leader_within(&mut self, time: Duration, other_than: Option<&Replica>) -> Replica {
        let since = Instant::now();
        while since.elapsed() < time {
            let leading = self.glance();
            if let Some(leader) = leading.into_iter().find(|it| Some(it) != other_than) {
                return leader;
            }
            std::thread::sleep(GLANCE);
        }
        panic!("no leader within {time:?}");
    }

    fn look_for(&mut self, time: Duration) {
        let since = Instant::now();
        while since.elapsed() < time {
            self.glance();
            std::thread::sleep(GLANCE);
        }
    }

    /// Those that hand out tables, one after the other.
    fn glance(&mut self) -> Vec<Replica> {
        let mut leading = Vec::new();
        for replica in &self.replicas {
            if replica.leads() {
                self.reigns.note(replica.clone(), self.begun.elapsed());
                leading.push(replica.clone());
            }
        }
        leading
    }
}
