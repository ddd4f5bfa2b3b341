//! Who a caller may be: decisions over facts that the shell looked up.

pub mod common;
pub mod insecure;
pub mod jwks;
pub mod kubernetes;

use identity_core::{SpiffeIdError, TrustDomain};

use crate::images::Image;

pub use common::Flaw;

/// The part of a signing call that validators judge.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// App id that the caller claims.
    pub app_id: &'a str,
    /// Namespace that the caller claims.
    pub namespace: &'a str,
    /// Trust domain that the caller wishes, may be empty.
    pub trust_domain: &'a str,
    /// The signing request, not yet parsed.
    pub signing_request: &'a [u8],
}

/// What a validator grants beyond the claimed app id and namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Trust domain of the certificate.
    pub trust_domain: TrustDomain,
    /// Images that the caller runs, if the validator knows them.
    pub images: Vec<Image>,
}

/// Why a caller gets nothing. The texts are those of Dapr's validators, since the caller sees
/// them.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The call lacks something or is out of bounds, one line for each.
    #[error("invalid request: {}", common::lines(.0))]
    Malformed(Vec<Flaw>),
    /// The wished trust domain is none.
    #[error("{0}")]
    TrustDomain(SpiffeIdError),
    /// The JWKS method needs a token.
    #[error("the request does not contain a token")]
    NoToken,
    /// The claimed namespace and app id make no SPIFFE ID.
    #[error("failed to construct SPIFFE ID for requestor: {0}")]
    Subject(String),
    /// The token is not one of the key set, or not for this caller.
    #[error("token validation failed: {0}")]
    Jwt(jwks::Flaw),
    /// The API server could not be asked about the token.
    #[error("token review failed: {0}")]
    Review(String),
    /// The API server says what is wrong with the token.
    #[error("invalid token: {0}")]
    Token(String),
    /// The API server does not know the token.
    #[error("authentication failed")]
    Unauthenticated,
    /// The token belongs to a user, or to nothing that Kubernetes names.
    #[error("provided token is not a properly structured service account token")]
    NotServiceAccount,
    /// The token is neither a JWT nor a JSON object.
    #[error("failed to parse Kubernetes token: {0}")]
    Unreadable(String),
    /// The token is not bound to a pod.
    #[error("kubernetes.io/pod/name claim is missing from Kubernetes token")]
    NoPodClaim,
    /// The pod of the token does not exist.
    #[error("failed to get pod of identity")]
    NoPod,
    /// The token was made for an earlier pod of the same name.
    #[error("pod of identity was replaced since the token was issued")]
    ReplacedPod,
    /// The claimed namespace is not the token's.
    #[error("namespace mismatch; received namespace: {0}")]
    Namespace(String),
    /// The pod runs as another service account.
    #[error("pod service account mismatch")]
    ServiceAccount,
    /// A pod outside sentry's namespace poses as part of the control plane.
    #[error("control plane service in namespace '{0}' is not allowed")]
    ControlPlaneNamespace(String),
    /// The annotation names no service of the control plane.
    #[error("unknown control plane service '{0}'")]
    ControlPlaneService(String),
    /// A pod is marked as service of the control plane and as app.
    #[error("control plane service '{0}' cannot have annotation 'dapr.io/app-id'")]
    ControlPlaneApp(String),
    /// The claimed app id is not the pod's.
    #[error("app-id mismatch. expected: {expected}, received: {received}")]
    AppId {
        /// What the pod's annotations say.
        expected: String,
        /// What the caller claims.
        received: String,
    },
    /// The Configuration named by the pod does not exist.
    #[error("failed to get configuration")]
    NoConfiguration,
    /// The Configuration names an illegal trust domain.
    #[error("failed to parse trust domain \"{name}\": {cause}")]
    ConfiguredTrustDomain {
        /// As written.
        name: String,
        /// What is wrong with it.
        cause: SpiffeIdError,
    },
}
