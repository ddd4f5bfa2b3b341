//! The validator that asks the API server whose token it was given.
//!
//! The shell looks things up in this order, and each answer is judged here:
//! the claim, the token's review, the pod that the token names, the pod's Configuration.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use identity_core::TrustDomain;
use k8s_openapi::api::authentication::v1::{TokenReviewStatus, UserInfo};
use serde::Deserialize;

use super::{Claim, Grant, Refusal};
use crate::{images::Image, trust_domain};

/// The audience of tokens before Dapr 1.12; still offered, since old sidecars send no other.
pub const LEGACY_AUDIENCE: &str = "dapr.io/sentry";

const CONTROL_PLANE: &str = "dapr.io/control-plane";
const APP_ID: &str = "dapr.io/app-id";
const CONFIGURATION: &str = "dapr.io/config";
const SERVICES: [&str; 5] = ["operator", "placement", "injector", "sentry", "scheduler"];

/// Key under which the API server tells the pod of a token it has reviewed.
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";

/// Whose token was reviewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Namespace of the service account, and of the pod.
    pub namespace: String,
    /// Name of the service account.
    pub name: String,
    /// UID of the pod that the token is bound to, where the API server tells it.
    pub pod_uid: Option<String>,
}

/// What of a pod counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID; every real API server gives one.
    pub uid: Option<String>,
    /// Name of the service account that it runs as.
    pub service_account: String,
    /// `dapr.io/control-plane`: which service of the control plane it is.
    pub control_plane: Option<String>,
    /// `dapr.io/app-id`.
    pub app_id: Option<String>,
    /// `dapr.io/config`: name of its Configuration.
    pub configuration: Option<String>,
    /// Images of its long-running containers.
    pub images: Vec<Image>,
}

/// Sentry's own place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlPlane {
    /// Namespace of the control plane.
    pub namespace: String,
    /// Trust domain of the control plane.
    pub trust_domain: TrustDomain,
}

/// What follows from the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The trust domain is decided.
    Granted(TrustDomain),
    /// The Configuration of this name, in the claimed namespace, decides.
    AskConfiguration(String),
}

/// Judges the API server's answer about the token.
///
/// # Errors
/// If the token is not accepted or belongs to no service account.
pub fn service_account(status: &TokenReviewStatus) -> Result<ServiceAccount, Refusal> {
    if let Some(error) = status.error.as_deref().filter(|error| !error.is_empty()) {
        return Err(Refusal::Token(error.to_owned()));
    }
    if !status.authenticated.unwrap_or_default() {
        return Err(Refusal::Unauthenticated);
    }
    let user = status.user.as_ref().ok_or(Refusal::NotServiceAccount)?;
    let name = user.username.as_deref().unwrap_or_default();
    match name.split(':').collect::<Vec<_>>().as_slice() {
        ["system", _, namespace, name] => Ok(ServiceAccount {
            namespace: (*namespace).to_owned(),
            name: (*name).to_owned(),
            pod_uid: pod_uid(user),
        }),
        _ => Err(Refusal::NotServiceAccount),
    }
}

fn pod_uid(user: &UserInfo) -> Option<String> {
    user.extra.as_ref()?.get(POD_UID)?.first().cloned()
}

/// The name of the pod that the token is bound to. The signature is not checked: the API server
/// has done that. A bare JSON object is read like the payload of a JWT.
///
/// # Errors
/// If the token can't be read, or is bound to no pod.
pub fn pod_name(token: &str) -> Result<String, Refusal> {
    let unreadable = |error: &dyn std::fmt::Display| Refusal::Unreadable(error.to_string());
    let payload = if token.trim_start().starts_with('{') {
        token.as_bytes().to_vec()
    } else {
        let mut parts = token.trim().split('.');
        let (Some(_), Some(payload), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(unreadable(&"it does not have the three parts of a JWT"));
        };
        URL_SAFE_NO_PAD
            .decode(payload)
            .map_err(|error| unreadable(&error))?
    };
    let claims: Claims = serde_json::from_slice(&payload).map_err(|error| unreadable(&error))?;
    let name = claims
        .kubernetes
        .and_then(|kubernetes| kubernetes.pod)
        .map(|pod| pod.name);
    name.filter(|name| !name.is_empty())
        .ok_or(Refusal::NoPodClaim)
}

