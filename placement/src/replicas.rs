//! The election among several replicas, by openraft (docs/adr/0008).
//!
//! ```text
//!            other replicas ──► [port] ──► Raft ◄── [log], [remembered]: in memory
//!            other replicas ◄── [dial] ◄────┘ │
//!                                             ▼ who leads, and since when a majority agrees
//!                                    [office]: role, mandate, roster
//!
//!            Dapr's own replicas ◄── [stranger], in [hashicorp]'s language ◄── [strangers]
//! ```
//!
//! Nothing is kept on disk, as in Dapr. Two rules make up for it:
//!
//! - A leader serves for [`SERVE`] after the moment at which it sent what a majority answered. A
//!   follower votes for nobody for [`LEASE`], which is longer, after it heard a leader. So there is
//!   never a second leader that serves.
//! - A replica that starts does not vote for [`LEASE`] either: it cannot know what it promised
//!   before. Among [`strangers`] there is a case in which that cannot matter.

mod dial;
mod hashicorp;
mod log;
mod message;
mod office;
mod port;
mod remembered;
mod stranger;
mod strangers;

use std::{collections::BTreeSet, convert::Infallible, sync::Arc, time::Duration};

use identity::Listener;
use openraft::{Config, ConfigError, EmptyNode, Raft, SnapshotPolicy, error::Fatal};
use placement_core::Peers;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;

use self::{
    dial::Dialer,
    log::Log,
    message::Changes,
    office::Office,
    port::{Heard, Port},
    remembered::Remembered,
    strangers::{Company, Strangers},
};
use crate::{
    own_address::{OwnAddressError, resolve},
    security::Tls,
    standing::Standing,
};

openraft::declare_raft_types!(
    /// The types that the replicas' messages are made of.
    pub(crate) Types:
        D = Changes,
        R = (),
        NodeId = String,
        Node = EmptyNode,
);

/// A handle of the running election.
type Election = Raft<Types, Remembered>;

/// How long a follower stays true to a leader that it heard.
const LEASE: Duration = Duration::from_secs(2);
/// How long a leader serves after it sent what a majority answered; shorter than [`LEASE`] by more
/// than two clocks can differ.
const SERVE: Duration = Duration::from_millis(1800);
/// Each leader's heartbeat; also the time a message between replicas may take.
const HEARTBEAT: Duration = Duration::from_millis(400);
/// After the lease, followers stand for election within this time, each at another moment.
const SOONEST: Duration = Duration::from_millis(600);
/// Between two tries to found the cluster.
const PAUSE: Duration = Duration::from_secs(1);

/// This replica among its peers.
#[derive(Debug)]
pub(crate) struct Replicas {
    peers: Arc<Peers>,
    /// The port for sidecars, of this replica and hence of all.
    api: u16,
    tls: Option<Tls>,
    config: Arc<Config>,
}

