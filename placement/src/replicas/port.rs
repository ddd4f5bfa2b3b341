//! The port that other replicas speak to.

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{SinkExt, StreamExt};
use identity::{Connection, Listener};
use identity_core::SpiffeId;
use openraft::{
    Snapshot,
    raft::{AppendEntriesRequest, AppendEntriesResponse},
};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, timeout},
};
use tonic::transport::server::Connected;

use super::{
    Election, Types, Youth,
    message::{self, Reply, Request},
};

/// Answers the other replicas.
#[derive(Clone)]
pub(super) struct Port {
    raft: Election,
    /// Who they have to be; nobody in particular without TLS.
    own: Option<SpiffeId>,
    heard: Heard,
    youth: Youth,
}

/// When a leader was heard last. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    since: Instant,
    /// Milliseconds after `since`, plus one; 0 for never.
    last: Arc<AtomicU64>,
}

/// Whoever says nothing for so long may dial again.
const IDLE: Duration = Duration::from_secs(30);
/// Replicas hold a handful of connections each. More are somebody else's.
const MOST_CONNECTIONS: usize = 64;

// === impl Port ===

impl Port {
    pub(super) fn new(raft: Election, own: Option<SpiffeId>, heard: Heard, youth: Youth) -> Self {
        Self {
            raft,
            own,
            heard,
            youth,
        }
    }

    pub(super) async fn serve(self, mut listener: Listener) -> Infallible {
        let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                connection = listener.next() => {
                    let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
                    let port = self.clone();
                    connections.spawn(async move {
                        let _place = place;
                        if let Err(error) = port.converse(connection).await {
                            tracing::debug!(%error, "a connection to the peer port ended");
                        }
                    });
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }

    async fn converse(&self, connection: Connection) -> io::Result<()> {
        let peer = connection.connect_info();
        if self.own.is_some() && peer.spiffe_id() != self.own.as_ref() {
            return Err(io::Error::other("the certificate is not that of a replica"));
        }
        let mut wire = message::wire(connection);
        while let Some(bytes) = timeout(IDLE, wire.next()).await? {
            let reply = self.answer(message::read(&bytes?)?).await;
            wire.send(message::write(&reply)?).await?;
        }
        Ok(())
    }

    async fn answer(&self, request: Request) -> Reply {
        let raft = &self.raft;
        match request {
            Request::Append(request) => self.append(request).await,
            Request::Vote(_) | Request::PreVote(_) | Request::Transfer(_)
                if !self.youth.is_over() =>
            {
                Reply::Failed("this replica has just started, and does not vote yet".into())
            }
            Request::Vote(request) => reply(raft.vote(request).await, Reply::Vote),
            Request::PreVote(request) => reply(raft.pre_vote(request).await, Reply::Vote),
            Request::Snapshot { vote, meta, roster } => {
                let snapshot = Snapshot {
                    meta,
                    snapshot: roster,
                };
                reply(
                    raft.install_full_snapshot(vote, snapshot).await,
                    Reply::Snapshot,
                )
            }
            Request::Transfer(request) => {
                reply(raft.handle_transfer_leader(request).await, Reply::Transfer)
            }
        }
    }

    async fn append(&self, request: AppendEntriesRequest<Types>) -> Reply {
        let answer = self.raft.append_entries(request).await;
        // A leader of the past hears of the next one, and is none to us.
        if !matches!(answer, Err(_) | Ok(AppendEntriesResponse::HigherVote(_))) {
            self.heard.now();
        }
        reply(answer, Reply::Append)
    }
}

fn reply<A, E: std::fmt::Display>(answer: Result<A, E>, make: impl Fn(A) -> Reply) -> Reply {
    answer.map_or_else(|error| Reply::Failed(error.to_string()), make)
}

// === impl Heard ===

impl Default for Heard {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            last: Arc::default(),
        }
    }
}

impl Heard {
    fn now(&self) {
        let elapsed = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.last.store(elapsed + 1, Ordering::Relaxed);
    }

    /// Whether a leader was heard no longer ago than this.
    pub(super) fn within(&self, time: Duration) -> bool {
        match self.last.load(Ordering::Relaxed).checked_sub(1) {
            Some(last) => {
                self.since
                    .elapsed()
                    .saturating_sub(Duration::from_millis(last))
                    < time
            }
            None => false,
        }
    }
}
