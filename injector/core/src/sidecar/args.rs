//! daprd's command line. `dapr list -k` finds values as the item after their flag, so a flag and
//! its value are two items.

use super::{HTTP_PORT, PUBLIC_PORT, Sidecar};
use crate::{Actors, volumes::SOCKET_PATH};

const PROGRAM: &str = "/daprd";
const DEBUGGER: &str = "/dlv";

/// Command, where the image's entry point is in the way, and arguments.
pub(super) fn command_and_args(sidecar: &Sidecar<'_>) -> (Option<Vec<String>>, Vec<String>) {
    let (program, mut args) = match sidecar.options.listen.debug_port {
        Some(port) => (DEBUGGER, debugger_args(port)),
        None => (PROGRAM, Args::default()),
    };
    add(&mut args, sidecar);
    if sidecar.ignore_entrypoint {
        return (Some(vec![program.into()]), args.0);
    }
    args.0.insert(0, program.into());
    (None, args.0)
}

fn debugger_args(port: i32) -> Args {
    let mut args = Args::default();
    args.value("--listen", format!(":{port}"))
        .flag("--accept-multiclient", true)
        .flag("--headless=true", true)
        .flag("--log", true)
        .flag("--api-version=2", true)
        .value("exec", PROGRAM)
        .flag("--", true);
    args
}

#[derive(Default)]
struct Args(Vec<String>);

/// daprd's arguments, in the order that recorded sidecars have them.
fn add(args: &mut Args, sidecar: &Sidecar<'_>) {
    identity(args, sidecar);
    control_plane(args, sidecar);
    app(args, sidecar);
    limits(args, sidecar);
    rest(args, sidecar);
}

fn identity(args: &mut Args, sidecar: &Sidecar<'_>) {
    let options = sidecar.options;
    args.value("--dapr-http-port", HTTP_PORT)
        .value("--dapr-grpc-port", options.listen.grpc_port)
        .value(
            "--dapr-internal-grpc-port",
            options.listen.internal_grpc_port,
        )
        .value("--dapr-listen-addresses", &options.listen.addresses)
        .value("--dapr-public-port", PUBLIC_PORT)
        .value("--app-id", sidecar.app_id)
        .value("--app-protocol", &options.app.protocol)
        .value("--log-level", &options.log.level)
        .value("--dapr-graceful-shutdown-seconds", options.shutdown.grace)
        .value("--mode", "kubernetes");
}

fn control_plane(args: &mut Args, sidecar: &Sidecar<'_>) {
    let (cluster, options) = (sidecar.cluster, sidecar.options);
    args.value("--control-plane-address", cluster.api_address())
        .value("--sentry-address", cluster.sentry_address())
        .optional(
            "--app-port",
            Some(options.app.port).filter(|port| *port > 0),
        );
    if options.listen.metrics {
        args.flag("--enable-metrics", true)
            .value("--metrics-port", options.listen.metrics_port);
    }
    args.non_empty("--config", &options.services.configuration)
        .non_empty("--app-channel-address", &options.app.channel_address);
    actors(args, sidecar);
    args.optional("--reminders-service", cluster.reminders.as_ref())
        .non_empty(
            "--sentry-request-jwt-audiences",
            &options.services.jwt_audiences,
        );
}

/// The annotation wins, also over a cluster without actors; blank leaves other services only.
fn actors(args: &mut Args, sidecar: &Sidecar<'_>) {
    let annotated = sidecar.options.services.placement.as_deref();
    match (annotated, &sidecar.cluster.actors) {
        (Some(address), _) if !address.is_empty() => {
            args.value("--placement-host-address", address)
        }
        (_, Some(Actors::Service(service))) => args.value("--actors-service", service),
        (None, Some(Actors::Placement(address))) => args.value("--placement-host-address", address),
        _ => args,
    };
}

fn app(args: &mut Args, sidecar: &Sidecar<'_>) {
    let options = sidecar.options;
    args.0.extend(
        options
            .log
            .api
            .map(|api| format!("--enable-api-logging={api}")),
    );
    args.flag(
        "--disable-builtin-k8s-secret-store",
        options.services.no_secret_store,
    );
    if let Some(health) = &options.app.health {
        args.flag("--enable-app-health-check", true)
            .value("--app-health-check-path", &health.path)
            .value("--app-health-probe-interval", health.interval)
            .value("--app-health-probe-timeout", health.timeout)
            .value("--app-health-threshold", health.threshold);
    }
    args.flag("--log-as-json", options.log.json)
        .flag("--enable-profiling", options.listen.profiling)
        .flag("--enable-mtls", sidecar.facts.mtls)
        .flag("--app-ssl", options.app.ssl);
}

fn limits(args: &mut Args, sidecar: &Sidecar<'_>) {
    let limits = &sidecar.options.limits;
    args.optional("--app-max-concurrency", sidecar.options.app.max_concurrency)
        .optional("--dapr-http-max-request-size", limits.request_size)
        .non_empty("--max-body-size", &limits.body_size)
        .optional("--dapr-http-read-buffer-size", limits.http_read_buffer)
        .non_empty("--read-buffer-size", &limits.read_buffer);
}

fn rest(args: &mut Args, sidecar: &Sidecar<'_>) {
    let options = sidecar.options;
    let socket = Some(SOCKET_PATH).filter(|_| !options.container.socket_path.is_empty());
    let scheduler = options.services.scheduler.clone();
    args.optional("--unix-domain-socket", socket)
        .optional(
            "--dapr-block-shutdown-duration",
            sidecar.block_shutdown.as_ref(),
        )
        .optional(
            "--actors-disseminate-timeout",
            options.services.disseminate_timeout.as_ref(),
        )
        .optional(
            "--scheduler-host-address",
            scheduler.or_else(|| sidecar.cluster.scheduler_address()),
        )
        .optional(
            "--disable-init-endpoints",
            options.shutdown.no_init_endpoints.as_ref(),
        );
}

// === impl Args ===

impl Args {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers pass numbers and texts alike"
    )]
    fn value(&mut self, flag: &str, value: impl ToString) -> &mut Self {
        self.0.extend([flag.to_owned(), value.to_string()]);
        self
    }

    fn optional(&mut self, flag: &str, value: Option<impl ToString>) -> &mut Self {
        match value {
            Some(value) => self.value(flag, value),
            None => self,
        }
    }

    fn non_empty(&mut self, flag: &str, value: &str) -> &mut Self {
        self.optional(flag, Some(value).filter(|value| !value.is_empty()))
    }

    fn flag(&mut self, flag: &str, on: bool) -> &mut Self {
        self.0.extend(on.then(|| flag.to_owned()));
        self
    }
}
