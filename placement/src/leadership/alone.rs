//! The election of a replica that is alone.

use std::time::Duration;

use placement_core::Peers;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    own_address::{OwnAddressError, resolve},
    standing::{Role, Standing},
};

/// After a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(500);

/// A replica that is alone leads as soon as it has its port.
///
/// Other programs and probes expect the port to be open even so; connections are closed unread.
#[derive(Debug)]
pub(crate) struct Alone {
    address: String,
}

// === impl Alone ===

impl Alone {
    pub(super) fn new(peers: &Peers) -> Self {
        Self {
            address: peers.own_address().into(),
        }
    }

    pub(super) async fn run(
        self,
        standing: Standing,
        stopping: CancellationToken,
    ) -> Result<(), OwnAddressError> {
        let lead = async {
            let address = resolve(&self.address).await?;
            let listener = TcpListener::bind(address).await;
            let listener =
                listener.map_err(|source| OwnAddressError::Listen { address, source })?;
            standing.mandate.extend_forever();
            standing.role.send_replace(Role::Leader);
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

#[cfg(test)]
mod tests {
    use placement_core::Settings;
    use tokio::{io::AsyncReadExt, net::TcpStream, sync::watch};

    use super::*;
    use crate::{Config, Gauges, Mandate, Namespaces};

    fn standing() -> Standing {
        let mandate = Mandate::none();
        let settings = Settings {
            budget: Duration::from_secs(8),
            window: Duration::ZERO,
        };
        let (namespaces, _) = Namespaces::new(Config {
            settings,
            replication_factor: 100,
            gauges: Gauges::default(),
            mandate: mandate.clone(),
        });
        let role = watch::Sender::new(Role::Candidate);
        Standing {
            role,
            mandate,
            namespaces,
        }
    }

    #[tokio::test]
    async fn leads_and_turns_connections_away() {
        let port = free_port().await;
        let address = format!("127.0.0.1:{port}");
        let (standing, stopping) = (standing(), CancellationToken::new());
        let (mut role, mandate) = (standing.role.subscribe(), standing.mandate.clone());
        let checks = async {
            role.wait_for(|role| *role == Role::Leader).await.unwrap();
            assert!(mandate.holds());
            let mut connection = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            assert_eq!(
                connection.read(&mut [0; 8]).await.unwrap_or(0),
                0,
                "closed unread"
            );
            stopping.cancel();
        };
        let (result, ()) = tokio::join!(Alone { address }.run(standing, stopping.clone()), checks);
        result.unwrap();
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let run = Alone { address }.run(standing(), CancellationToken::new());
        let error = run.await.unwrap_err();
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
