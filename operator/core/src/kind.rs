//! The kinds of resources that sidecars read.

use crds::GROUP;

/// A kind of resource that sidecars read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Building blocks.
    Component,
    /// Settings.
    Configuration,
    /// Services outside of Dapr.
    HttpEndpoint,
    /// Servers of the Model Context Protocol.
    McpServer,
    /// Timeouts, retries and circuit breakers.
    Resiliency,
    /// Deliveries of topics.
    Subscription,
    /// Who may act on workflows.
    WorkflowAccessPolicy,
}

// === impl Kind ===

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Component,
        Self::Configuration,
        Self::HttpEndpoint,
        Self::McpServer,
        Self::Resiliency,
        Self::Subscription,
        Self::WorkflowAccessPolicy,
    ];

    /// Name of the kind in objects.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Component => "Component",
            Self::Configuration => "Configuration",
            Self::HttpEndpoint => "HTTPEndpoint",
            Self::McpServer => "MCPServer",
            Self::Resiliency => "Resiliency",
            Self::Subscription => "Subscription",
            Self::WorkflowAccessPolicy => "WorkflowAccessPolicy",
        }
    }

    /// Name of the kind in paths.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Component => "components",
            Self::Configuration => "configurations",
            Self::HttpEndpoint => "httpendpoints",
            Self::McpServer => "mcpservers",
            Self::Resiliency => "resiliencies",
            Self::Subscription => "subscriptions",
            Self::WorkflowAccessPolicy => "workflowaccesspolicies",
        }
    }

    /// The version that sidecars understand.
    pub const fn version(self) -> &'static str {
        match self {
            Self::Subscription => "v2alpha1",
            _ => "v1alpha1",
        }
    }

    /// Group and version, as in objects.
    pub fn api_version(self) -> String {
        format!("{GROUP}/{}", self.version())
    }

    /// Clusters that were installed before the kind existed do without it: its absence is not an
    /// error for sidecars, but an empty list (Dapr: `pkg/operator/api`).
    pub const fn is_optional(self) -> bool {
        matches!(self, Self::McpServer | Self::WorkflowAccessPolicy)
    }
}
