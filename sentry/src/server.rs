//! The gRPC service `dapr.proto.sentry.v1.CA`.

use std::{collections::HashMap, sync::Arc};

use identity_core::Workload;
use jiff::Timestamp;
use prost_types::Timestamp as ProtoTimestamp;
use proto::sentry::v1::{SignCertificateRequest, SignCertificateResponse, ca_server::Ca};
use sentry_core::{Issued, Order, PublicKey, Terms, dns, jwt, validator::Grant};
use tonic::{Request, Response, Status};

use crate::{authority::Authority, metrics::Metrics, random, validators::Validators};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Each audience costs a signature, so nobody may name endlessly many.
const MOST_AUDIENCES: usize = 100;

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

/// The tokens of one answer.
#[derive(Default)]
struct Tokens {
    combined: Option<String>,
    per_audience: HashMap<String, String>,
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
        if request.jwt_audiences.len() > MOST_AUDIENCES {
            return Err(Status::invalid_argument(format!(
                "too many JWT audiences: at most {MOST_AUDIENCES}"
            )));
        }
        let workload = Workload::new(
            grant.trust_domain.clone(),
            &*request.namespace,
            &*request.id,
        );
        let issued = self.issue(&workload, &grant, &public_key);
        let issued = issued.map_err(|error| failed(&workload, &*error, "sign certificate"))?;
        let tokens = self.tokens(&workload, &request.jwt_audiences);
        let tokens = tokens.map_err(|error| failed(&workload, &*error, "generate JWT"))?;
        Ok(self.answer(&issued, tokens))
    }

    fn issue(
        &self,
        workload: &Workload,
        grant: &Grant,
        public_key: &PublicKey,
    ) -> Result<Issued, AnyError> {
        let dns = dns::names(
            &workload.app_id,
            &workload.namespace,
            &self.namespace,
            &self.domain,
        );
        let order = Order {
            public_key,
            workload,
            dns: &dns,
            images: &grant.images,
        };
        let serial = random::serial()?;
        Ok(self
            .authority
            .bundle()
            .issue(&order, self.terms, Timestamp::now(), serial)?)
    }

    /// One token for the trust domain and all audiences, and one for each of them.
    fn tokens(&self, workload: &Workload, audiences: &[String]) -> Result<Tokens, AnyError> {
        let Some(signer) = self.authority.tokens() else {
            return Ok(Tokens::default());
        };
        let subject = workload.spiffe_id()?.to_string();
        let sign = |audiences: &[&str]| -> Result<String, AnyError> {
            let token = jwt::Token {
                subject: &subject,
                audiences,
                id: random::serial()?,
            };
            Ok(signer.sign(&token, Timestamp::now())?)
        };
        let all = std::iter::once(workload.trust_domain.as_str());
        let all: Vec<_> = all.chain(audiences.iter().map(String::as_str)).collect();
        let mut tokens = Tokens {
            combined: Some(sign(&all)?),
            per_audience: HashMap::new(),
        };
        for audience in all {
            if !tokens.per_audience.contains_key(audience) {
                let token = sign(&[audience])?;
                tokens.per_audience.insert(audience.to_owned(), token);
            }
        }
        Ok(tokens)
    }

    fn answer(&self, issued: &Issued, tokens: Tokens) -> SignCertificateResponse {
        SignCertificateResponse {
            workload_certificate: issued.pem().into_bytes(),
            trust_chain_certificates: vec![self.authority.bundle().anchors_pem().into()],
            valid_until: Some(ProtoTimestamp {
                seconds: issued.not_after.as_second(),
                nanos: 0,
            }),
            jwt: tokens.combined,
            per_audience_jwts: tokens.per_audience,
        }
    }
}

/// The caller learns nothing of what went wrong inside.
fn failed(
    workload: &Workload,
    error: &(dyn std::error::Error + 'static),
    doing: &'static str,
) -> Status {
    let (namespace, app_id) = (&workload.namespace, &workload.app_id);
    tracing::error!(error, namespace, app_id, "failed to {doing}");
    Status::internal(format!("failed to {doing}"))
}
