//! Which validator judges a call.

use proto::sentry::v1::{SignCertificateRequest, sign_certificate_request::TokenValidator};
use sentry_core::{
    settings::Method,
    validator::{Claim, Grant, insecure},
};
use tonic::Status;

use crate::{jwks::Jwks, kubernetes::Kubernetes};

/// The validators that are on.
#[derive(Clone, Default)]
pub struct Validators {
    /// What judges calls that name no validator; `None` if they must name one.
    pub default: Option<Method>,
    /// Whether anybody is believed who asks for that.
    pub insecure: bool,
    /// The API server, if it is asked.
    pub kubernetes: Option<Kubernetes>,
    /// The key set, if there is one.
    pub jwks: Option<Jwks>,
}

/// The validator of one call.
pub(crate) enum Validator<'a> {
    Insecure,
    Kubernetes(&'a Kubernetes),
    Jwks(&'a Jwks),
}

// === impl Validators ===

impl Validators {
    /// The validator that a call names. Numbers that no validator has are refused like
    /// validators that are off.
    pub(crate) fn choose(&self, wanted: i32) -> Result<Validator<'_>, Status> {
        let method = match TokenValidator::try_from(wanted) {
            Ok(TokenValidator::Unknown) => Some(self.default.ok_or_else(|| {
                Status::invalid_argument("a validator name must be specified in this environment")
            })?),
            Ok(TokenValidator::Insecure) => Some(Method::Insecure),
            Ok(TokenValidator::Kubernetes) => Some(Method::Kubernetes),
            Ok(TokenValidator::Jwks) => Some(Method::Jwks),
            Err(_) => None,
        };
        method
            .and_then(|method| self.get(method))
            .ok_or_else(|| Status::invalid_argument("the requested validator is not enabled"))
    }

    fn get(&self, method: Method) -> Option<Validator<'_>> {
        match method {
            Method::Insecure => self.insecure.then_some(Validator::Insecure),
            Method::Kubernetes => self.kubernetes.as_ref().map(Validator::Kubernetes),
            Method::Jwks => self.jwks.as_ref().map(Validator::Jwks),
        }
    }
}

// === impl Validator ===

impl Validator<'_> {
    pub(crate) async fn ask(&self, request: &SignCertificateRequest) -> Result<Grant, Status> {
        let claim = Claim {
            app_id: &request.id,
            namespace: &request.namespace,
            trust_domain: &request.trust_domain,
            signing_request: &request.certificate_signing_request,
        };
        let granted = match self {
            Self::Insecure => insecure::validate(&claim),
            Self::Kubernetes(kubernetes) => kubernetes.validate(&claim, &request.token).await,
            Self::Jwks(jwks) => jwks.validate(&claim, &request.token),
        };
        granted.map_err(|refusal| Status::permission_denied(refusal.to_string()))
    }
}
