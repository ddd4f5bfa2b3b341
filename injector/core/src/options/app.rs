//! What daprd is told about the app.

use super::Reader;

/// An empty text means HTTP.
const PROTOCOLS: [&str; 6] = ["", "http", "https", "grpc", "grpcs", "h2c"];

/// What the app speaks.
pub(crate) const PROTOCOL: &str = "dapr.io/app-protocol";

#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) port: i32,
    pub(crate) protocol: String,
    pub(crate) ssl: bool,
    pub(crate) channel_address: String,
    pub(crate) max_concurrency: Option<i64>,
    pub(crate) health: Option<Health>,
}

/// How daprd probes the app; interval in seconds, timeout in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    pub(crate) path: String,
    pub(crate) interval: i32,
    pub(crate) timeout: i32,
    pub(crate) threshold: i32,
}

// === impl App ===

impl App {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        refuse_binding_timeout(reader);
        Self {
            port: reader.port("dapr.io/app-port", 0),
            protocol: reader.choice(PROTOCOL, "http", &PROTOCOLS),
            ssl: reader.flag("dapr.io/app-ssl", false),
            channel_address: reader.text("dapr.io/app-channel-address", ""),
            max_concurrency: reader.optional_integer("dapr.io/app-max-concurrency"),
            health: Health::read(reader),
        }
    }

    /// The protocol as the app is told it; `None` if nobody knows it.
    pub(crate) fn known_protocol(&self) -> Option<&'static str> {
        match (self.protocol.to_ascii_lowercase().as_str(), self.ssl) {
            ("" | "http", false) | ("", true) => Some("http"),
            ("http", true) | ("https", _) => Some("https"),
            ("grpc", false) => Some("grpc"),
            ("grpc", true) | ("grpcs", _) => Some("grpcs"),
            ("h2c", _) => Some("h2c"),
            _ => None,
        }
    }
}

/// Newer than daprd 1.18, which does not start with the flag of that name.
fn refuse_binding_timeout(reader: &mut Reader<'_>) {
    const KEY: &str = "dapr.io/app-binding-options-timeout";
    if let Some(value) = reader.raw(KEY) {
        let problem = "was ignored, because daprd 1.18 has no such setting";
        reader.warn(KEY, value, problem, "remove the annotation");
    }
}

// === impl Health ===

impl Health {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let health = Self {
            path: reader.text("dapr.io/app-health-check-path", "/healthz"),
            interval: reader.integer("dapr.io/app-health-probe-interval", 5),
            timeout: reader.integer("dapr.io/app-health-probe-timeout", 500),
            threshold: reader.integer("dapr.io/app-health-threshold", 3),
        };
        reader
            .flag("dapr.io/enable-app-health-check", false)
            .then_some(health)
    }
}
