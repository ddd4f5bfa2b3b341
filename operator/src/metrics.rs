//! What the operator counts. The names are those of Dapr's operator.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Label of all counters. Its values are those of Services in the cluster, not of requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct App {
    app_id: String,
}

/// What was done to Services.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    created: Family<App, Counter>,
    updated: Family<App, Counter>,
    deleted: Family<App, Counter>,
}

// === impl Metrics ===

impl Metrics {
    /// Counters under their names in the registry.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let counters = [
            (
                "dapr_operator_service_created",
                "Services created",
                &metrics.created,
            ),
            (
                "dapr_operator_service_updated",
                "Services updated",
                &metrics.updated,
            ),
            (
                "dapr_operator_service_deleted",
                "Services deleted",
                &metrics.deleted,
            ),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        metrics
    }

    pub(crate) fn created(&self, app_id: &str) {
        self.created
            .get_or_create(&App {
                app_id: app_id.to_owned(),
            })
            .inc();
    }

    pub(crate) fn updated(&self, app_id: &str) {
        self.updated
            .get_or_create(&App {
                app_id: app_id.to_owned(),
            })
            .inc();
    }

    pub(crate) fn deleted(&self, app_id: &str) {
        self.deleted
            .get_or_create(&App {
                app_id: app_id.to_owned(),
            })
            .inc();
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn names_are_those_of_the_original() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics.created("a");
        metrics.updated("b");
        metrics.deleted("c");
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for (verb, app) in [("created", "a"), ("updated", "b"), ("deleted", "c")] {
            let line = format!("dapr_operator_service_{verb}_total{{app_id=\"{app}\"}} 1\n");
            assert!(text.contains(&line), "{text}");
        }
    }
}
