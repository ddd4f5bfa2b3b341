//! The validator that asks the API server whose token it was given.

mod object;
mod pods;
mod sidecar;
mod warden;
mod workload;

use std::sync::Arc;

use crds::configuration::Configuration;
use identity_core::{SpiffeId, TrustDomain};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use kube::{Api, Client, api::PostParams};
use sentry_core::validator::{
    Claim, Grant, Refusal, common,
    kubernetes::{self, ControlPlane, LEGACY_AUDIENCE, ServiceAccount, Verdict},
};

pub(crate) use pods::trusting;
pub use pods::{Pods, Reach};
pub use sidecar::Sidecar;
pub use warden::Warden;

/// The validator that asks the API server whose token it was given. Every call is reviewed, and
/// nothing here slows calls down: the API server decides how many it takes.
#[derive(Clone)]
pub struct Kubernetes {
    client: Client,
    reviews: Api<TokenReview>,
    pods: Arc<Pods>,
    own: ControlPlane,
    audiences: Vec<String>,
}

// === impl Kubernetes ===

impl Kubernetes {
    /// A validator for the sentry of this id.
    pub fn new(client: Client, pods: Arc<Pods>, own: ControlPlane, sentry: &SpiffeId) -> Self {
        Self {
            reviews: Api::all(client.clone()),
            client,
            pods,
            own,
            audiences: vec![LEGACY_AUDIENCE.to_owned(), sentry.to_string()],
        }
    }

    /// Says what a caller is granted.
    ///
    /// # Errors
    /// Why it gets nothing.
    pub async fn validate(&self, claim: &Claim<'_>, token: &str) -> Result<Grant, Refusal> {
        common::check(claim)?;
        let account = self.review(token).await?;
        let name = kubernetes::pod_name(token)?;
        let pod = self
            .pods
            .find(&account, &name)
            .await
            .ok_or(Refusal::NoPod)?;
        let trust_domain = match kubernetes::judge(claim, &account, &pod, &self.own)? {
            Verdict::Granted(trust_domain) => trust_domain,
            Verdict::AskConfiguration(name) => self.configured(claim.namespace, &name).await?,
        };
        Ok(pod.grant(trust_domain))
    }

    async fn review(&self, token: &str) -> Result<ServiceAccount, Refusal> {
        let spec = TokenReviewSpec {
            token: Some(token.to_owned()),
            audiences: Some(self.audiences.clone()),
        };
        let review = TokenReview {
            spec,
            ..TokenReview::default()
        };
        let reviewed = self.reviews.create(&PostParams::default(), &review).await;
        let reviewed = reviewed.map_err(|error| Refusal::Review(error.to_string()))?;
        kubernetes::service_account(&reviewed.status.unwrap_or_default())
    }

    /// Read anew for each call: few apps name a Configuration with a trust domain, and a
    /// change of it must count at once.
    async fn configured(&self, namespace: &str, name: &str) -> Result<TrustDomain, Refusal> {
        if name.is_empty() {
            return Err(Refusal::NoConfiguration);
        }
        let configurations = Api::<Configuration>::namespaced(self.client.clone(), namespace);
        let found = configurations.get(name).await.map_err(|error| {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(
                error,
                namespace,
                name,
                "the Configuration of a caller could not be read"
            );
            Refusal::NoConfiguration
        })?;
        let access = found.spec.and_then(|spec| spec.access_control);
        let name = access
            .and_then(|access| access.trust_domain)
            .unwrap_or_default();
        kubernetes::configured_trust_domain(&name)
    }
}
