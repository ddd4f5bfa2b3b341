//! The proxy of a shared instance.

use k8s_openapi::{
    api::core::v1::{
        Capabilities, Container, ContainerPort, EnvVar, ExecAction, HTTPGetAction, Lifecycle,
        LifecycleHandler, Probe, SeccompProfile, SecurityContext, VolumeMount,
    },
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{Channel, daprd::Daprd};
use crate::{
    Cluster,
    options::{Options, from_field},
    shared::{
        ACCEPTED, APP_REVISION, FORWARDER_PORT, GRPC_PORT, PROXY_HEALTH_PORT, PROXY_METRICS_PORT,
        TOKEN,
    },
    volumes::mount,
};

/// Volume of the tokens that apps may show, and where the proxy has it.
pub(super) const TOKENS: &str = "trilby-tokens";
pub(super) const TOKENS_PATH: &str = "/var/run/secrets/trilby.dev/token";
/// The same for the token that the app's owner chose, `dapr.io/api-token-secret`.
pub(super) const OWN_TOKEN: &str = "trilby-own-token";
pub(super) const OWN_TOKEN_PATH: &str = "/var/run/secrets/trilby.dev/own-token";
/// The same for the certificate that it shows to apps.
pub(super) const CERTIFICATE: &str = "trilby-api-tls";
const CERTIFICATE_PATH: &str = "/var/run/secrets/trilby.dev/api-tls";
/// Keys of a Secret of type `kubernetes.io/tls`.
pub(super) const TLS_CERT: &str = "tls.crt";
pub(super) const TLS_KEY: &str = "tls.key";
const PROXY: &str = "proxy";
const PROGRAM: &str = "/proxy";
/// The proxy starts in well under a second; a node under load may take much longer.
const START_SECONDS: i32 = 60;
/// One late answer of a busy node is no reason to send clients elsewhere. A pod that leaves is
/// unready by that alone.
const READY_FAILURES: i32 = 3;

pub(super) fn container(daprd: &Daprd<'_>, cluster: &Cluster) -> Container {
    let instance = daprd.instance;
    Container {
        name: PROXY.into(),
        image: Some(instance.proxy_image.clone()),
        image_pull_policy: Some(cluster.pull_policy.as_str().into()),
        command: Some(vec![PROGRAM.into()]),
        args: Some(args(daprd)),
        env: Some(env()),
        ports: Some(ports()),
        // The kubelet starts it before daprd and stops it after.
        restart_policy: Some("Always".into()),
        startup_probe: Some(probe(START_SECONDS)),
        readiness_probe: Some(probe(READY_FAILURES)),
        lifecycle: Some(drain()),
        resources: instance.proxy_resources.clone(),
        security_context: Some(security()),
        volume_mounts: Some(mounts(daprd.options)),
        ..Container::default()
    }
}

fn env() -> Vec<EnvVar> {
    vec![
        from_field("POD_IP", "status.podIP"),
        from_field("NODE_NAME", "spec.nodeName"),
        from_field("NAMESPACE", "metadata.namespace"),
        from_field(
            "APP_REVISION",
            &format!("metadata.annotations['{APP_REVISION}']"),
        ),
    ]
}

/// The ports for apps are named by daprd's container, which has the same.
fn ports() -> Vec<ContainerPort> {
    let port = |name: &str, port: u16| ContainerPort {
        name: Some(name.into()),
        container_port: port.into(),
        ..ContainerPort::default()
    };
    vec![
        port("proxy-health", PROXY_HEALTH_PORT),
        port("proxy-metrics", PROXY_METRICS_PORT),
    ]
}

fn mounts(options: &Options) -> Vec<VolumeMount> {
    let accepted = mount(TOKENS, TOKENS_PATH);
    let container = &options.container;
    let own = (!container.api_token_secret.is_empty()).then(|| mount(OWN_TOKEN, OWN_TOKEN_PATH));
    let certificate =
        (!container.api_tls_secret.is_empty()).then(|| mount(CERTIFICATE, CERTIFICATE_PATH));
    let read_only = |mount| VolumeMount {
        read_only: Some(true),
        ..mount
    };
    let mounts = [accepted].into_iter().chain(own).chain(certificate);
    mounts.map(read_only).collect()
}

fn args(daprd: &Daprd<'_>) -> Vec<String> {
    let options = daprd.options;
    let mut args = app(daprd);
    let mut add = |flag: &str, value: String| args.extend([flag.to_owned(), value]);
    add("--healthz-port", PROXY_HEALTH_PORT.to_string());
    add("--metrics-port", PROXY_METRICS_PORT.to_string());
    add("--api-token-file", format!("{TOKENS_PATH}/{ACCEPTED}"));
    if !options.container.api_token_secret.is_empty() {
        add("--api-token-file", format!("{OWN_TOKEN_PATH}/{TOKEN}"));
    }
    if !options.container.api_tls_secret.is_empty() {
        add("--tls-cert-file", format!("{CERTIFICATE_PATH}/{TLS_CERT}"));
        add("--tls-key-file", format!("{CERTIFICATE_PATH}/{TLS_KEY}"));
    }
    if options.listen.grpc_port != i32::from(GRPC_PORT) {
        add("--daprd-grpc-port", options.listen.grpc_port.to_string());
    }
    if !options.log.level.is_empty() {
        add("--log-level", options.log.level.clone());
    }
    args.push(format!("--log-as-json={}", options.log.json));
    args.push(format!("--enable-metrics={}", options.listen.metrics));
    args.extend(daprd.instance.proxy_args.iter().cloned());
    args
}

/// What is said of the app, if the proxy has to do with it.
fn app(daprd: &Daprd<'_>) -> Vec<String> {
    let mut args = match daprd.channel {
        Channel::None | Channel::Direct { .. } => return Vec::new(),
        Channel::Pods(port) => vec![
            "--app-service".to_owned(),
            daprd.instance.names.app_service(),
            "--app-port".to_owned(),
            port.to_string(),
        ],
        Channel::Address(address) => vec!["--app-address".to_owned(), address.clone()],
    };
    let app = &daprd.options.app;
    let protocol = app.known_protocol().unwrap_or("http");
    let pairs = [
        ("--app-protocol", protocol.to_owned()),
        ("--forwarder-port", FORWARDER_PORT.to_string()),
        ("--lease", daprd.instance.names.instance()),
    ];
    args.extend(
        pairs
            .into_iter()
            .flat_map(|(flag, value)| [flag.to_owned(), value]),
    );
    let checks = app.health.iter().flat_map(|health| {
        [
            "--enable-app-health-check=true".to_owned(),
            format!("--app-health-check-path={}", health.path),
            format!("--app-health-probe-interval={}s", health.interval),
            format!("--app-health-probe-timeout={}ms", health.timeout),
            format!("--app-health-threshold={}", health.threshold),
        ]
    });
    args.extend(checks);
    args
}

/// Asked each second.
fn probe(failures: i32) -> Probe {
    let get = HTTPGetAction {
        path: Some("/healthz".into()),
        port: IntOrString::Int(PROXY_HEALTH_PORT.into()),
        ..HTTPGetAction::default()
    };
    Probe {
        http_get: Some(get),
        period_seconds: Some(1),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

fn drain() -> Lifecycle {
    let exec = ExecAction {
        command: Some(vec![PROGRAM.into(), "--drain".into()]),
    };
    Lifecycle {
        pre_stop: Some(LifecycleHandler {
            exec: Some(exec),
            ..LifecycleHandler::default()
        }),
        ..Lifecycle::default()
    }
}

fn security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            add: None,
            drop: Some(vec!["ALL".into()]),
        }),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".into(),
            localhost_profile: None,
        }),
        ..SecurityContext::default()
    }
}
