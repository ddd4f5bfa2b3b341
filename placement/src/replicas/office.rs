//! What this replica does with the outcome of elections: wait, serve as the leader, hand over.

use std::time::Duration;

use openraft::{Instant as _, ReadPolicy, ServerState, async_runtime::WatchReceiver, error::Fatal};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    Election, HEARTBEAT, LEASE, ReplicasError, SERVE, Types, message::Changes, port::Heard,
    remembered::Remembered, strangers::Company,
};
use crate::{
    namespaces::{Namespaces, lost_leadership},
    standing::{Role, Standing},
};

/// This replica's office.
pub(super) struct Office {
    raft: Election,
    standing: Standing,
    remembered: Remembered,
    heard: Heard,
    strangers: watch::Receiver<Company>,
}

/// How long a new leader waits for the hosts of the one before it. Sidecars come back at once, or
/// within three quarters of a second if they tried a replica that is gone.
const REUNION: Duration = Duration::from_secs(2);
/// How long it waits for any where it knows of none: replicas that were started anew remember
/// nothing.
const GATHERING: Duration = Duration::from_millis(750);
/// How often the roster is compared, and the role looked at if nothing happens.
const ROUND: Duration = Duration::from_millis(250);
/// A follower knows its leader if it heard it so lately; short enough for health to tell of an
/// election that takes long, long enough not to tell of each.
const KNOWN: Duration = LEASE.saturating_mul(3);
/// How long a leader that stops waits for one of the others to take over.
const HAND_OVER: Duration = Duration::from_millis(500);
/// How many changes make one entry of the log.
const MOST_CHANGES: usize = 16;

// === impl Office ===

impl Office {
    pub(super) fn new(
        raft: Election,
        standing: Standing,
        remembered: Remembered,
        heard: Heard,
        strangers: watch::Receiver<Company>,
    ) -> Self {
        Self {
            raft,
            standing,
            remembered,
            heard,
            strangers,
        }
    }

    /// Waits to be elected, and serves until another is.
    pub(super) async fn hold(&mut self) -> Result<(), ReplicasError> {
        self.stand().await?;
        let remember = remember(&self.raft, &self.standing.namespaces, &self.remembered);
        let error = tokio::select! {
            error = self.serve() => error,
            () = remember => ReplicasError::Lost,
        };
        self.standing.mandate.revoke();
        self.standing.namespaces.stop(&lost_leadership());
        Err(error)
    }

    async fn stand(&mut self) -> Result<(), ReplicasError> {
        let mut metrics = self.raft.server_metrics();
        loop {
            let elected = metrics.borrow_and_update().state == ServerState::Leader;
            if elected && self.take_office().await {
                return Ok(());
            }
            let strangers_led = self.strangers.borrow_and_update().is_led();
            let known = elected || strangers_led || self.heard.within(KNOWN);
            self.show(if known {
                Role::Follower
            } else {
                Role::Candidate
            });
            tokio::select! {
                changed = metrics.changed() => changed.map_err(|_| stopped())?,
                _ = self.strangers.changed() => {}
                () = sleep(ROUND) => {}
            }
        }
    }

    /// Leads once a majority has confirmed it, and all that the one before it left is known.
    async fn take_office(&mut self) -> bool {
        let confirmed = self.raft.ensure_linearizable(ReadPolicy::ReadIndex);
        if !matches!(timeout(LEASE, confirmed).await, Ok(Ok(_))) {
            return false;
        }
        self.extend();
        if !self.standing.mandate.holds() {
            return false;
        }
        let roster = self.remembered.roster();
        let count = roster.count();
        tracing::info!("leading: elected by the replicas; {count} hosts are expected back");
        let (roster, wait) = match count {
            0 => (None, GATHERING),
            _ => (Some(roster), REUNION),
        };
        let until = Instant::now() + wait;
        self.standing.namespaces.expect(roster, until);
        self.show(Role::Leader);
        true
    }

    fn show(&self, role: Role) {
        self.standing
            .role
            .send_if_modified(|shown| std::mem::replace(shown, role) != role);
    }

    /// Serves as long as a majority goes along.
    async fn serve(&self) -> ReplicasError {
        let mut metrics = self.raft.metrics();
        loop {
            if metrics.borrow_and_update().state != ServerState::Leader {
                return ReplicasError::Lost;
            }
            self.extend();
            tokio::select! {
                () = self.standing.mandate.ended() => return ReplicasError::Lost,
                changed = metrics.changed() => {
                    if changed.is_err() {
                        return stopped();
                    }
                }
            }
        }
    }

    fn extend(&self) {
        // In this order: time that passes between the two shortens the mandate.
        let now = Instant::now();
        let acknowledged = self.raft.metrics().borrow_watched().last_quorum_acked;
        let left = acknowledged.and_then(|moment| SERVE.checked_sub(moment.elapsed()));
        if let Some(left) = left {
            self.standing.mandate.extend(now + left);
        }
    }

    /// Lets another replica lead at once, if this one does, rather than after its lease.
    pub(super) async fn hand_over(&mut self) {
        self.standing.mandate.revoke();
        for successor in self.successors() {
            tracing::info!("handing the leadership over to {successor}");
            // It refuses if it has just started.
            let handed = self.raft.trigger().transfer_leader(successor).await.is_ok();
            if handed && timeout(HAND_OVER, self.succeeded()).await.is_ok() {
                return;
            }
        }
    }

    /// The followers that are there, those that know most first; nobody if this one is a follower.
    fn successors(&self) -> Vec<String> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let (Some(known), Some(heard)) = (&metrics.replication, &metrics.heartbeat) else {
            return Vec::new();
        };
        let is_there = |id: &String| {
            let last = heard.get(id).copied().flatten();
            *id != metrics.id && last.is_some_and(|last| last.elapsed() < HEARTBEAT * 3)
        };
        let mut there: Vec<_> = known.iter().filter(|(id, _)| is_there(id)).collect();
        there.sort_by_key(|(_, log)| std::cmp::Reverse(*log));
        there.into_iter().map(|(id, _)| id.clone()).collect()
    }

    async fn succeeded(&self) {
        let mut metrics = self.raft.server_metrics();
        while metrics.borrow_and_update().state == ServerState::Leader {
            if metrics.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Tells the followers which hosts are served, as often as that changes. Until those of the last
/// leader had the time to come back, what it left is true enough.
async fn remember(raft: &Election, namespaces: &Namespaces, remembered: &Remembered) {
    sleep_until(Instant::now() + REUNION).await;
    let mut written = None;
    loop {
        let revision = namespaces.revision();
        if written != Some(revision) {
            let wanted = namespaces.roster().await;
            let changes = remembered.roster().changes_to(&wanted);
            for changes in changes.chunks(MOST_CHANGES) {
                if let Err(error) = raft.client_write(Changes(changes.to_vec())).await {
                    // Either leadership is lost, which others find out, or it is tried again.
                    tracing::debug!(%error, "the followers were not told of all hosts");
                }
            }
            written = Some(revision);
        }
        sleep(ROUND).await;
    }
}

fn stopped() -> ReplicasError {
    Fatal::<Types>::Stopped.into()
}
