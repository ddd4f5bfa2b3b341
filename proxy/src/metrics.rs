//! What the proxy counts. Every label's values are a closed set.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// The two sides of daprd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// daprd calls the app.
    App,
    /// Apps call daprd.
    Api,
}

/// The figures; clones show the same.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    requests: Family<Answered, Counter>,
    refused: Family<Refused, Counter>,
    in_flight: Family<OfSide, Gauge>,
    connections: Family<OfSide, Gauge>,
    endpoints: Family<OfState, Gauge>,
    pub(crate) pending: Gauge,
    pub(crate) held: Counter,
    pub(crate) retries: Counter,
    pub(crate) actor_moves: Counter,
    pub(crate) leading: Gauge,
    pub(crate) left_to_leader: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfSide {
    side: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    side: &'static str,
    protocol: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    side: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfState {
    state: &'static str,
}

/// Counts in a gauge as long as it lives.
#[derive(Debug)]
pub(crate) struct Counted(Gauge);

// === impl Metrics ===

impl Metrics {
    /// Makes the figures visible, those of an autoscaler from the first scrape on.
    pub fn register(&self, registry: &mut Registry) {
        let name = |name: &str| format!("trilby_proxy_{name}");
        let help = "Calls answered, by the class of the HTTP status";
        registry.register(name("requests"), help, self.requests.clone());
        let help = "Calls and connections not passed on";
        registry.register(name("refused"), help, self.refused.clone());
        let help = "Calls that run";
        registry.register(name("in_flight"), help, self.in_flight.clone());
        let help = "Open connections from clients";
        registry.register(name("connections"), help, self.connections.clone());
        let help = "Endpoints of the app";
        registry.register(name("endpoints"), help, self.endpoints.clone());
        let help = "Calls that wait until the app can take them; scale it up by this";
        registry.register(name("pending"), help, self.pending.clone());
        let help = "Calls that had to wait until the app could take them";
        registry.register(name("held"), help, self.held.clone());
        let help = "Attempts repeated because a connection could not be made";
        registry.register(name("retries"), help, self.retries.clone());
        let help = "Actors handed over from one endpoint to another";
        registry.register(name("actor_moves"), help, self.actor_moves.clone());
        let help = "Whether this instance delivers the events that every instance gets";
        registry.register(name("leading"), help, self.leading.clone());
        let help = "Events answered because another instance delivers them";
        registry.register(name("left_to_leader"), help, self.left_to_leader.clone());
        for side in [Side::App, Side::Api] {
            self.in_flight(side);
        }
    }

    pub(crate) fn answered(&self, side: Side, protocol: &'static str, status: http::StatusCode) {
        let labels = Answered {
            side: side.name(),
            protocol,
            status: class(status),
        };
        self.requests.get_or_create(&labels).inc();
    }

    pub(crate) fn refused(&self, side: Side, reason: &'static str) {
        let side = side.name();
        self.refused.get_or_create(&Refused { side, reason }).inc();
    }

    pub(crate) fn endpoints(&self, counts: proxy_core::pool::Counts) {
        let set = |state, value: usize| {
            let gauge = self.endpoints.get_or_create_owned(&OfState { state });
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        set("ready", counts.ready);
        set("unready", counts.unready);
        set("terminating", counts.terminating);
    }

    pub(crate) fn in_flight(&self, side: Side) -> Gauge {
        let side = side.name();
        self.in_flight.get_or_create_owned(&OfSide { side })
    }

    pub(crate) fn connections(&self, side: Side) -> Gauge {
        let side = side.name();
        self.connections.get_or_create_owned(&OfSide { side })
    }
}

fn class(status: http::StatusCode) -> &'static str {
    match status.as_u16() {
        ..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        500.. => "5xx",
    }
}

// === impl Side ===

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Api => "api",
        }
    }
}

// === impl Counted ===

impl Counted {
    pub(crate) fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
