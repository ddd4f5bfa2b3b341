//! rustls configurations whose certificate and anchors are looked up per handshake.
//!
//! TLS 1.2 at least. No session is resumed: a resumed one would carry an identity past its
//! rotation, and tickets cost memory per sidecar.

use std::sync::Arc;

use identity_core::SpiffeId;
use rustls::{
    ClientConfig, ServerConfig, client::Resumption, crypto::CryptoProvider,
    server::NoServerSessionStorage, version,
};

use crate::{
    Identity, TrustAnchors,
    resolver::CurrentSvid,
    verifier::{AnyClient, ExpectedServer},
};

/// Whom a server lets in.
#[derive(Clone, Copy, Debug)]
pub enum Clients<'a> {
    /// Everybody; no certificate is asked for.
    Any,
    /// Those with an SVID under these anchors.
    Mtls(&'a TrustAnchors),
}

const VERSIONS: [&rustls::SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A server that shows the identity's current SVID and offers the protocols of `alpn`, such as
/// `h2`.
///
/// # Errors
/// If the crypto provider offers none of the TLS versions.
pub fn server(
    identity: &Identity,
    clients: Clients<'_>,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = provider();
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&VERSIONS)?;
    let builder = match clients {
        Clients::Any => builder.with_no_client_auth(),
        Clients::Mtls(anchors) => {
            let anchors = anchors.clone();
            builder.with_client_cert_verifier(Arc::new(AnyClient { anchors, provider }))
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(CurrentSvid(identity.clone())));
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// A gRPC client of the server that has the SPIFFE ID `expected`; it shows `identity`, if any.
///
/// # Errors
/// If the crypto provider offers none of the TLS versions.
pub fn client(
    identity: Option<&Identity>,
    anchors: &TrustAnchors,
    expected: SpiffeId,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let (provider, anchors) = (provider(), anchors.clone());
    let builder =
        ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(&VERSIONS)?;
    let verifier = Arc::new(ExpectedServer {
        anchors,
        expected,
        provider,
    });
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        Some(identity) => {
            builder.with_client_cert_resolver(Arc::new(CurrentSvid(identity.clone())))
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}
