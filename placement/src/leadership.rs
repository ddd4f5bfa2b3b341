//! Who hands out tables: one replica of the peers, the leader.

mod alone;

use placement_core::{Peers, PeersError};
use tokio_util::sync::CancellationToken;

use self::alone::Alone;
use crate::{
    own_address::OwnAddressError,
    replicas::{Replicas, ReplicasError},
    security::Tls,
    standing::Standing,
};

/// This replica's part in the election.
#[derive(Debug)]
pub(crate) enum Leadership {
    /// There is nobody else.
    Alone(Alone),
    /// A majority decides.
    Elected(Box<Replicas>),
}

/// Why a replica cannot take part, or not any longer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeadershipError {
    /// The list of peers is no good.
    #[error(transparent)]
    Peers(#[from] PeersError),
    /// The own address is of no use.
    #[error(transparent)]
    OwnAddress(#[from] OwnAddressError),
    /// The election cannot be taken part in.
    #[error(transparent)]
    Replicas(#[from] ReplicasError),
}

// === impl Leadership ===

impl Leadership {
    /// The part of a replica with these peers, which are spoken to by `tls` if it is given, and
    /// answer sidecars on port `api`, as this one does.
    ///
    /// # Errors
    /// If the election cannot be prepared.
    pub(crate) fn new(peers: Peers, api: u16, tls: Option<Tls>) -> Result<Self, LeadershipError> {
        Ok(if peers.count() == 1 {
            Self::Alone(Alone::new(&peers))
        } else {
            Self::Elected(Box::new(Replicas::new(peers, api, tls)?))
        })
    }

    /// Takes part until `stopping`.
    ///
    /// # Errors
    /// If this replica cannot take part, or lost the leadership it had.
    pub(crate) async fn run(
        self,
        standing: Standing,
        stopping: CancellationToken,
    ) -> Result<(), LeadershipError> {
        match self {
            Self::Alone(alone) => Ok(alone.run(standing, stopping).await?),
            Self::Elected(replicas) => Ok(replicas.run(standing, stopping).await?),
        }
    }
}
