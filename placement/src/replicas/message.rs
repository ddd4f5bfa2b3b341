//! What replicas say to each other, and how it is written: JSON with its length before it.
//!
//! Only replicas of one release have to understand each other. During a rolling update the newer
//! and the older ones each see the others as silent, and whichever has the majority leads.

use std::{fmt, io};

use openraft::{
    EmptyNode, SnapshotMeta,
    alias::{CommittedLeaderIdOf, VoteOf},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
        TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use placement_core::{Change, Roster};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use super::Types;

/// A message may not be longer. What is no message of a replica says so in its first bytes.
const LONGEST: usize = 4 << 20;

/// One entry of the replicated log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Changes(pub(super) Vec<Change>);

/// A question to a replica.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    Append(AppendEntriesRequest<Types>),
    Vote(VoteRequest<Types>),
    PreVote(VoteRequest<Types>),
    Snapshot {
        vote: VoteOf<Types>,
        meta: SnapshotMeta<CommittedLeaderIdOf<Types>, String, EmptyNode>,
        roster: Roster,
    },
    Transfer(TransferLeaderRequest<Types>),
}

/// Its answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    Append(AppendEntriesResponse<Types>),
    Vote(VoteResponse<Types>),
    Snapshot(SnapshotResponse<Types>),
    Transfer(TransferLeaderResponse<Types>),
    /// There is no answer, for this reason.
    Failed(String),
}

/// A connection on which messages travel.
pub(super) type Wire<S> = Framed<S, LengthDelimitedCodec>;

// === impl Changes ===

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} changes", self.0.len())
    }
}

/// A connection as one of messages.
pub(super) fn wire<S: AsyncRead + AsyncWrite>(stream: S) -> Wire<S> {
    let mut codec = LengthDelimitedCodec::builder();
    codec.max_frame_length(LONGEST).new_framed(stream)
}

/// A message as bytes.
pub(super) fn write(message: &impl Serialize) -> io::Result<bytes::Bytes> {
    Ok(serde_json::to_vec(message)?.into())
}

/// A message from bytes.
pub(super) fn read<M: DeserializeOwned>(bytes: &[u8]) -> io::Result<M> {
    Ok(serde_json::from_slice(bytes)?)
}
