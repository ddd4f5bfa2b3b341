//! Who hands out tables: one replica of the peers, the leader.

use std::{io, net::SocketAddr, time::Duration};

use placement_core::{Peers, PeersError};
use tokio::{
    net::{TcpListener, lookup_host},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

/// Whether this replica may hand out tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Another replica leads, or none does yet.
    Follower,
    /// This replica leads.
    Leader,
}

/// An election among the replicas.
pub trait Leadership: Send + 'static {
    /// Takes part until `stopping`, and tells the role of this replica as it changes.
    ///
    /// # Errors
    /// If this replica cannot take part, or lost the leadership it had.
    fn run(
        self,
        role: watch::Sender<Role>,
        stopping: CancellationToken,
    ) -> impl Future<Output = Result<(), LeadershipError>> + Send;
}

/// Why a replica cannot take part.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeadershipError {
    /// The list of peers is no good.
    #[error(transparent)]
    Peers(#[from] PeersError),
    /// More than one replica.
    #[error(
        "--initial-cluster lists {0} replicas, but an election between replicas is not supported \
         yet: list this replica alone"
    )]
    SeveralPeers(usize),
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
}

/// The election of a replica that is alone: it leads as soon as it has its port.
///
/// Other programs and probes expect the port to be open even so; connections are closed unread.
#[derive(Debug)]
pub struct SinglePeer {
    address: String,
}

/// Pod DNS may lag behind the pod: two minutes of tries.
const RESOLVE_TRIES: u32 = 240;
const PAUSE: Duration = Duration::from_millis(500);

// === impl SinglePeer ===

impl SinglePeer {
    /// Takes the peers, which must be one.
    ///
    /// # Errors
    /// If there are more.
    pub fn new(peers: &Peers) -> Result<Self, LeadershipError> {
        match peers.count() {
            1 => Ok(Self {
                address: peers.own_address().into(),
            }),
            count => Err(LeadershipError::SeveralPeers(count)),
        }
    }
}

impl Leadership for SinglePeer {
    async fn run(
        self,
        role: watch::Sender<Role>,
        stopping: CancellationToken,
    ) -> Result<(), LeadershipError> {
        let lead = async {
            let address = resolve(&self.address).await?;
            let listener = TcpListener::bind(address).await;
            let listener =
                listener.map_err(|source| LeadershipError::Listen { address, source })?;
            role.send_replace(Role::Leader);
            tracing::info!("leading: this is the only replica");
            turn_away(&listener).await
        };
        stopping
            .run_until_cancelled(lead)
            .await
            .map_or(Ok(()), |never| never)
    }
}

async fn turn_away(listener: &TcpListener) -> ! {
    loop {
        if let Err(error) = listener.accept().await {
            tracing::debug!(%error, "a connection to the peer port failed");
            // Perhaps the process is out of file descriptors: some may be closed meanwhile.
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn resolve(address: &str) -> Result<SocketAddr, LeadershipError> {
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

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt, net::TcpStream};

    use super::*;

    #[test]
    fn several_peers_are_refused_by_the_name_of_the_flag() {
        let peers = Peers::parse("a", ["a=h:1", "b=h:2", "c=h:3"]).unwrap();
        let error = SinglePeer::new(&peers).unwrap_err().to_string();
        assert!(
            error.contains("--initial-cluster lists 3 replicas"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_single_peer_leads_and_turns_connections_away() {
        let port = free_port().await;
        let peer = SinglePeer {
            address: format!("127.0.0.1:{port}"),
        };
        let (sender, mut role) = watch::channel(Role::Follower);
        let stopping = CancellationToken::new();
        let checks = async {
            role.wait_for(|role| *role == Role::Leader).await.unwrap();
            let mut connection = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            assert_eq!(
                connection.read(&mut [0; 8]).await.unwrap_or(0),
                0,
                "closed unread"
            );
            stopping.cancel();
        };
        let (result, ()) = tokio::join!(peer.run(sender, stopping.clone()), checks);
        result.unwrap();
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = SinglePeer {
            address: taken.local_addr().unwrap().to_string(),
        };
        let (role, _) = watch::channel(Role::Follower);
        let error = peer.run(role, CancellationToken::new()).await.unwrap_err();
        assert!(
            error
                .to_string()
                .contains("listening for peers on 127.0.0.1:"),
            "{error}"
        );
    }

    async fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap()
            .port()
    }
}
