//! Kinds of workloads that can be bound, and kinds of objects that an instance is made of.

use serde_json::Value;

/// How the API server knows a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource {
    /// Group of the API; empty for the oldest one.
    pub group: &'static str,
    /// Version of the API.
    pub version: &'static str,
    /// Name of the kind in objects.
    pub kind: &'static str,
    /// Name of the kind in paths.
    pub plural: &'static str,
}

/// A kind of workload whose pods can use an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BoundKind {
    /// `apps/v1`.
    Deployment,
    /// `apps/v1`.
    StatefulSet,
    /// `apps/v1`.
    DaemonSet,
    /// `apps/v1`.
    ReplicaSet,
    /// `batch/v1`.
    Job,
    /// `batch/v1`.
    CronJob,
    /// `argoproj.io/v1alpha1`.
    Rollout,
    /// `serving.knative.dev/v1`.
    KnativeService,
    /// `core.openfunction.io/v1beta2`.
    Function,
}

/// A kind of object that an instance is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKind {
    /// The account of the instances.
    ServiceAccount,
    /// What the account may do.
    Role,
    /// Who may do it.
    RoleBinding,
    /// Who leads.
    Lease,
    /// The tokens.
    Secret,
    /// The ways to the instances, and to the app.
    Service,
    /// Who may connect to the instances.
    NetworkPolicy,
    /// How many instances a drain may stop at once.
    PodDisruptionBudget,
    /// Replicas.
    Deployment,
    /// One instance on each node.
    DaemonSet,
    /// How many replicas.
    HorizontalPodAutoscaler,
}

// === impl Resource ===

impl Resource {
    const fn new(
        group: &'static str,
        version: &'static str,
        kind: &'static str,
        plural: &'static str,
    ) -> Self {
        Self {
            group,
            version,
            kind,
            plural,
        }
    }

    /// Group and version, as in objects.
    pub fn api_version(self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }
}

// === impl BoundKind ===

impl BoundKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::ReplicaSet,
        Self::Job,
        Self::CronJob,
        Self::Rollout,
        Self::KnativeService,
        Self::Function,
    ];

    /// How the API server knows it.
    pub const fn resource(self) -> Resource {
        match self {
            Self::Deployment => Resource::new("apps", "v1", "Deployment", "deployments"),
            Self::StatefulSet => Resource::new("apps", "v1", "StatefulSet", "statefulsets"),
            Self::DaemonSet => Resource::new("apps", "v1", "DaemonSet", "daemonsets"),
            Self::ReplicaSet => Resource::new("apps", "v1", "ReplicaSet", "replicasets"),
            Self::Job => Resource::new("batch", "v1", "Job", "jobs"),
            Self::CronJob => Resource::new("batch", "v1", "CronJob", "cronjobs"),
            Self::Rollout => Resource::new("argoproj.io", "v1alpha1", "Rollout", "rollouts"),
            Self::KnativeService => {
                Resource::new("serving.knative.dev", "v1", "Service", "services")
            }
            Self::Function => {
                Resource::new("core.openfunction.io", "v1beta2", "Function", "functions")
            }
        }
    }

    /// The pod template of a workload of this kind.
    pub(super) fn template(self, workload: &Value) -> &Value {
        match self {
            Self::CronJob => &workload["spec"]["jobTemplate"]["spec"]["template"],
            _ => &workload["spec"]["template"],
        }
    }

    /// Whether what an owner of this group and kind made is followed by its owner: counting both
    /// would let what is left of former templates disagree with the present one.
    pub(super) fn is_followed(group: &str, kind: &str) -> bool {
        let known = |one: Self| (one.resource().group, one.resource().kind) == (group, kind);
        let between = [
            ("serving.knative.dev", "Revision"),
            ("core.openfunction.io", "Serving"),
        ];
        Self::ALL.into_iter().any(known) || between.contains(&(group, kind))
    }
}

// === impl ObjectKind ===

impl ObjectKind {
    /// All of them, in the order in which they are made: what pods need comes before the pods.
    pub const ALL: [Self; 11] = [
        Self::ServiceAccount,
        Self::Role,
        Self::RoleBinding,
        Self::Lease,
        Self::Secret,
        Self::Service,
        Self::NetworkPolicy,
        Self::PodDisruptionBudget,
        Self::Deployment,
        Self::DaemonSet,
        Self::HorizontalPodAutoscaler,
    ];

    /// How the API server knows it.
    pub const fn resource(self) -> Resource {
        const RBAC: &str = "rbac.authorization.k8s.io";
        match self {
            Self::ServiceAccount => Resource::new("", "v1", "ServiceAccount", "serviceaccounts"),
            Self::Role => Resource::new(RBAC, "v1", "Role", "roles"),
            Self::RoleBinding => Resource::new(RBAC, "v1", "RoleBinding", "rolebindings"),
            Self::Lease => Resource::new("coordination.k8s.io", "v1", "Lease", "leases"),
            Self::Secret => Resource::new("", "v1", "Secret", "secrets"),
            Self::Service => Resource::new("", "v1", "Service", "services"),
            Self::NetworkPolicy => Resource::new(
                "networking.k8s.io",
                "v1",
                "NetworkPolicy",
                "networkpolicies",
            ),
            Self::PodDisruptionBudget => Resource::new(
                "policy",
                "v1",
                "PodDisruptionBudget",
                "poddisruptionbudgets",
            ),
            Self::Deployment => Resource::new("apps", "v1", "Deployment", "deployments"),
            Self::DaemonSet => Resource::new("apps", "v1", "DaemonSet", "daemonsets"),
            Self::HorizontalPodAutoscaler => Resource::new(
                "autoscaling",
                "v2",
                "HorizontalPodAutoscaler",
                "horizontalpodautoscalers",
            ),
        }
    }

    /// Whether instances run in it.
    pub(super) const fn is_workload(self) -> bool {
        matches!(self, Self::Deployment | Self::DaemonSet)
    }
}
