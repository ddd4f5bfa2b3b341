//! TLS connections to a service that is known by its SPIFFE ID.

use std::{fs, io, net::Ipv4Addr, path::Path, sync::Arc};

use anyhow::{Context, Result};
use hyper_util::rt::TokioIo;
use identity::{Identity, TrustAnchors};
use identity_core::{SpiffeId, TrustBundle};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint};

use crate::service::{NAMESPACE, TRUST_DOMAIN};

/// What hyper and tonic speak over.
pub(crate) type Stream = TokioIo<TlsStream<TcpStream>>;

/// Dials one port of this machine.
#[derive(Clone)]
pub(crate) struct Dialer {
    tls: Arc<ClientConfig>,
    port: u16,
}

// === impl Dialer ===

impl Dialer {
    /// Trusts the anchors in this file, and then only the control plane's service `app_id`.
    pub(crate) fn new(anchors: &Path, app_id: &str, port: u16) -> Result<Self> {
        Self::with(None, anchors, app_id, port)
    }

    /// The same, with an identity to show.
    pub(crate) fn identified(
        own: &Identity,
        anchors: &Path,
        app_id: &str,
        port: u16,
    ) -> Result<Self> {
        Self::with(Some(own), anchors, app_id, port)
    }

    fn with(own: Option<&Identity>, anchors: &Path, app_id: &str, port: u16) -> Result<Self> {
        let pem = fs::read(anchors).with_context(|| format!("read {}", anchors.display()))?;
        let anchors = TrustAnchors::fixed(TrustBundle::from_pem(pem)?)?;
        let id = format!("spiffe://{TRUST_DOMAIN}/ns/{NAMESPACE}/{app_id}");
        let tls = identity::tls::client(own, &anchors, SpiffeId::new(id)?)?;
        Ok(Self { tls, port })
    }

    /// A connection for gRPC; the URL's host is for messages.
    pub(crate) async fn channel(
        &self,
        url: &'static str,
    ) -> Result<Channel, tonic::transport::Error> {
        let dialer = self.clone();
        let dial = tower::service_fn(move |_| {
            let dialer = dialer.clone();
            async move { dialer.dial().await }
        });
        Endpoint::from_static(url)
            .connect_with_connector(dial)
            .await
    }

    pub(crate) async fn dial(&self) -> io::Result<Stream> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        stream.set_nodelay(true)?;
        // A name is needed but never checked.
        let name = ServerName::try_from("bench").map_err(io::Error::other)?;
        let connector = TlsConnector::from(self.tls.clone());
        Ok(TokioIo::new(connector.connect(name, stream).await?))
    }
}
