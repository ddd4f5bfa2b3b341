//! Metrics under the names that Dapr's dashboards use.

use jiff::Timestamp;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use sentry_core::{Bundle, rotation::Nearness};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Within {
    within: &'static str,
}

/// The only reason that dashboards know for a failed signature.
const SIGN: Reason = Reason { reason: "sign" };
/// The original records this one without a reason.
const NONE: Reason = Reason { reason: "" };

/// What sentry counts.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    received: Counter,
    succeeded: Counter,
    failed: Family<Reason, Counter>,
    own_failed: Family<Reason, Counter>,
    changed: Counter,
    expiry: Gauge,
    chain_expiry: Gauge,
    last_root_expiry: Gauge,
    rotations: Family<Reason, Counter>,
    sidecars: Family<Within, Gauge>,
}

// === impl Metrics ===

impl Metrics {
    /// Makes the metrics known under their names.
    pub fn register(&self, registry: &mut Registry) {
        let mut counter = |name: &str, help: &str, metric: &Counter| {
            registry.register(name, help, metric.clone());
        };
        counter(
            "dapr_sentry_cert_sign_request_received",
            "Signing calls received",
            &self.received,
        );
        counter(
            "dapr_sentry_cert_sign_success",
            "Certificates issued",
            &self.succeeded,
        );
        counter(
            "dapr_sentry_issuercert_changed",
            "Changes of the trust bundle",
            &self.changed,
        );
        registry.register(
            "dapr_sentry_cert_sign_failure",
            "Signing calls that got no certificate",
            self.failed.clone(),
        );
        registry.register(
            "dapr_sentry_servercert_issue_failed",
            "Times that sentry could not issue its own certificate",
            self.own_failed.clone(),
        );
        registry.register(
            "dapr_sentry_issuercert_expiry_timestamp",
            "End of the issuer certificate, in seconds since 1970",
            self.expiry.clone(),
        );
        registry.register(
            "trilby_sentry_chain_expiry_timestamp",
            "End of the issuer or its root, whichever is first, in seconds since 1970; nothing is signed past it",
            self.chain_expiry.clone(),
        );
        registry.register(
            "trilby_sentry_last_root_expiry_timestamp",
            "End of the longest-lived published root, in seconds since 1970; a sidecar that starts now lasts until then",
            self.last_root_expiry.clone(),
        );
        registry.register(
            "trilby_sentry_bundle_changes",
            "What happened to the trust bundle, by reason as in Events",
            self.rotations.clone(),
        );
        registry.register(
            "trilby_sentry_sidecars_near_last_root_end",
            "Running sidecars whose last known root ends soon or has ended",
            self.sidecars.clone(),
        );
    }

    /// A signing call came in.
    pub fn received(&self) {
        self.received.inc();
    }

    /// A signing call got, or did not get, its certificate.
    pub fn answered(&self, success: bool) {
        if success {
            self.succeeded.inc();
        } else {
            self.failed.get_or_create(&SIGN).inc();
        }
    }

    /// Sentry could not issue its own certificate.
    pub fn own_failed(&self) {
        self.own_failed.get_or_create(&NONE).inc();
    }

    /// The bundle was generated, or changed where it is stored.
    pub fn changed(&self) {
        self.changed.inc();
    }

    /// The bundle in use, and when the longest-lived of its roots ends.
    pub fn bundle(&self, bundle: &Bundle, last_root_ends: Option<Timestamp>) {
        self.expiry.set(bundle.issuer_not_after().as_second());
        self.chain_expiry.set(bundle.path_not_after().as_second());
        self.last_root_expiry
            .set(last_root_ends.map_or(0, Timestamp::as_second));
    }

    /// Something happened to the bundle; `reason` is that of the Event.
    pub fn rotated(&self, reason: &'static str) {
        self.rotations.get_or_create(&Reason { reason }).inc();
    }

    /// So many running sidecars are that near to the end of their last root.
    pub fn sidecars(&self, nearness: Nearness, count: usize) {
        let within = Within {
            within: nearness.name(),
        };
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.sidecars.get_or_create(&within).set(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_names_of_the_original() {
        let (metrics, mut registry) = (Metrics::default(), Registry::default());
        metrics.register(&mut registry);
        metrics.received();
        metrics.answered(true);
        metrics.answered(false);
        metrics.own_failed();
        metrics.changed();
        metrics.expiry.set(7);
        metrics.sidecars(Nearness::Days7, 3);
        metrics.rotated("RootActivated");
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "dapr_sentry_cert_sign_request_received_total 1",
            "dapr_sentry_cert_sign_success_total 1",
            "dapr_sentry_cert_sign_failure_total{reason=\"sign\"} 1",
            "dapr_sentry_servercert_issue_failed_total{reason=\"\"} 1",
            "dapr_sentry_issuercert_changed_total 1",
            "dapr_sentry_issuercert_expiry_timestamp 7",
            "trilby_sentry_sidecars_near_last_root_end{within=\"Within7Days\"} 3",
            "trilby_sentry_bundle_changes_total{reason=\"RootActivated\"} 1",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} not in {text}"
            );
        }
    }
}
