//! The gRPC service `dapr.proto.sentry.v1.CA`.

use std::sync::Arc;

use identity_core::Workload;
use jiff::Timestamp;
use prost_types::Timestamp as ProtoTimestamp;
use proto::sentry::v1::{SignCertificateRequest, SignCertificateResponse, ca_server::Ca};
use sentry_core::{Issued, Order, PublicKey, Terms, dns, validator::Grant};
use tonic::{Request, Response, Status};

use crate::{authority::Authority, metrics::Metrics, random, validators::Validators};

/// The gRPC service.
pub struct Signer {
    /// What signs.
    pub authority: Arc<Authority>,
    /// Who may ask.
    pub validators: Validators,
    /// How long certificates live.
    pub terms: Terms,
    /// Sentry's own namespace.
    pub namespace: String,
    /// DNS domain of the cluster.
    pub domain: String,
    /// What is counted.
    pub metrics: Metrics,
}

#[tonic::async_trait]
impl Ca for Signer {
    async fn sign_certificate(
        &self,
        request: Request<SignCertificateRequest>,
    ) -> Result<Response<SignCertificateResponse>, Status> {
        self.metrics.received();
        let request = request.into_inner();
        let answer = self.sign(&request).await;
        self.metrics.answered(answer.is_ok());
        if let Err(status) = &answer {
            let (namespace, app_id) = (&request.namespace, &request.id);
            tracing::debug!(
                namespace,
                app_id,
                reason = status.message(),
                "refused a certificate"
            );
        }
        answer.map(Response::new)
    }
}

// === impl Signer ===

impl Signer {
    async fn sign(
        &self,
        request: &SignCertificateRequest,
    ) -> Result<SignCertificateResponse, Status> {
        let validator = self.validators.choose(request.token_validator)?;
        let grant = validator.ask(request).await?;
        let public_key = PublicKey::from_request(&request.certificate_signing_request)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let issued = self.issue(request, &grant, &public_key).map_err(|error| {
            let (namespace, app_id) = (&request.namespace, &request.id);
            let error: &(dyn std::error::Error + 'static) = &*error;
            tracing::error!(
                error,
                namespace,
                app_id,
                "a certificate could not be signed"
            );
            Status::internal("failed to sign certificate")
        })?;
        Ok(self.answer(&issued))
    }

    fn issue(
        &self,
        request: &SignCertificateRequest,
        grant: &Grant,
        public_key: &PublicKey,
    ) -> Result<Issued, Box<dyn std::error::Error + Send + Sync>> {
        let trust_domain = grant.trust_domain.clone();
        let workload = Workload::new(trust_domain, &*request.namespace, &*request.id);
        let dns = dns::names(
            &request.id,
            &request.namespace,
            &self.namespace,
            &self.domain,
        );
        let order = Order {
            public_key,
            workload: &workload,
            dns: &dns,
            images: &grant.images,
        };
        let serial = random::serial()?;
        Ok(self
            .authority
            .bundle()
            .issue(&order, self.terms, Timestamp::now(), serial)?)
    }

    fn answer(&self, issued: &Issued) -> SignCertificateResponse {
        SignCertificateResponse {
            workload_certificate: issued.pem().into_bytes(),
            trust_chain_certificates: vec![self.authority.bundle().anchors_pem().into()],
            valid_until: Some(ProtoTimestamp {
                seconds: issued.not_after.as_second(),
                nanos: 0,
            }),
            ..SignCertificateResponse::default()
        }
    }
}