#[derive(Deserialize)]
struct Claims {
    #[serde(rename = "kubernetes.io")]
    kubernetes: Option<KubernetesClaims>,
}

#[derive(Deserialize)]
struct KubernetesClaims {
    pod: Option<PodClaim>,
}

#[derive(Deserialize)]
struct PodClaim {
    #[serde(default)]
    name: String,
}

/// Judges the pod against the claim and the service account.
///
/// # Errors
/// If any of them speaks of another identity.
pub fn judge(
    claim: &Claim<'_>,
    account: &ServiceAccount,
    pod: &Pod,
    own: &ControlPlane,
) -> Result<Verdict, Refusal> {
    if account.namespace != claim.namespace {
        return Err(Refusal::Namespace(claim.namespace.to_owned()));
    }
    if !pod.is_of(account) {
        return Err(Refusal::ReplacedPod);
    }
    if pod.service_account != account.name {
        return Err(Refusal::ServiceAccount);
    }
    let expected = expected_id(pod, own)?;
    if expected != claim.app_id {
        return Err(Refusal::AppId {
            expected,
            received: claim.app_id.to_owned(),
        });
    }
    if pod.control_plane.is_some() {
        return Ok(Verdict::Granted(own.trust_domain.clone()));
    }
    match &pod.configuration {
        Some(name) => Ok(Verdict::AskConfiguration(name.clone())),
        None => configured_trust_domain("").map(Verdict::Granted),
    }
}

fn expected_id(pod: &Pod, own: &ControlPlane) -> Result<String, Refusal> {
    let Some(service) = &pod.control_plane else {
        return Ok(pod.app_id.clone().unwrap_or_else(|| pod.name.clone()));
    };
    if pod.namespace != own.namespace {
        return Err(Refusal::ControlPlaneNamespace(pod.namespace.clone()));
    }
    if !SERVICES.contains(&service.as_str()) {
        return Err(Refusal::ControlPlaneService(pod.name.clone()));
    }
    if pod.app_id.is_some() {
        return Err(Refusal::ControlPlaneApp(pod.name.clone()));
    }
    Ok(format!("dapr-{service}"))
}

/// The trust domain that an app's Configuration gives it in `spec.accessControl.trustDomain`,
/// `public` if that is empty.
///
/// # Errors
/// If it is illegal.
pub fn configured_trust_domain(name: &str) -> Result<TrustDomain, Refusal> {
    trust_domain::parse_or_public(name).map_err(|cause| Refusal::ConfiguredTrustDomain {
        name: name.to_owned(),
        cause,
    })
}

// === impl Pod ===

impl Pod {
    /// Takes the annotations that count.
    pub fn annotate(&mut self, annotations: &BTreeMap<String, String>) {
        self.control_plane = annotations.get(CONTROL_PLANE).cloned();
        self.app_id = annotations.get(APP_ID).cloned();
        self.configuration = annotations.get(CONFIGURATION).cloned();
    }

    /// Whether the token was made for this very pod, as far as is known, and not for an earlier
    /// one of the same name.
    pub fn is_of(&self, account: &ServiceAccount) -> bool {
        match (&self.uid, &account.pod_uid) {
            (Some(uid), Some(expected)) => uid == expected,
            _ => true,
        }
    }

    /// What the caller gets once its trust domain is decided.
    pub fn grant(&self, trust_domain: TrustDomain) -> Grant {
        Grant {
            trust_domain,
            images: self.images.clone(),
        }
    }
}
