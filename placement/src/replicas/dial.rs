//! The way to the other replicas.

use std::{io, sync::Arc};

use futures::{SinkExt, StreamExt};
use identity::Socket;
use openraft::{
    EmptyNode, RaftNetworkFactory, RaftNetworkV2,
    alias::{SnapshotOf, VoteOf},
    error::{RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::{Backoff, RPCOption},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
        TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use placement_core::{Peers, Roster};
use rustls::ClientConfig;
use tokio::time::timeout;

use super::{
    HEARTBEAT, Types,
    message::{self, Reply, Request, Wire},
};

/// Makes links.
#[derive(Debug)]
pub(super) struct Dialer {
    peers: Arc<Peers>,
    tls: Option<Arc<ClientConfig>>,
}

/// A link to one replica: dialled when there is something to say, and again after a failure.
pub(super) struct Link {
    target: String,
    address: String,
    /// Whether failures and their end are told; one link of each replica does.
    tells: bool,
    failed: bool,
    tls: Option<Arc<ClientConfig>>,
    wire: Option<Wire<Box<dyn Socket>>>,
}

// === impl Dialer ===

impl Dialer {
    pub(super) fn new(peers: Arc<Peers>, tls: Option<Arc<ClientConfig>>) -> Self {
        Self { peers, tls }
    }
}

impl RaftNetworkFactory<Types> for Dialer {
    type Network = Link;

    async fn new_client(&mut self, target: String, _: &EmptyNode) -> Link {
        Link {
            address: self.peers.address(&target).unwrap_or_default().to_owned(),
            target,
            tells: false,
            failed: false,
            tls: self.tls.clone(),
            wire: None,
        }
    }

    async fn new_heartbeat_client(&mut self, target: String, node: &EmptyNode) -> Link {
        let link = self.new_client(target, node).await;
        Link {
            tells: true,
            ..link
        }
    }
}

// === impl Link ===

impl Link {
    async fn ask(
        &mut self,
        request: Request,
        option: &RPCOption,
    ) -> Result<Reply, Unreachable<Types>> {
        let patience = option.hard_ttl();
        let reply = timeout(patience, self.exchange(&request)).await;
        let reply = reply.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        self.tell(reply.as_ref().err());
        match reply {
            Ok(Reply::Failed(why)) => Err(unreachable(&io::Error::other(why))),
            Ok(reply) => Ok(reply),
            Err(error) => Err(unreachable(&error)),
        }
    }

    fn tell(&mut self, failure: Option<&io::Error>) {
        if self.tells && self.failed != failure.is_some() {
            if let Some(error) = failure {
                tracing::warn!(%error, "replica {} is out of reach", self.target);
            } else {
                tracing::info!("replica {} is within reach again", self.target);
            }
        }
        self.failed = failure.is_some();
    }

    /// A connection on which anything went wrong, or whose answer was not waited for, is dropped:
    /// the next answer would be taken for that of another question.
    async fn exchange(&mut self, request: &Request) -> io::Result<Reply> {
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => self.dial().await?,
        };
        wire.send(message::write(request)?).await?;
        let answer = wire.next().await.ok_or(io::ErrorKind::UnexpectedEof)??;
        self.wire = Some(wire);
        message::read(&answer)
    }

    async fn dial(&self) -> io::Result<Wire<Box<dyn Socket>>> {
        let socket = identity::dial(&self.address, self.tls.as_ref()).await?;
        Ok(message::wire(socket))
    }
}

impl RaftNetworkV2<Types> for Link {
    type SnapshotData = Roster;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        match self.ask(Request::Append(request), &option).await? {
            Reply::Append(reply) => Ok(reply),
            other => Err(odd(&other).into()),
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        match self.ask(Request::Vote(request), &option).await? {
            Reply::Vote(reply) => Ok(reply),
            other => Err(odd(&other).into()),
        }
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        match self.ask(Request::PreVote(request), &option).await? {
            Reply::Vote(reply) => Ok(reply),
            other => Err(odd(&other).into()),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: VoteOf<Types>,
        snapshot: SnapshotOf<Types, Roster>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let request = Request::Snapshot {
            vote,
            meta: snapshot.meta,
            roster: snapshot.snapshot,
        };
        let reply = tokio::select! {
            closed = cancel => return Err(closed.into()),
            reply = self.ask(request, &option) => reply?,
        };
        match reply {
            Reply::Snapshot(reply) => Ok(reply),
            other => Err(odd(&other).into()),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        match self.ask(Request::Transfer(request), &option).await? {
            Reply::Transfer(reply) => Ok(reply),
            other => Err(odd(&other).into()),
        }
    }

    /// A replica that was away is spoken to soon after it is back, or it would take us for gone.
    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(std::iter::repeat(HEARTBEAT / 2)))
    }
}

fn odd(reply: &Reply) -> Unreachable<Types> {
    let text = format!("a replica answered another question: {reply:?}");
    unreachable(&io::Error::new(io::ErrorKind::InvalidData, text))
}

fn unreachable(error: &io::Error) -> Unreachable<Types> {
    Unreachable::from_string(error)
}
