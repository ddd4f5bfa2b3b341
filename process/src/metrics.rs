//! The Prometheus endpoint.

use std::sync::Arc;

use axum::{
    Router,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use parking_lot::Mutex;
use prometheus_client::{encoding::text::encode, registry::Registry};

use crate::collector::ProcessCollector;

/// What a process counts.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    registry: Arc<Mutex<Registry>>,
}

// === impl Metrics ===

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(ProcessCollector));
        Self {
            registry: Arc::new(Mutex::new(registry)),
        }
    }

    pub(crate) fn register(&self, with: impl FnOnce(&mut Registry)) {
        with(&mut self.registry.lock());
    }

    /// Metrics on every path, as Dapr's exporters serve them.
    pub(crate) fn router(self) -> Router {
        Router::new().fallback(async move || self.scrape())
    }

    fn scrape(&self) -> Response {
        let mut text = String::new();
        if encode(&mut text, &self.registry.lock()).is_err() {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        let kind = [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )];
        (kind, as_prometheus(&text)).into_response()
    }
}

/// Turns OpenMetrics text into the Prometheus format that Dapr's exporters speak.
///
/// OpenMetrics describes a counter by its name without `_total`; readers of the older format
/// then take the sample for an untyped one, and dashboards and Dapr's own tests drop those.
fn as_prometheus(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len() + 64);
    let counters: Vec<&str> = openmetrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    for line in openmetrics.lines().filter(|line| *line != "# EOF") {
        text.push_str(&described(line, &counters));
        text.push('\n');
    }
    text
}

/// Adds `_total` to the name in a counter's `# TYPE` and `# HELP` lines.
fn described(line: &str, counters: &[&str]) -> String {
    let mut words = line.splitn(4, ' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some("#"), Some(kind @ ("TYPE" | "HELP")), Some(name), Some(rest))
            if counters.contains(&name) =>
        {
            format!("# {kind} {name}_total {rest}")
        }
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

    use super::*;

    #[test]
    fn types_stand_before_their_samples() {
        let metrics = Metrics::new();
        let (counter, gauge) = (Counter::<u64>::default(), Gauge::<i64>::default());
        metrics.register(|registry| {
            registry.register("dapr_signed", "Certificates", counter.clone());
            registry.register("dapr_hosts_total", "Hosts", gauge.clone());
        });
        counter.inc();
        let mut text = String::new();
        encode(&mut text, &metrics.registry.lock()).unwrap();
        let text = as_prometheus(&text);
        assert!(
            text.contains("# TYPE dapr_signed_total counter\ndapr_signed_total 1\n"),
            "{text}"
        );
        assert!(
            text.contains("# TYPE dapr_hosts_total gauge\ndapr_hosts_total 0\n"),
            "{text}"
        );
        assert!(
            text.contains("# TYPE process_resident_memory_bytes gauge\n"),
            "{text}"
        );
        assert!(!text.contains("EOF"), "{text}");
    }
}
