//! Certificates, as sidecars ask sentry for them.

use std::{process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use cluster::output;
use proto::sentry::v1::{SignCertificateRequest, ca_client::CaClient};
use tonic::transport::{Channel, Endpoint};

use super::callers::{Caller, drive};
use crate::{dialer::Dialer, figures::Figure, service::Site};

/// How many sidecars at once.
const CALLERS: usize = 16;

/// First over kept connections, then as a starting sidecar does: dial, sign, hang up.
///
/// Nobody proves who he is: a standalone sentry has only the validator that believes everybody.
pub(super) async fn run(pid: u32, site: &Site, time: Duration) -> Result<Vec<Figure>> {
    let dialer = Dialer::new(&site.anchors(), "dapr-sentry", site.port)?;
    let starter = Starter {
        dialer,
        request: request()?,
    };
    let mut connected = Vec::new();
    for _ in 0..CALLERS {
        connected.push(starter.connect().await?);
    }
    let mut figures = drive("certificates", pid, connected, time).await?;
    let starters = vec![starter; CALLERS];
    figures.extend(drive("dial and certificate", pid, starters, time).await?);
    Ok(figures)
}

/// A sidecar that starts again and again.
#[derive(Clone)]
struct Starter {
    dialer: Dialer,
    request: SignCertificateRequest,
}

/// A sidecar that keeps its connection.
struct Connected {
    client: CaClient<Channel>,
    request: SignCertificateRequest,
}

// === impl Starter ===

impl Starter {
    async fn connect(&self) -> Result<Connected> {
        let dialer = self.dialer.clone();
        let dial = tower::service_fn(move |_| {
            let dialer = dialer.clone();
            async move { dialer.dial().await }
        });
        let endpoint = Endpoint::from_static("http://sentry");
        let channel = endpoint.connect_with_connector(dial).await;
        Ok(Connected {
            client: CaClient::new(channel.context("dial sentry")?),
            request: self.request.clone(),
        })
    }
}

impl Caller for Starter {
    async fn call(&mut self) -> Result<()> {
        self.connect().await?.call().await
    }
}

// === impl Connected ===

impl Caller for Connected {
    async fn call(&mut self) -> Result<()> {
        let answer = self.client.sign_certificate(self.request.clone()).await;
        let signed = answer.context("ask for a certificate")?.into_inner();
        ensure!(
            signed
                .workload_certificate
                .starts_with(b"-----BEGIN CERTIFICATE-----"),
            "sentry answered without a certificate"
        );
        Ok(())
    }
}

/// The same key each time: making keys is the sidecars' work, not sentry's.
fn request() -> Result<SignCertificateRequest> {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-new", "-newkey", "ed25519", "-noenc", "-subj", "/"]);
    let csr = output(openssl.args(["-keyout", "/dev/null"]))?;
    Ok(SignCertificateRequest {
        id: "shop".into(),
        namespace: "default".into(),
        certificate_signing_request: csr.into_bytes(),
        ..SignCertificateRequest::default()
    })
}
