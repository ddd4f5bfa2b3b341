//! This replica's identity, and who is let in.

use std::{convert::Infallible, sync::Arc};

use identity::{
    Identity, KeyKind, Provider, Request, TrustAnchors,
    tls::{self, Clients},
};
use identity_core::{SpiffeId, SpiffeIdError, TrustDomain, Workload, WorkloadError};
use process::{Process, RootRefused};
use rustls::{ClientConfig, ServerConfig};

use crate::options::{Mode, Options};

/// The app ID in placement's SPIFFE ID; sidecars expect it.
const APP_ID: &str = "dapr-placement";

/// Why there can be no identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecurityError {
    /// Root is no user for a pod.
    #[error(transparent)]
    Root(#[from] RootRefused),
    /// The trust domain is none.
    #[error("invalid value for trust-domain")]
    TrustDomain(#[from] SpiffeIdError),
    /// There is no SPIFFE ID for this replica.
    #[error("naming this replica by its namespace")]
    Name(#[from] WorkloadError),
    /// Sentry cannot be asked.
    #[error("preparing to get an identity from sentry")]
    Provider(#[from] identity::ProviderError),
    /// TLS cannot be served.
    #[error("setting up TLS")]
    Tls(#[from] rustls::Error),
}

/// Where the identity will be, and what for.
#[derive(Debug)]
pub(crate) enum Security {
    /// Plain text, and no identity is needed.
    Plain,
    /// An identity is needed; it serves TLS if the flag says so.
    Identified {
        identity: Identity,
        anchors: TrustAnchors,
        /// This replica's SPIFFE ID, which is that of all replicas.
        own: SpiffeId,
        tls: bool,
    },
}

/// What to speak TLS with.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    /// To whoever dials.
    pub(crate) server: Arc<ServerConfig>,
    /// To other replicas.
    pub(crate) client: Arc<ClientConfig>,
    /// What other replicas are known by.
    pub(crate) own: SpiffeId,
}

/// Starts to get an identity, if one is needed.
///
/// # Errors
/// If the process runs as root in a pod, or the flags make no identity.
pub(crate) fn start(process: &Process, options: &Options) -> Result<Security, SecurityError> {
    let kubernetes = options.mode == Mode::Kubernetes;
    if kubernetes {
        process::refuse_root()?;
    }
    let trust_domain: TrustDomain = options.trust_domain.parse()?;
    if !kubernetes && !options.tls_enabled {
        return Ok(Security::Plain);
    }
    let own = Workload::new(trust_domain.clone(), Options::namespace(), APP_ID).spiffe_id()?;
    let anchors = TrustAnchors::follow(&options.trust_anchors_file);
    let request = Request {
        app_id: APP_ID,
        namespace: Options::namespace(),
        trust_domain,
        sentry_address: options.sentry_address(),
        key: KeyKind::Ed25519,
        kubernetes,
    };
    let provider = Provider::new(request, anchors.clone())?;
    let identity = provider.identity();
    let (follow, stopping) = (anchors.clone(), process.stopping());
    process.spawn("trust-anchors", async move {
        follow.run(stopping).await;
        Ok::<_, Infallible>(())
    });
    let stopping = process.stopping();
    process.spawn("security-provider", async move {
        provider.run(stopping).await;
        Ok::<_, Infallible>(())
    });
    Ok(Security::Identified {
        identity,
        anchors,
        own,
        tls: options.tls_enabled,
    })
}

// === impl Security ===

impl Security {
    /// Waits for the identity; what to speak TLS with, if TLS is to be spoken.
    pub(crate) async fn ready(self) -> Result<Option<Tls>, SecurityError> {
        let Self::Identified {
            identity,
            anchors,
            own,
            tls,
        } = self
        else {
            return Ok(None);
        };
        identity.ready().await;
        if !tls {
            return Ok(None);
        }
        Ok(Some(Tls {
            server: tls::server(&identity, Clients::Mtls(&anchors), &[b"h2"])?,
            client: tls::client(Some(&identity), &anchors, own.clone())?,
            own,
        }))
    }
}
