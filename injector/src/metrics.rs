//! What is counted, under the names that dashboards know (Dapr: `pkg/injector/service/metrics.go`).

use injector_core::shared::Mode;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// The injector's counters.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    requests: Counter,
    succeeded: Family<App, Counter>,
    failed: Family<Failure, Counter>,
    bound: Family<Bound, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct App {
    app_id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failure {
    app_id: String,
    reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Bound {
    mode: &'static str,
}

/// Why a pod that asked for a sidecar has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    /// It was left as it is: no pod at all, or a caller without the right.
    PodPatch,
    /// It was refused.
    Patch,
    /// The answer could not be written as JSON.
    Response,
}

// === impl Metrics ===

impl Metrics {
    /// Makes the counters visible in `registry`.
    pub fn register(&self, registry: &mut Registry) {
        let requests = "The total number of sidecar injection requests";
        let succeeded = "The total number of successful sidecar injections";
        let failed = "The total number of failed sidecar injections";
        let name = "dapr_injector_sidecar_injection_requests";
        registry.register(name, requests, self.requests.clone());
        let name = "dapr_injector_sidecar_injection_succeeded";
        registry.register(name, succeeded, self.succeeded.clone());
        let name = "dapr_injector_sidecar_injection_failed";
        registry.register(name, failed, self.failed.clone());
        let name = "trilby_injector_pods_bound";
        let bound = "The number of pods bound to shared instances";
        registry.register(name, bound, self.bound.clone());
    }

    pub(crate) fn requested(&self) {
        self.requests.inc();
    }

    pub(crate) fn succeeded(&self, app_id: String) {
        self.succeeded.get_or_create(&App { app_id }).inc();
    }

    pub(crate) fn failed(&self, app_id: String, reason: Reason) {
        self.failed.get_or_create(&Failure { app_id, reason }).inc();
    }

    pub(crate) fn bound(&self, mode: Mode) {
        let mode = mode.as_str();
        self.bound.get_or_create(&Bound { mode }).inc();
    }
}

impl EncodeLabelValue for Reason {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        let name = match self {
            Self::PodPatch => "pod_patch",
            Self::Patch => "patch",
            Self::Response => "response",
        };
        name.encode(encoder)
    }
}
