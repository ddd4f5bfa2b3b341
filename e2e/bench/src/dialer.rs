//! TLS connections to a service that is known by its SPIFFE ID.

use std::{fs, io, net::Ipv4Addr, path::Path, sync::Arc};

use anyhow::{Context, Result};
use hyper_util::rt::TokioIo;
use identity::{Identity, KeyKind, Provider, Request, TrustAnchors};
use identity_core::{SpiffeId, TrustBundle, TrustDomain};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use crate::{
    service::{NAMESPACE, TRUST_DOMAIN},
    stage::Stage,
};

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

    /// A sidecar of an app in [`NAMESPACE`] that calls the service `app_id` on the stage. It has
    /// its identity from the stage's sentry, which believes everybody.
    pub(crate) async fn of_app(
        stage: &Stage,
        app: &'static str,
        app_id: &str,
        port: u16,
    ) -> Result<Self> {
        let request = Request {
            app_id: app,
            namespace: NAMESPACE.to_owned(),
            trust_domain: TrustDomain::new(TRUST_DOMAIN)?,
            sentry_address: stage.sentry_address(),
            key: KeyKind::Ed25519,
            kubernetes: false,
        };
        let provider = Provider::new(request, read(&stage.anchors())?)?;
        let identity = provider.identity();
        // It lasts longer than any measurement, so nobody has to renew it.
        tokio::select! {
            () = identity.ready() => {}
            () = provider.run(CancellationToken::new()) => {}
        }
        Self::with(Some(&identity), &stage.anchors(), app_id, port)
    }

    fn with(own: Option<&Identity>, anchors: &Path, app_id: &str, port: u16) -> Result<Self> {
        let anchors = read(anchors)?;
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
        self.connect().await.map(TokioIo::new)
    }

    pub(crate) async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        stream.set_nodelay(true)?;
        // A name is needed but never checked.
        let name = ServerName::try_from("bench").map_err(io::Error::other)?;
        let connector = TlsConnector::from(self.tls.clone());
        connector.connect(name, stream).await
    }
}

fn read(anchors: &Path) -> Result<TrustAnchors> {
    let pem = fs::read(anchors).with_context(|| format!("read {}", anchors.display()))?;
    Ok(TrustAnchors::fixed(TrustBundle::from_pem(pem)?)?)
}
