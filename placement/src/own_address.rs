//! Where this replica itself is, for the others.

use std::{io, net::SocketAddr, time::Duration};

use tokio::net::lookup_host;

/// Why the own address is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnAddressError {
    /// It cannot be resolved.
    #[error("resolving this replica's own address {address}")]
    Resolve {
        /// As in `--initial-cluster`.
        address: String,
        /// The last failure.
        #[source]
        source: io::Error,
    },
    /// It cannot be listened on.
    #[error("listening for peers on {address}")]
    Listen {
        /// The resolved address.
        address: SocketAddr,
        /// The failure.
        #[source]
        source: io::Error,
    },
}

/// Pod DNS may lag behind the pod: two minutes of tries.
const RESOLVE_TRIES: u32 = 240;
const PAUSE: Duration = Duration::from_millis(500);

/// The address of this replica itself, which may take a while to be known.
pub(crate) async fn resolve(address: &str) -> Result<SocketAddr, OwnAddressError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let source = match lookup_host(address).await.map(|mut found| found.next()) {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => io::Error::other("the name has no address"),
            Err(error) => error,
        };
        if tries == RESOLVE_TRIES || source.kind() == io::ErrorKind::InvalidInput {
            return Err(OwnAddressError::Resolve {
                address: address.into(),
                source,
            });
        }
        tracing::debug!(address, error = %source, "the own address does not resolve yet");
        tokio::time::sleep(PAUSE).await;
    }
}
