use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    Actors, Cluster, Facts, Toleration,
    testing::{Injected, cluster, facts, injected, pod},
};

fn with(annotations: &[(&str, &str)]) -> Injected {
    injected(&pod(annotations), &cluster(), &facts(), &[])
}

fn in_cluster(cluster: &Cluster) -> Injected {
    injected(&pod(&[]), cluster, &facts(), &[])
}

#[test]
fn is_the_documented_container() {
    let expected = json!({
        "name": "daprd", "image": "daprd:test", "imagePullPolicy": "Always",
        "args": ["/daprd", "--dapr-http-port", "3500", "--dapr-grpc-port", "50001",
            "--dapr-internal-grpc-port", "50002", "--dapr-listen-addresses", "[::1],127.0.0.1",
            "--dapr-public-port", "3501", "--app-id", "app1", "--app-protocol", "http",
            "--log-level", "info", "--dapr-graceful-shutdown-seconds", "-1", "--mode", "kubernetes",
            "--control-plane-address", "dapr-api.dapr-system.svc.cluster.local:443",
            "--sentry-address", "dapr-sentry.dapr-system.svc.cluster.local:443",
            "--app-port", "3000", "--enable-metrics", "--metrics-port", "9090",
            "--placement-host-address", "placement:50005", "--enable-mtls",
            "--scheduler-host-address", "dapr-scheduler-server-a.dapr-system.svc.cluster.local:443"],
        "ports": [{"name": "dapr-http", "containerPort": 3500},
            {"name": "dapr-grpc", "containerPort": 50001},
            {"name": "dapr-internal", "containerPort": 50002},
            {"name": "dapr-metrics", "containerPort": 9090}],
        "env": [{"name": "NAMESPACE", "value": "default"},
            {"name": "DAPR_TRUST_ANCHORS", "value": "PEM\n"},
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "DAPR_CONTROLPLANE_NAMESPACE", "value": "dapr-system"},
            {"name": "DAPR_CONTROLPLANE_TRUST_DOMAIN", "value": "cluster.local"}],
        "resources": {},
        "livenessProbe": {"tcpSocket": {"port": 3501}, "initialDelaySeconds": 180,
            "timeoutSeconds": 3, "periodSeconds": 10, "failureThreshold": 5},
        "readinessProbe": {"httpGet": {"path": "/v1.0/healthz", "port": 3501},
            "initialDelaySeconds": 1, "timeoutSeconds": 1, "periodSeconds": 1,
            "failureThreshold": 5},
        "securityContext": {"runAsNonRoot": true, "readOnlyRootFilesystem": true,
            "allowPrivilegeEscalation": false},
    });
    assert_eq!(*with(&[("app-port", "3000")]).container("daprd"), expected);
}

#[rstest]
#[case(&[("app-channel-address", "1.2.3.4")], "--app-channel-address 1.2.3.4")]
#[case(&[("app-max-concurrency", "-1")], "--app-max-concurrency -1")]
#[case(&[("config", "tracing")], "--config tracing")]
#[case(&[("log-level", "debug")], "--log-level debug")]
#[case(&[("log-level", "")], "--log-level  --dapr-graceful")]
#[case(&[("log-as-json", "on")], "--log-as-json")]
#[case(&[("enable-api-logging", "yes")], "--enable-api-logging=true")]
#[case(&[("enable-api-logging", "0")], "--enable-api-logging=false")]
#[case(&[("enable-profiling", "1")], "--enable-profiling")]
#[case(&[("metrics-port", "9095")], "--enable-metrics --metrics-port 9095")]
#[case(&[("grpc-port", "1"), ("internal-grpc-port", "2")], "--dapr-grpc-port 1 --dapr-internal-grpc-port 2")]
#[case(&[("sidecar-listen-addresses", "0.0.0.0")], "--dapr-listen-addresses 0.0.0.0")]
#[case(&[("http-max-request-size", "4"), ("max-body-size", "4Mi")], "--dapr-http-max-request-size 4 --max-body-size 4Mi")]
#[case(&[("http-read-buffer-size", "4"), ("read-buffer-size", "4Ki")], "--dapr-http-read-buffer-size 4 --read-buffer-size 4Ki")]
#[case(&[("graceful-shutdown-seconds", "7")], "--dapr-graceful-shutdown-seconds 7")]
#[case(&[("block-shutdown-duration", "5s")], "--dapr-block-shutdown-duration 5s")]
#[case(&[("disable-builtin-k8s-secret-store", "true")], "--disable-builtin-k8s-secret-store")]
#[case(&[("enable-app-health-check", "true"), ("app-health-check-path", "/h"), ("app-health-probe-interval", "1"),
    ("app-health-probe-timeout", "2"), ("app-health-threshold", "4")],
    "--enable-app-health-check --app-health-check-path /h --app-health-probe-interval 1 --app-health-probe-timeout 2 --app-health-threshold 4")]
