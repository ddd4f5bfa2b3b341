//! A key set from a server.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, Response, StatusCode, Uri,
    header::{CACHE_CONTROL, EXPIRES, HeaderName, LOCATION},
    uri::{InvalidUri, Scheme},
};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use jiff::Timestamp;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use sentry_core::{
    key_source::KeySource,
    pem::{self, PemError},
    validator::jwks::{KeySet, KeySetError},
};

/// The longest key set; real ones have a few kilobytes.
const MOST_BYTES: usize = 1 << 20;

/// How often a server may send to another address.
const MOST_REDIRECTS: usize = 10;

/// Why a server gave no key set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The address is none.
    #[error("the address is no URL")]
    Url(#[from] InvalidUri),
    /// Option `caCertificate` names a file that can't be read.
    #[error("read the CA certificate {}", .0.display())]
    CaFile(PathBuf, #[source] io::Error),
    /// Option `caCertificate` holds something else.
    #[error("read the CA certificate")]
    CaPem(#[from] PemError),
    /// A certificate can't be a root, or TLS can't be set up.
    #[error("prepare TLS")]
    Tls(#[from] rustls::Error),
    /// The system's roots can't be read.
    #[error("read the roots of the system")]
    Roots(#[source] io::Error),
    /// No answer.
    #[error("request the key set")]
    Request(#[from] hyper_util::client::legacy::Error),
    /// The answer broke off, or was too long.
    #[error("receive the key set")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another answer than the key set.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// The server sends on and on, to nowhere, or from TLS to plain text.
    #[error("the server redirects to an address that is not followed")]
    Redirect,
    /// The answer holds something else.
    #[error("read the answer")]
    KeySet(#[from] KeySetError),
    /// No whole answer in time.
    #[error("the server did not answer within {0:?}")]
    Timeout(Duration),
}

/// Fetches a key set.
#[derive(Debug)]
pub(super) struct Fetcher {
    options: KeySource,
    address: Uri,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

// === impl Fetcher ===

impl Fetcher {
    pub(super) async fn new(options: KeySource) -> Result<Self, FetchError> {
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls(&options.ca_certificate).await?)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            address: options.source.parse()?,
            options,
            client: Client::builder(TokioExecutor::new()).build(connector),
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.options.source
    }

    /// How long to wait after a failure.
    pub(super) fn retry_after(&self) -> Duration {
        self.options.min_refresh
    }

    /// The key set, and how long it is kept.
    pub(super) async fn fetch(&self) -> Result<(KeySet, Duration), FetchError> {
        let timeout = self.options.timeout;
        let answered = tokio::time::timeout(timeout, self.request());
        let answer = answered
            .await
            .map_err(|_elapsed| FetchError::Timeout(timeout))??;
        let header = |name: HeaderName| text(answer.headers(), &name);
        let (cache_control, expires) = (header(CACHE_CONTROL), header(EXPIRES));
        let now = Timestamp::now();
        let kept = self.options.kept_for(cache_control, expires, now);
        Ok((KeySet::parse(answer.body())?, kept))
    }

    async fn request(&self) -> Result<Response<Bytes>, FetchError> {
        let mut address = self.address.clone();
        for _ in 0..=MOST_REDIRECTS {
            let answer = self.client.get(address.clone()).await?;
            match answer.status() {
                StatusCode::OK => return whole(answer).await,
                status if status.is_redirection() => {
                    let location = text(answer.headers(), &LOCATION);
                    let next = location.and_then(|to| redirected(&address, to));
                    address = next.ok_or(FetchError::Redirect)?;
                    let downgraded = self.address.scheme() == Some(&Scheme::HTTPS)
                        && address.scheme() != Some(&Scheme::HTTPS);
                    if downgraded {
                        return Err(FetchError::Redirect);
                    }
                }
                status => return Err(FetchError::Status(status)),
            }
        }
        Err(FetchError::Redirect)
    }
}

async fn whole(answer: Response<hyper::body::Incoming>) -> Result<Response<Bytes>, FetchError> {
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, MOST_BYTES).collect().await;
    let body = body.map_err(FetchError::Body)?.to_bytes();
    Ok(Response::from_parts(head, body))
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A location is a whole address, or a path of the same server.
fn redirected(from: &Uri, to: &str) -> Option<Uri> {
    let mut parts = to.parse::<Uri>().ok()?.into_parts();
    if parts.scheme.is_none() {
        parts.scheme = from.scheme().cloned();
        parts.authority = from.authority().cloned();
    }
    Uri::from_parts(parts).ok()
}

async fn tls(ca_certificate: &str) -> Result<ClientConfig, FetchError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = if ca_certificate.is_empty() {
        builder.with_native_roots().map_err(FetchError::Roots)?
    } else {
        builder.with_root_certificates(roots(ca_certificate).await?)
    };
    Ok(builder.with_no_client_auth())
}

async fn roots(ca_certificate: &str) -> Result<RootCertStore, FetchError> {
    let text = if ca_certificate.contains("-----BEGIN") {
        ca_certificate.as_bytes().to_vec()
    } else {
        let read = tokio::fs::read(ca_certificate).await;
        read.map_err(|error| FetchError::CaFile(ca_certificate.into(), error))?
    };
    let mut roots = RootCertStore::empty();
    for certificate in pem::certificates(&text)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}
