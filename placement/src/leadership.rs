//! Who hands out tables: one replica of the peers, the leader.

mod alone;

use std::{io, net::SocketAddr, time::Duration};

use placement_core::{Peers, PeersError};
use tokio::{net::lookup_host, sync::watch};
use tokio_util::sync::CancellationToken;

use self::alone::Alone;
use crate::{
    mandate::Mandate,
    namespaces::Namespaces,
    replicas::{Replicas, ReplicasError},
    security::Tls,
};

/// Whether this replica may hand out tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// No replica is known to lead.
    Candidate,
    /// Another replica leads.
    Follower,
    /// This replica leads.
    Leader,
}

/// What the election decides about, in the rest of the process.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) role: watch::Sender<Role>,
    pub(crate) mandate: Mandate,
    pub(crate) namespaces: Namespaces,
}

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
    /// The own address cannot be resolved.
    #[error("resolving this replica's own address {address}")]
    Resolve {
        /// As in `--initial-cluster`.
        address: String,
        /// The last failure.
        #[source]
        source: io::Error,
    },
    /// The own address cannot be listened on.
    #[error("listening for peers on {address}")]
    Listen {
        /// The resolved address.
        address: SocketAddr,
        /// The failure.
        #[source]
        source: io::Error,
    },
    /// The election cannot be taken part in.
    #[error(transparent)]
    Replicas(#[from] ReplicasError),
    /// Another replica leads now, or a majority of them is out of reach. Whatever this one knows is
    /// out of date, so it starts anew.
    #[error("lost leadership")]
    Lost,
}

/// Pod DNS may lag behind the pod: two minutes of tries.
const RESOLVE_TRIES: u32 = 240;
const PAUSE: Duration = Duration::from_millis(500);

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
            Self::Alone(alone) => alone.run(standing, stopping).await,
            Self::Elected(replicas) => replicas.run(standing, stopping).await,
        }
    }
}

/// The address of this replica itself, which may take a while to be known.
pub(crate) async fn resolve(address: &str) -> Result<SocketAddr, LeadershipError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let source = match lookup_host(address).await.map(|mut found| found.next()) {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => io::Error::other("the name has no address"),
            Err(error) => error,
        };
        if tries == RESOLVE_TRIES || source.kind() == io::ErrorKind::InvalidInput {
            return Err(LeadershipError::Resolve {
                address: address.into(),
                source,
            });
        }
        tracing::debug!(address, error = %source, "the own address does not resolve yet");
        tokio::time::sleep(PAUSE).await;
    }
}