#[case(&[("unix-domain-socket-path", "/tmp/s")], "--unix-domain-socket /var/run/dapr-sockets")]
#[case(&[("placement-host-address", "own:1")], "--placement-host-address own:1")]
#[case(&[("actors-disseminate-timeout", "3s")], "--actors-disseminate-timeout 3s")]
#[case(&[("scheduler-host-address", "own:2")], "--scheduler-host-address own:2")]
#[case(&[("disable-init-endpoints", "scheduler")], "--disable-init-endpoints scheduler")]
#[case(&[("sentry-request-jwt-audiences", "a,b")], "--sentry-request-jwt-audiences a,b")]
#[case(&[("app-ssl", "true"), ("app-protocol", "GRPC")], "--app-protocol GRPC")]
fn takes_arguments(#[case] annotations: &[(&str, &str)], #[case] expected: &str) {
    let args = with(annotations).args();
    assert!(args.contains(expected), "{args}");
    assert!(!with(&[]).args().contains(expected));
}

#[rstest]
#[case::metrics(&[("enable-metrics", "false")], "metrics-port")]
#[case::placement(&[("placement-host-address", "''")], "--placement-host-address")]
#[case::app_port(&[("app-port", "0")], "--app-port")]
#[case::concurrency(&[("app-max-concurrency", "x")], "--app-max-concurrency")]
fn leaves_arguments_out(#[case] annotations: &[(&str, &str)], #[case] absent: &str) {
    let args = with(annotations).args();
    assert!(!args.contains(absent), "{args}");
}

#[test]
fn a_blank_scheduler_is_an_empty_argument() {
    let injected = with(&[("scheduler-host-address", "")]);
    let args = injected.container("daprd")["args"].as_array().unwrap();
    assert_eq!(
        args[args.len() - 2..],
        [json!("--scheduler-host-address"), json!("")]
    );
}

#[test]
fn keeps_the_order_of_all_arguments() {
    let args = with(&[
        ("app-port", "1"),
        ("config", "c"),
        ("app-channel-address", "a"),
        ("sentry-request-jwt-audiences", "j"),
        ("enable-api-logging", "true"),
        ("disable-builtin-k8s-secret-store", "true"),
        ("enable-app-health-check", "true"),
        ("log-as-json", "true"),
        ("enable-profiling", "true"),
        ("app-ssl", "true"),
        ("app-max-concurrency", "1"),
        ("http-max-request-size", "1"),
        ("max-body-size", "1"),
        ("http-read-buffer-size", "1"),
        ("read-buffer-size", "1"),
        ("unix-domain-socket-path", "/s"),
        ("block-shutdown-duration", "1s"),
        ("actors-disseminate-timeout", "1s"),
        ("disable-init-endpoints", "e"),
    ]);
    let args = args.args();
    let flags: Vec<&str> = args
        .split(' ')
        .filter(|arg| arg.starts_with("--"))
        .collect();
    assert_eq!(
        flags,
        [
            "--dapr-http-port",
            "--dapr-grpc-port",
            "--dapr-internal-grpc-port",
            "--dapr-listen-addresses",
            "--dapr-public-port",
            "--app-id",
            "--app-protocol",
            "--log-level",
            "--dapr-graceful-shutdown-seconds",
            "--mode",
            "--control-plane-address",
            "--sentry-address",
            "--app-port",
            "--enable-metrics",
            "--metrics-port",
            "--config",
            "--app-channel-address",
            "--placement-host-address",
            "--sentry-request-jwt-audiences",
            "--enable-api-logging=true",
            "--disable-builtin-k8s-secret-store",
            "--enable-app-health-check",
            "--app-health-check-path",
            "--app-health-probe-interval",
            "--app-health-probe-timeout",
            "--app-health-threshold",
            "--log-as-json",
            "--enable-profiling",
            "--enable-mtls",
            "--app-ssl",
            "--app-max-concurrency",
            "--dapr-http-max-request-size",
            "--max-body-size",
            "--dapr-http-read-buffer-size",
            "--read-buffer-size",
            "--unix-domain-socket",
            "--dapr-block-shutdown-duration",
            "--actors-disseminate-timeout",
            "--scheduler-host-address",
            "--disable-init-endpoints",
        ]
    );
}

