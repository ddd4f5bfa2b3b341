//! Metrics under the names that Dapr's dashboards use.

use jiff::Timestamp;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
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

    /// The bundle in use.
    pub fn issuer_ends(&self, at: Timestamp) {
        self.expiry.set(at.as_second());
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
        metrics.issuer_ends(Timestamp::from_second(7).unwrap());
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "dapr_sentry_cert_sign_request_received_total 1",
            "dapr_sentry_cert_sign_success_total 1",
            "dapr_sentry_cert_sign_failure_total{reason=\"sign\"} 1",
            "dapr_sentry_servercert_issue_failed_total{reason=\"\"} 1",
            "dapr_sentry_issuercert_changed_total 1",
            "dapr_sentry_issuercert_expiry_timestamp 7",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} not in {text}"
            );
        }
    }
}