/// Why the election cannot be taken part in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplicasError {
    /// The settings of the election contradict each other.
    #[error("preparing the election")]
    Config(#[from] ConfigError),
    /// The own address is of no use.
    #[error(transparent)]
    OwnAddress(#[from] OwnAddressError),
    /// The election broke.
    #[error("taking part in the election: {0}")]
    Broken(String),
    /// Another replica leads now, or a majority of them is out of reach. Whatever this one knows is
    /// out of date, so it starts anew.
    #[error("lost leadership")]
    Lost,
}

// === impl Replicas ===

impl Replicas {
    pub(crate) fn new(peers: Peers, api: u16, tls: Option<Tls>) -> Result<Self, ReplicasError> {
        Ok(Self {
            peers: Arc::new(peers),
            api,
            tls,
            config: Arc::new(config()?),
        })
    }

    /// Takes part until `stopping`, then hands over what it has.
    pub(crate) async fn run(
        self,
        standing: Standing,
        stopping: CancellationToken,
    ) -> Result<(), ReplicasError> {
        let Some(listener) = stopping.run_until_cancelled(self.listen()).await else {
            return Ok(());
        };
        let listener = listener?;
        let remembered = Remembered::default();
        let raft = self.start(remembered.clone()).await?;
        let heard = Heard::default();
        let strangers = self.strangers();
        let youth = Youth::begin(strangers.seen());
        let mut tasks = JoinSet::new();
        let own = self.tls.as_ref().map(|tls| tls.own.clone());
        tasks.spawn(Port::new(raft.clone(), own, heard.clone(), youth.clone()).serve(listener));
        tasks.spawn(found(raft.clone(), self.members(), youth));
        let seen = strangers.seen();
        tasks.spawn(strangers.watch(standing.mandate.clone(), heard.clone()));
        let mut office = Office::new(raft.clone(), standing, remembered, heard, seen);
        let result = stopping.run_until_cancelled(office.hold()).await;
        office.hand_over().await;
        // Peers see a closed port at once, rather than a silent one.
        tasks.shutdown().await;
        if let Err(error) = raft.shutdown().await {
            tracing::debug!(%error, "the election did not end in order");
        }
        result.unwrap_or(Ok(()))
    }

    async fn listen(&self) -> Result<Listener, OwnAddressError> {
        let address = resolve(self.peers.own_address()).await?;
        let tls = self.tls.as_ref().map(|tls| tls.server.clone());
        let listener = Listener::bind(&[address], tls).await;
        listener.map_err(|source| OwnAddressError::Listen { address, source })
    }

    async fn start(&self, remembered: Remembered) -> Result<Election, ReplicasError> {
        let client = self.tls.as_ref().map(|tls| tls.client.clone());
        let (own, config) = (self.peers.own().to_owned(), Arc::clone(&self.config));
        let dialer = Dialer::new(Arc::clone(&self.peers), client);
        Ok(Raft::new(own, config, dialer, Log::default(), remembered).await?)
    }

    fn strangers(&self) -> Strangers {
        let tls = self.tls.as_ref().map(|tls| &tls.client);
        Strangers::new(&self.peers, self.api, tls)
    }

    fn members(&self) -> BTreeSet<String> {
        self.peers.ids().map(ToOwned::to_owned).collect()
    }
}

impl From<Fatal<Types>> for ReplicasError {
    fn from(error: Fatal<Types>) -> Self {
        Self::Broken(error.to_string())
    }
}

fn config() -> Result<Config, ConfigError> {
    let config = Config {
        cluster_name: "placement".into(),
        heartbeat_interval: milliseconds(HEARTBEAT),
        election_timeout_min: milliseconds(SOONEST),
        // Also the lease.
        election_timeout_max: milliseconds(LEASE),
        install_snapshot_timeout: milliseconds(LEASE),
        enable_pre_vote: Some(true),
        // A replica comes back with nothing after a restart.
        allow_log_reversion: Some(true),
        // Entries are at most some 100 KB; a message holds 4 MiB.
        max_payload_entries: 8,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(64),
        max_in_snapshot_log_to_keep: 16,
        replication_lag_threshold: 128,
        // A few messages a second: room for more would only be memory.
        api_channel_size: Some(64),
        notification_channel_size: Some(256),
        state_machine_channel_size: Some(64),
        api_batch_capacity: 16,
        max_append_entries: Some(16),
        ..Config::default()
    };
    config.validate()
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Makes the cluster known to a replica that no leader has spoken to by the time it may vote.
/// Every replica does so with the same members, which is as good as one doing it.
async fn found(raft: Election, members: BTreeSet<String>, mut youth: Youth) -> Infallible {
    youth.ended().await;
    while !raft.is_initialized().await.unwrap_or(false) {
        if let Err(error) = raft.initialize(members.clone()).await {
            tracing::debug!(%error, "the election does not begin yet");
            sleep(PAUSE).await;
        }
    }
    std::future::pending().await
}

/// The time in which a replica does not vote, because it does not know what it promised before it
/// was started.
#[derive(Clone, Debug)]
struct Youth {
    until: Instant,
    company: watch::Receiver<Company>,
}

// === impl Youth ===

impl Youth {
    fn begin(company: watch::Receiver<Company>) -> Self {
        let until = Instant::now() + LEASE;
        Self { until, company }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.until || self.company.borrow().leaves_one_majority()
    }

    /// Returns when this replica may stand itself: those that started a little later vote by
    /// then, too.
    async fn ended(&mut self) {
        let one_majority = self.company.wait_for(Company::leaves_one_majority);
        let _ = timeout_at(self.until + HEARTBEAT, one_majority).await;
    }
}