#[rstest]
#[case::off(None, "", "")]
#[case::placement(Some(Actors::Placement("p:1".into())), "--placement-host-address p:1", "--actors-service")]
#[case::other(Some(Actors::Service("n:s:1".into())), "--actors-service n:s:1", "--placement")]
fn names_who_places_actors(#[case] actors: Option<Actors>, #[case] has: &str, #[case] lacks: &str) {
    let cluster = Cluster {
        actors: actors.clone(),
        reminders: Some("r:s:2".into()),
        ..cluster()
    };
    let args = in_cluster(&cluster).args();
    assert!(
        args.contains(has) && args.contains("--reminders-service r:s:2"),
        "{args}"
    );
    assert!(actors.is_none() || !args.contains(lacks), "{args}");
    assert_eq!(
        actors.is_none(),
        !args.contains("--placement") && !args.contains("--actors-")
    );
}

#[test]
fn an_annotated_placement_wins_over_a_cluster_without_actors() {
    let cluster = Cluster {
        actors: None,
        ..cluster()
    };
    let pod = pod(&[("placement-host-address", "own:1")]);
    let args = injected(&pod, &cluster, &facts(), &[]).args();
    assert!(args.contains("--placement-host-address own:1"));
}

#[test]
fn a_blank_placement_leaves_another_service() {
    let cluster = Cluster {
        actors: Some(Actors::Service("n:s:1".into())),
        ..cluster()
    };
    let pod = pod(&[("placement-host-address", "")]);
    assert!(
        injected(&pod, &cluster, &facts(), &[])
            .args()
            .contains("--actors-service n:s:1")
    );
}

#[test]
fn follows_the_cluster() {
    let facts = Facts {
        mtls: false,
        ..facts()
    };
    let args = injected(
        &pod(&[]),
        &Cluster {
            scheduler: false,
            ..cluster()
        },
        &facts,
        &[],
    )
    .args();
    assert!(
        !args.contains("--enable-mtls") && !args.contains("--scheduler"),
        "{args}"
    );
}

fn tolerating(mark: &str, annotations: &[(&str, &str)]) -> Injected {
    let mark: Toleration = serde_json::from_str(mark).unwrap();
    let cluster = Cluster {
        entrypoint_tolerations: vec![mark],
        ..cluster()
    };
    let mut pod = pod(annotations);
    pod["spec"]["tolerations"] = json!([{"key": "virtual", "operator": "Exists", "value": null}]);
    injected(&pod, &cluster, &facts(), &[])
}

