//! The OIDC server: others find here what they verify JWT SVIDs with.

mod certificate;

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc};

use axum::{
    Router,
    extract::Request,
    http::{
        HeaderMap, HeaderName, Method, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, HOST},
    },
    response::{IntoResponse, Response},
};
use identity::Listener;
use process::Target;
use sentry_core::oidc::{Answer, Asked, Oidc};
use tokio_util::sync::CancellationToken;

use crate::authority::Authority;
pub use certificate::{Certificate, CertificateError};

const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Why the server ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OidcError {
    /// Its certificate can't be used.
    #[error("prepare TLS for OIDC")]
    Certificate(#[from] CertificateError),
    /// The port is taken, or forbidden.
    #[error("listen for OIDC on {0:?}")]
    Listen(Vec<SocketAddr>, #[source] io::Error),
    /// The server failed.
    #[error("serve OIDC")]
    Serve(#[source] io::Error),
}

/// The files of the server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// Certificate chain, PEM.
    pub chain: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
}

/// The server before it listens.
#[derive(Debug)]
pub struct Server {
    /// What to say to whom.
    pub oidc: Oidc,
    /// Whose key set is published.
    pub authority: Arc<Authority>,
    /// Where to listen; the first that can be bound.
    pub addresses: Vec<SocketAddr>,
    /// Its certificate; without one it speaks plain HTTP.
    pub certificate: Option<CertificateFiles>,
}

// === impl Server ===

impl Server {
    /// Serves until the process stops. A certificate that is not there yet is waited for.
    ///
    /// # Errors
    /// If the certificate is wrong, or the port can't be bound.
    pub async fn run(self, target: Target, stopping: CancellationToken) -> Result<(), OidcError> {
        let certificate = tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            certificate = Certificate::wait(self.certificate) => certificate?,
        };
        let tls = certificate.as_ref().map(Certificate::config).transpose()?;
        let listener = Listener::bind(&self.addresses, tls).await;
        let listener = listener.map_err(|error| OidcError::Listen(self.addresses, error))?;
        tracing::info!(tls = certificate.is_some(), "serving OIDC");
        target.ready();
        let serving = axum::serve(listener, routes(self.oidc, self.authority))
            .with_graceful_shutdown(stopping.clone().cancelled_owned());
        let served = tokio::select! {
            served = serving => served,
            () = Certificate::follow(certificate) => Ok(()),
        };
        target.unready();
        served.map_err(OidcError::Serve)
    }
}

/// The endpoints.
pub fn routes(oidc: Oidc, authority: Arc<Authority>) -> Router {
    let oidc = Arc::new(oidc);
    Router::new().fallback(async move |request: Request| {
        let answer = oidc.answer(&asked(&request));
        respond(answer, &authority)
    })
}

fn asked(request: &Request) -> Asked<'_> {
    Asked {
        host: text(request.headers(), &HOST).unwrap_or_default(),
        forwarded: text(request.headers(), &FORWARDED_HOST),
        path: request.uri().path(),
        is_get: request.method() == Method::GET,
    }
}

/// A host that is no text is nobody's, and no list has it.
fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let value = headers.get(name)?;
    Some(value.to_str().unwrap_or("?"))
}

fn respond(answer: Answer, authority: &Authority) -> Response {
    match answer {
        Answer::NotFound => StatusCode::NOT_FOUND.into_response(),
        Answer::Forbidden => {
            (StatusCode::FORBIDDEN, "Forbidden: unauthorized domain\n").into_response()
        }
        Answer::NotAllowed => {
            (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed\n").into_response()
        }
        Answer::KeySet => match authority.tokens() {
            Some(signer) => json(signer.key_set().to_owned()),
            None => StatusCode::NOT_FOUND.into_response(),
        },
        Answer::Discovery(document) => json(document),
    }
}

fn json(text: String) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "public, max-age=3600"),
    ];
    (headers, text).into_response()
}
