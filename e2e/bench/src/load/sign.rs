//! Certificates, as sidecars ask sentry for them.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use cluster::output;
use proto::sentry::v1::{
    SignCertificateRequest, ca_client::CaClient, sign_certificate_request::TokenValidator,
};
use tonic::transport::Channel;

use super::callers::{Caller, drive};
use crate::{dialer::Dialer, figures::Figure, service::Site};

/// How many sidecars at once.
const CALLERS: usize = 16;

/// First over kept connections, then as a starting sidecar does: dial, sign, hang up.
///
/// Nobody proves who he is: a standalone sentry has only the validator that believes everybody.
pub(super) async fn run(pid: u32, site: &Site, time: Duration) -> Result<Vec<Figure>> {
    let dialer = Dialer::new(&site.anchors(), "dapr-sentry", site.port)?;
    let request = request("shop")?;
    let starter = Starter { dialer, request };
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
pub(super) struct Starter {
    dialer: Dialer,
    request: SignCertificateRequest,
}

/// A sidecar that keeps its connection.
pub(super) struct Connected {
    client: CaClient<Channel>,
    request: SignCertificateRequest,
}

// === impl Starter ===

impl Starter {
    /// A sidecar that shows a token of its pod.
    pub(super) fn vouched(anchors: &Path, port: u16, app_id: &str, token: String) -> Result<Self> {
        let mut request = request(app_id)?;
        request.token = token;
        request.set_token_validator(TokenValidator::Kubernetes);
        Ok(Self {
            dialer: Dialer::new(anchors, "dapr-sentry", port)?,
            request,
        })
    }

    pub(super) async fn connect(&self) -> Result<Connected> {
        let channel = self.dialer.channel("http://sentry").await;
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

impl Connected {
    /// Asks once.
    pub(super) async fn ask(&mut self) -> Result<()> {
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

impl Caller for Connected {
    async fn call(&mut self) -> Result<()> {
        self.ask().await
    }
}

/// The same key each time: making keys is the sidecars' work, not sentry's.
fn request(app_id: &str) -> Result<SignCertificateRequest> {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-new", "-newkey", "ed25519", "-noenc", "-subj", "/"]);
    let csr = output(openssl.args(["-keyout", "/dev/null"]))?;
    Ok(SignCertificateRequest {
        id: app_id.into(),
        namespace: "default".into(),
        certificate_signing_request: csr.into_bytes(),
        ..SignCertificateRequest::default()
    })
}