#[test]
fn names_the_program_as_command_where_the_entry_point_is_ignored() {
    let injected = tolerating(r#"{"key": "virtual", "operator": "Exists"}"#, &[]);
    assert_eq!(injected.container("daprd")["command"], json!(["/daprd"]));
    assert!(injected.args().starts_with("--dapr-http-port"));
    let debugged = tolerating(
        r#"{"key": "virtual", "operator": "Exists"}"#,
        &[("enable-debug", "true")],
    );
    assert_eq!(debugged.container("daprd")["command"], json!(["/dlv"]));
    assert!(debugged.args().starts_with("--listen :40000"));
    let injected = tolerating(r#"{"key": "virtual"}"#, &[]);
    assert_eq!(injected.container("daprd").get("command"), None);
}

#[test]
fn runs_under_the_debugger() {
    let injected = with(&[("enable-debug", "true"), ("debug-port", "4")]);
    let start = "/dlv --listen :4 --accept-multiclient --headless=true --log --api-version=2 exec \
                 /daprd -- --dapr-http-port";
    assert!(injected.args().starts_with(start), "{}", injected.args());
    let ports = &injected.container("daprd")["ports"];
    assert_eq!(ports[4], json!({"name": "dapr-debug", "containerPort": 4}));
}

#[test]
fn has_the_environment_in_order() {
    let cluster = Cluster {
        host_ip: true,
        ..cluster()
    };
    let mut pod = pod(&[
        ("env", "A=1"),
        ("env-from-secret", "S=s"),
        ("api-token-secret", "api"),
        ("app-token-secret", "app"),
        ("pluggable-components", "main"),
    ]);
    pod["spec"]["volumes"] = json!([{"name": "v"}]);
    let injected = injected(&pod, &cluster, &facts(), &[]);
    let env = injected.container("daprd")["env"].as_array().unwrap();
    let names: Vec<&str> = env
        .iter()
        .map(|variable| variable["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "NAMESPACE",
            "DAPR_TRUST_ANCHORS",
            "POD_NAME",
            "DAPR_CONTROLPLANE_NAMESPACE",
            "DAPR_CONTROLPLANE_TRUST_DOMAIN",
            "DAPR_HOST_IP",
            "A",
            "S",
            "DAPR_ENV_KEYS",
            "DAPR_COMPONENT_SOCKETS_FOLDER",
            "DAPR_API_TOKEN",
            "APP_API_TOKEN"
        ]
    );
    assert_eq!(env[8]["value"], "A S");
    assert_eq!(
        env[10]["valueFrom"]["secretKeyRef"],
        json!({"name": "api", "key": "token"})
    );
}

fn secured(edit: impl Fn(&mut Value), annotations: &[(&str, &str)]) -> Value {
    let mut cluster = cluster();
    cluster.security.drop_all_capabilities = true;
    cluster.security.runtime_seccomp = true;
    cluster.security.run_as_user = Some(1000);
    cluster.security.run_as_group = Some(2000);
    let mut pod = pod(annotations);
    edit(&mut pod);
    injected(&pod, &cluster, &facts(), &[]).container("daprd")["securityContext"].clone()
}

#[test]
fn passes_the_restricted_standard() {
    let expected = json!({"allowPrivilegeEscalation": false, "runAsNonRoot": true,
        "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"}, "runAsUser": 1000, "runAsGroup": 2000});
    assert_eq!(secured(|_| {}, &[]), expected);
}

#[test]
fn the_pods_seccomp_profile_and_the_annotation_come_first() {
    let own = |pod: &mut Value| {
        pod["spec"]["securityContext"] = json!({"seccompProfile": {"type": "Localhost"}});
    };
    assert_eq!(secured(own, &[]).get("seccompProfile"), None);
    let annotated = secured(own, &[("sidecar-seccomp-profile-type", "Unconfined")]);
    assert_eq!(annotated["seccompProfile"], json!({"type": "Unconfined"}));
}

#[test]
fn a_windows_pod_gets_nothing_of_linux() {
    let windows = |pod: &mut Value| pod["spec"]["os"] = json!({"name": "windows"});
    assert_eq!(secured(windows, &[]), json!({"runAsNonRoot": true}));
    let administrator = secured(windows, &[("env", "SSL_CERT_DIR=/certs")]);
    let options = json!({"runAsUserName": "ContainerAdministrator"});
    assert_eq!(
        administrator,
        json!({"runAsNonRoot": false, "windowsOptions": options})
    );
}

#[test]
fn installing_certificates_needs_an_administrator() {
    let context = secured(|_| {}, &[("env", "SSL_CERT_DIR=/certs")]);
    assert_eq!(
        context["windowsOptions"],
        json!({"runAsUserName": "ContainerAdministrator"})
    );
    assert_eq!(context["runAsNonRoot"], json!(false));
    assert_eq!(context["readOnlyRootFilesystem"], json!(false));
    assert_eq!(context.get("runAsUser"), None);
    assert_eq!(context.get("runAsGroup"), None);
}

#[test]
fn takes_probes_and_leaves_zeros_out() {
    let injected = with(&[
        ("sidecar-liveness-probe-delay-seconds", "1"),
        ("sidecar-liveness-probe-timeout-seconds", "2"),
        ("sidecar-liveness-probe-period-seconds", "3"),
        ("sidecar-liveness-probe-threshold", "4"),
        ("sidecar-readiness-probe-delay-seconds", "0"),
        ("sidecar-readiness-probe-timeout-seconds", "6"),
        ("sidecar-readiness-probe-period-seconds", "7"),
        ("sidecar-readiness-probe-threshold", "8"),
    ]);
    let daprd = injected.container("daprd");
    assert_eq!(
        daprd["livenessProbe"],
        json!({"tcpSocket": {"port": 3501},
        "initialDelaySeconds": 1, "timeoutSeconds": 2, "periodSeconds": 3, "failureThreshold": 4})
    );
    assert_eq!(
        daprd["readinessProbe"],
        json!({
        "httpGet": {"path": "/v1.0/healthz", "port": 3501},
        "timeoutSeconds": 6, "periodSeconds": 7, "failureThreshold": 8})
    );
}

#[test]
fn an_empty_image_is_no_image() {
    assert_eq!(
        with(&[("sidecar-image", "")])
            .container("daprd")
            .get("image"),
        None
    );
    assert_eq!(
        with(&[("sidecar-image", "own")]).container("daprd")["image"],
        "own"
    );
}
