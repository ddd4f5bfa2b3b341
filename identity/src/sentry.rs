//! The client of sentry: one request, one connection.

use std::{sync::Arc, time::Duration};

use proto::sentry::v1::{SignCertificateRequest, ca_client::CaClient};
use rustls::ClientConfig;
use secrecy::ExposeSecret;
use tonic::transport::Channel;

use crate::{Request, Svid, SvidError, channel, token};

/// Connect, and sign, may take this long each.
const ATTEMPT: Duration = Duration::from_secs(3);

/// Why sentry gave no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("the token for sentry could not be read")]
    Token(#[from] token::TokenError),
    #[error("no certificate could be requested or used")]
    Svid(#[from] SvidError),
    #[error("sentry at {address} could not be reached")]
    Connect {
        address: String,
        #[source]
        source: tonic::transport::Error,
    },
    #[error("sentry at {address} refused the certificate: {status}")]
    Refused {
        address: String,
        status: Box<tonic::Status>,
    },
    #[error("the key could not be made")]
    Key(#[from] tokio::task::JoinError),
}

/// Asks sentry for a certificate of a new key.
pub(crate) async fn fetch(request: &Request, tls: Arc<ClientConfig>) -> Result<Svid, FetchError> {
    let kind = request.key;
    // An RSA key takes long enough to hold up other tasks.
    let (key, csr) = tokio::task::spawn_blocking(move || kind.request()).await??;
    let mut client = CaClient::new(connect(&request.sentry_address, tls).await?);
    let mut message = tonic::Request::new(message(request, csr)?);
    message.set_timeout(ATTEMPT);
    let response =
        client
            .sign_certificate(message)
            .await
            .map_err(|status| FetchError::Refused {
                address: request.sentry_address.clone(),
                status: Box::new(status),
            })?;
    Ok(Svid::from_pem(
        &response.into_inner().workload_certificate,
        &key,
    )?)
}

fn message(request: &Request, csr: String) -> Result<SignCertificateRequest, FetchError> {
    let (token, validator) = token::read(request.kubernetes)?;
    let id = std::env::var("SENTRY_LOCAL_IDENTITY")
        .ok()
        .filter(|id| !id.is_empty());
    Ok(SignCertificateRequest {
        id: id.unwrap_or_else(|| request.app_id.to_owned()),
        token: token.expose_secret().to_owned(),
        trust_domain: request.trust_domain.as_str().to_owned(),
        namespace: request.namespace.clone(),
        certificate_signing_request: csr.into_bytes(),
        token_validator: validator.into(),
        jwt_audiences: Vec::new(),
    })
}

async fn connect(address: &str, tls: Arc<ClientConfig>) -> Result<Channel, FetchError> {
    let connected = channel(address, Some(tls), ATTEMPT).await;
    connected.map_err(|source| FetchError::Connect {
        address: address.to_owned(),
        source,
    })
}
