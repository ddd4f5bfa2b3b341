//! What daprd is told about itself and about the control plane.

use super::Reader;
use crate::{Cluster, Source};

/// Sentry and the operator read this one from the pod, too.
pub(crate) const CONFIGURATION: &str = "dapr.io/config";
/// Ours, not Dapr's: how long a pod's containers go on after the pod was deleted, in seconds.
pub(crate) const SHUTDOWN_DELAY: &str = "trilby.dev/shutdown-delay-seconds";
const LEVELS: [&str; 5] = ["debug", "info", "warn", "error", "fatal"];

/// Addresses and ports of daprd.
#[derive(Clone, Debug)]
pub(crate) struct Listen {
    pub(crate) addresses: String,
    pub(crate) grpc_port: i32,
    pub(crate) internal_grpc_port: i32,
    pub(crate) metrics: bool,
    pub(crate) metrics_port: i32,
    /// Port of the debugger, if daprd runs under one.
    pub(crate) debug_port: Option<i32>,
    pub(crate) profiling: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) level: String,
    pub(crate) json: bool,
    pub(crate) api: Option<bool>,
}

/// What daprd fetches, and from whom. An address that is set but empty switches a service off.
#[derive(Clone, Debug)]
pub(crate) struct Services {
    pub(crate) configuration: String,
    pub(crate) placement: Option<String>,
    pub(crate) disseminate_timeout: Option<String>,
    pub(crate) scheduler: Option<String>,
    pub(crate) jwt_audiences: String,
    pub(crate) no_secret_store: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// In MB; the older spelling of `body_size`.
    pub(crate) request_size: Option<i64>,
    pub(crate) body_size: String,
    /// In KB; the older spelling of `read_buffer`.
    pub(crate) http_read_buffer: Option<i64>,
    pub(crate) read_buffer: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Shutdown {
    /// In seconds; negative leaves it to daprd.
    pub(crate) grace: i64,
    pub(crate) block: Option<String>,
    /// In seconds; 0 for none, `None` where the cluster can't have one.
    pub(crate) delay: Option<u32>,
    pub(crate) no_init_endpoints: Option<String>,
}

// === impl Listen ===

impl Listen {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let debug_port = reader.port("dapr.io/debug-port", 40000);
        Self {
            addresses: reader.text("dapr.io/sidecar-listen-addresses", "[::1],127.0.0.1"),
            grpc_port: reader.port("dapr.io/grpc-port", 50001),
            internal_grpc_port: reader.port("dapr.io/internal-grpc-port", 50002),
            metrics: reader.flag("dapr.io/enable-metrics", true),
            metrics_port: reader.port("dapr.io/metrics-port", 9090),
            debug_port: reader
                .flag("dapr.io/enable-debug", false)
                .then_some(debug_port),
            profiling: reader.flag("dapr.io/enable-profiling", false),
        }
    }
}

// === impl Log ===

impl Log {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            level: reader.choice("dapr.io/log-level", "info", &LEVELS),
            json: reader.flag("dapr.io/log-as-json", false),
            api: reader.optional_flag("dapr.io/enable-api-logging"),
        }
    }
}

// === impl Services ===

impl Services {
    pub(super) fn read(reader: &mut Reader<'_>, cluster: &Cluster) -> Self {
        Self {
            configuration: reader.text(CONFIGURATION, ""),
            placement: address(
                reader,
                "dapr.io/placement-host-address",
                cluster.placement(),
            ),
            disseminate_timeout: reader.optional_duration("dapr.io/actors-disseminate-timeout"),
            scheduler: address(
                reader,
                "dapr.io/scheduler-host-address",
                cluster.scheduler_address().as_deref(),
            ),
            jwt_audiences: reader.text("dapr.io/sentry-request-jwt-audiences", ""),
            no_secret_store: reader.flag("dapr.io/disable-builtin-k8s-secret-store", false),
        }
    }
}

/// An address of the pod's own choice; else daprd is told `default`, the cluster's.
fn address(reader: &mut Reader<'_>, key: &str, default: Option<&str>) -> Option<String> {
    let own = reader.optional_address(key);
    if own.is_none() {
        reader.note(key, default, Source::Cluster);
    }
    own
}

// === impl Limits ===

impl Limits {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            request_size: reader.optional_integer("dapr.io/http-max-request-size"),
            body_size: reader.size("dapr.io/max-body-size"),
            http_read_buffer: reader.optional_integer("dapr.io/http-read-buffer-size"),
            read_buffer: reader.size("dapr.io/read-buffer-size"),
        }
    }
}

// === impl Shutdown ===

impl Shutdown {
    pub(super) fn read(reader: &mut Reader<'_>, cluster: &Cluster) -> Self {
        Self {
            grace: reader.integer("dapr.io/graceful-shutdown-seconds", -1),
            block: reader.optional_duration("dapr.io/block-shutdown-duration"),
            delay: delay(reader, cluster.shutdown_delay),
            no_init_endpoints: reader.optional_text("dapr.io/disable-init-endpoints"),
        }
    }
}

/// The delay that an annotation says; else the cluster's.
fn delay(reader: &mut Reader<'_>, default: Option<u32>) -> Option<u32> {
    let annotated = reader.optional_integer(SHUTDOWN_DELAY);
    if annotated.is_none() || default.is_none() {
        reader.note(SHUTDOWN_DELAY, default, Source::Cluster);
    }
    Some(annotated.unwrap_or(default?))
}
