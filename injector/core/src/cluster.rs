//! What holds for every pod of the cluster: settings of the injector, and facts it looked up.

use crate::{Defaults, Toleration};

/// Default port and service names of the control plane (Dapr: `pkg/injector/patcher/services.go`).
const API: &str = "dapr-api";
const SENTRY: &str = "dapr-sentry";
const SCHEDULER: &str = "dapr-scheduler-server-a";
const TLS_PORT: u16 = 443;

/// Settings of the injector that shape every sidecar.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Image of daprd, unless the pod names another.
    pub image: String,
    /// When the kubelet pulls it.
    pub pull_policy: PullPolicy,
    /// Namespace of the control plane.
    pub namespace: String,
    /// DNS domain of the cluster, such as `cluster.local`.
    pub domain: String,
    /// SPIFFE trust domain of the control plane.
    pub trust_domain: String,
    /// Where actors are placed; `None` where actors are switched off.
    pub actors: Option<Actors>,
    /// `name:host:port` of a reminders service, if one is configured.
    pub reminders: Option<String>,
    /// Whether sidecars are told where the scheduler is.
    pub scheduler: bool,
    /// Whether daprd learns the pod's address from the downward API.
    pub host_ip: bool,
    /// In which pods daprd becomes a restartable init container, where no annotation says.
    pub native: Native,
    /// How long the containers of a pod go on after the pod was deleted, in seconds, where no
    /// annotation says; 0 for none, `None` where the cluster has no `preStop` hook `sleep` (it
    /// came with Kubernetes 1.30).
    pub shutdown_delay: Option<u32>,
    /// Tolerations that mark pods whose image entry point is ignored.
    pub entrypoint_tolerations: Vec<Toleration>,
    /// Folder of the component sockets where the pod doesn't say.
    pub sockets_folder: String,
    /// Annotations that hold where neither pod nor namespace has them.
    pub defaults: Defaults,
    /// Security context of daprd.
    pub security: SecurityDefaults,
}

/// Defaults of daprd's security context. With all of them on, as they are when nothing is set,
/// the container passes the `restricted` Pod Security Standard.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one field of the security context"
)]
pub struct SecurityDefaults {
    /// `runAsNonRoot`.
    pub run_as_non_root: bool,
    /// `readOnlyRootFilesystem`.
    pub read_only_root: bool,
    /// Whether every capability is dropped.
    pub drop_all_capabilities: bool,
    /// Whether the profile `RuntimeDefault` is set where neither the pod nor the annotation has one.
    pub runtime_seccomp: bool,
    /// `runAsUser`.
    pub run_as_user: Option<i64>,
    /// `runAsGroup`.
    pub run_as_group: Option<i64>,
}

/// Pods in which daprd is a restartable init container: it starts before the pod's containers and
/// ends after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Native {
    /// All.
    All,
    /// Those that a Job made: they end by themselves that way.
    OfJobs,
    /// None.
    None,
}

/// Who places actors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actors {
    /// The placement service at `host:port`.
    Placement(String),
    /// Another service, as `name:host:port`.
    Service(String),
}

/// When the kubelet pulls the image of daprd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullPolicy {
    /// At each start.
    Always,
    /// Never.
    Never,
    /// When the node lacks it.
    IfNotPresent,
}

/// What was looked up, and may be another at the next pod.
#[derive(Clone, Debug)]
pub struct Facts {
    /// PEM of the trust anchors, byte for byte as in their file.
    pub trust_anchors: String,
    /// Whether sidecars speak mTLS to each other.
    pub mtls: bool,
    /// Whether sidecars prove who they are by a projected service account token.
    pub identity_token: bool,
}

// === impl Cluster ===

impl Cluster {
    /// `host:port` of a service of the control plane.
    pub fn address(&self, service: &str, port: u16) -> String {
        format!("{service}.{}.svc.{}:{port}", self.namespace, self.domain)
    }

    /// Where sidecars find placement, if that places actors.
    pub(crate) fn placement(&self) -> Option<&str> {
        match self.actors.as_ref()? {
            Actors::Placement(address) => Some(address),
            Actors::Service(_) => None,
        }
    }

    pub(crate) fn api_address(&self) -> String {
        self.address(API, TLS_PORT)
    }

    pub(crate) fn sentry_address(&self) -> String {
        self.address(SENTRY, TLS_PORT)
    }

    pub(crate) fn scheduler_address(&self) -> Option<String> {
        self.scheduler.then(|| self.address(SCHEDULER, TLS_PORT))
    }

    /// Audience of the token that sidecars show to sentry.
    pub(crate) fn sentry_id(&self) -> String {
        format!(
            "spiffe://{}/ns/{}/{SENTRY}",
            self.trust_domain, self.namespace
        )
    }
}

// === impl PullPolicy ===

impl PullPolicy {
    /// Reads a setting; what is not known means "if not present".
    pub fn parse(text: &str) -> Self {
        match text {
            "Always" => Self::Always,
            "Never" => Self::Never,
            _ => Self::IfNotPresent,
        }
    }

    /// As Kubernetes spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::Never => "Never",
            Self::IfNotPresent => "IfNotPresent",
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("Always", "Always")]
    #[case("Never", "Never")]
    #[case("IfNotPresent", "IfNotPresent")]
    #[case("", "IfNotPresent")]
    #[case("always", "IfNotPresent")]
    fn reads_pull_policies(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(PullPolicy::parse(text).as_str(), expected);
    }
}
