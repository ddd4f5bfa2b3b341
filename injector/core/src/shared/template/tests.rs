use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::shared::API_TLS_SECRET;
use crate::testing::{cluster, facts};

fn map(annotations: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = annotations.iter();
    pairs
        .map(|(key, value)| (format!("dapr.io/{key}"), (*value).to_owned()))
        .collect()
}

fn instance(app: App, annotations: &[(&str, &str)]) -> Instance {
    Instance {
        names: Names::of("app1").unwrap(),
        namespace: "shop".into(),
        annotations: map(annotations),
        pod_annotations: BTreeMap::new(),
        app,
        proxy_image: "proxy:test".into(),
        proxy_args: Vec::new(),
        service_account: None,
        resources: None,
        proxy_resources: None,
        pull_secrets: Vec::new(),
        priority_class: None,
        node_selector: BTreeMap::new(),
        tolerations: Vec::new(),
        affinity: None,
        topology_spread_constraints: None,
    }
}

/// The pods as JSON, and the warnings.
fn made(instance: &Instance, cluster: &Cluster) -> (Value, Vec<String>) {
    let facts = Facts {
        identity_token: true,
        ..facts()
    };
    let made = instance
        .template(cluster, &facts, &Defaults::default())
        .unwrap();
    let warnings = made.warnings.iter().map(ToString::to_string).collect();
    (serde_json::to_value(made.template).unwrap(), warnings)
}

fn pods(app: App, annotations: &[(&str, &str)]) -> Value {
    made(&instance(app, annotations), &cluster()).0
}

fn daprd(pods: &Value) -> &Value {
    assert_eq!(pods["spec"]["containers"].as_array().unwrap().len(), 1);
    &pods["spec"]["containers"][0]
}

fn proxy(pods: &Value) -> &Value {
    assert_eq!(pods["spec"]["initContainers"].as_array().unwrap().len(), 1);
    &pods["spec"]["initContainers"][0]
}

fn args(container: &Value) -> String {
    let args = container["args"].as_array().unwrap();
    let args: Vec<_> = args.iter().map(|arg| arg.as_str().unwrap()).collect();
    args.join(" ")
}

fn variable<'a>(container: &'a Value, name: &str) -> &'a Value {
    let env = container["env"].as_array().unwrap();
    let mut found = env.iter().filter(|variable| variable["name"] == name);
    let first = found.next().unwrap_or(&Value::Null);
    assert_eq!(found.count(), 0, "{name} is there once");
    first
}

#[test]
fn daprd_listens_to_apps_on_loopback_and_calls_the_proxy() {
    let pods = pods(App::Pods(Some(8080)), &[("app-protocol", "grpc")]);
    let daprd = daprd(&pods);
    assert_eq!(
        (&daprd["name"], &daprd["image"]),
        (&json!("daprd"), &json!("daprd:test"))
    );
    let args = args(daprd);
    for said in [
        "--dapr-listen-addresses 127.0.0.1 ",
        "--app-id app1 ",
        "--app-protocol grpc ",
        "--app-port 3510 ",
        "--app-channel-address 127.0.0.1 ",
        "--dapr-internal-grpc-port 50002 ",
        "--dapr-public-port 3501 ",
        "--dapr-block-shutdown-duration 25s ",
        "--enable-mtls ",
    ] {
        assert!(args.contains(said), "{said} is not in {args}");
    }
    let ready = &daprd["readinessProbe"]["httpGet"];
    assert_eq!(
        *ready,
        json!({"path": "/v1.0/healthz/outbound", "port": 3501})
    );
    assert_eq!(daprd["livenessProbe"]["tcpSocket"], json!({"port": 3501}));
    assert_eq!(daprd.get("restartPolicy"), None);
    assert_eq!(variable(daprd, "NAMESPACE")["value"], "shop");
    let token = json!({"secretKeyRef": {"name": "app1-shared-token", "key": "app-token"}});
    assert_eq!(variable(daprd, "APP_API_TOKEN")["valueFrom"], token);
    assert_eq!(*variable(daprd, "DAPR_API_TOKEN"), Value::Null);
    let own_address = &variable(daprd, "DAPR_HOST_IP")["valueFrom"]["fieldRef"]["fieldPath"];
    assert_eq!(*own_address, "status.podIP");
}

#[test]
fn the_proxy_starts_first_and_stops_last() {
    let pods = pods(App::Pods(Some(8080)), &[]);
    let probe = |failures: i32| {
        json!({"httpGet": {"path": "/healthz", "port": 3511}, "periodSeconds": 1,
            "failureThreshold": failures})
    };
    let expected = json!({
        "name": "proxy", "image": "proxy:test", "imagePullPolicy": "Always",
        "restartPolicy": "Always", "command": ["/proxy"],
        "args": ["--app-service", "app1-shared-app", "--app-port", "8080", "--app-protocol", "http",
            "--forwarder-port", "3510", "--lease", "app1-shared", "--healthz-port", "3511", "--metrics-port", "9091",
            "--api-token-file", "/var/run/secrets/trilby.dev/token/accepted",
            "--log-level", "info", "--log-as-json=false", "--enable-metrics=true"],
        "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "APP_REVISION", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['trilby.dev/app-revision']"}}}],
        "ports": [{"name": "proxy-health", "containerPort": 3511},
            {"name": "proxy-metrics", "containerPort": 9091}],
        "startupProbe": probe(60), "readinessProbe": probe(3),
        "lifecycle": {"preStop": {"exec": {"command": ["/proxy", "--drain"]}}},
        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true, "runAsNonRoot": true,
            "seccompProfile": {"type": "RuntimeDefault"}},
        "volumeMounts": [{"name": "trilby-tokens", "readOnly": true,
            "mountPath": "/var/run/secrets/trilby.dev/token"}],
    });
    assert_eq!(*proxy(&pods), expected);
}

#[rstest]
#[case::none(App::None, &[("app-port", "80")], None, "")]
#[case::no_port(App::Pods(None), &[], None, "")]
#[case::wrong_port(App::Pods(None), &[("app-port", "70000")], None, "")]
#[case::annotated(App::Pods(None), &[("app-port", "80")], Some("127.0.0.1:3510"), "--app-service app1-shared-app --app-port 80 ")]
#[case::said(App::Pods(Some(81)), &[("app-port", "80")], Some("127.0.0.1:3510"), "--app-service app1-shared-app --app-port 81 ")]
#[case::address(App::Address { host: "db.example".into(), port: 5 }, &[("app-port", "80")], Some("127.0.0.1:3510"), "--app-address db.example:5 ")]
#[case::ipv6(App::Address { host: "fd00::1".into(), port: 5 }, &[], Some("127.0.0.1:3510"), "--app-address [fd00::1]:5 ")]
#[case::tls(App::Address { host: "db.example".into(), port: 5 }, &[("app-protocol", "https")], Some("db.example:5"), "")]
fn the_app_may_be_anywhere(
    #[case] app: App,
    #[case] annotations: &[(&str, &str)],
    #[case] channel: Option<&str>,
    #[case] told: &str,
) {
    let pods = pods(app, annotations);
    let (daprd, proxy) = (args(daprd(&pods)), args(proxy(&pods)));
    match channel.map(|channel| channel.split_once(':').unwrap()) {
        Some((host, port)) => {
            assert!(daprd.contains(&format!("--app-port {port} ")), "{daprd}");
            assert!(
                daprd.contains(&format!("--app-channel-address {host} ")),
                "{daprd}"
            );
        }
        None => assert!(!daprd.contains("--app-port") && !daprd.contains("--app-channel")),
    }
    assert!(proxy.starts_with(told), "{proxy}");
    assert_eq!(proxy.contains("--app-"), !told.is_empty(), "{proxy}");
}

#[rstest]
#[case::pods_over_tls(App::Pods(Some(80)), &[("app-protocol", "grpcs")], "dapr.io/app-protocol: \"grpcs\"")]
#[case::older_spelling(App::Pods(Some(80)), &[("app-ssl", "true")], "dapr.io/app-protocol: \"https\"")]
#[case::no_port(App::Address { host: "x".into(), port: 0 }, &[], "\"x\" has no port")]
fn refuses_an_app_it_can_not_serve(
    #[case] app: App,
    #[case] annotations: &[(&str, &str)],
    #[case] says: &str,
) {
    let instance = instance(app, annotations);
    let error = instance.template(&cluster(), &facts(), &Defaults::default());
    let text = error.unwrap_err().to_string();
    assert!(text.contains(says) && text.contains("set "), "{text}");
}

#[test]
fn each_pod_is_checked_by_the_proxy_and_the_app_by_daprd() {
    let health = [
        ("enable-app-health-check", "true"),
        ("app-health-check-path", "/h"),
        ("app-health-probe-interval", "2"),
        ("app-health-probe-timeout", "300"),
        ("app-health-threshold", "4"),
    ];
    let with_app = pods(App::Pods(Some(80)), &health);
    let told = "--enable-app-health-check=true --app-health-check-path=/h \
                --app-health-probe-interval=2s --app-health-probe-timeout=300ms \
                --app-health-threshold=4";
    assert!(args(proxy(&with_app)).contains(told));
    assert!(args(daprd(&with_app)).contains("--enable-app-health-check "));
    let without = pods(App::None, &health);
    assert!(!args(daprd(&without)).contains("health-check"));
    assert!(!args(proxy(&without)).contains("health-check"));
}

#[test]
fn tokens_of_the_apps_owner_work_too() {
    let pods = pods(
        App::Pods(Some(80)),
        &[("api-token-secret", "mine"), ("app-token-secret", "theirs")],
    );
    let (daprd, proxy) = (daprd(&pods), proxy(&pods));
    assert_eq!(*variable(daprd, "DAPR_API_TOKEN"), Value::Null);
    let theirs = json!({"secretKeyRef": {"name": "theirs", "key": "token"}});
    assert_eq!(variable(daprd, "APP_API_TOKEN")["valueFrom"], theirs);
    let files = "--api-token-file /var/run/secrets/trilby.dev/token/accepted \
                 --api-token-file /var/run/secrets/trilby.dev/own-token/token ";
    assert!(args(proxy).contains(files), "{}", args(proxy));
    let volumes = json!([
        {"name": "dapr-identity-token", "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"audience": "spiffe://cluster.local/ns/dapr-system/dapr-sentry",
                "expirationSeconds": 7200, "path": "token"}}]}},
        {"name": "trilby-tokens", "secret": {"secretName": "app1-shared-token", "defaultMode": 292,
            "items": [{"key": "accepted", "path": "accepted"}]}},
        {"name": "trilby-own-token", "secret": {"secretName": "mine", "defaultMode": 292,
            "items": [{"key": "token", "path": "token"}]}}]);
    assert_eq!(pods["spec"]["volumes"], volumes);
}

#[test]
fn speaks_tls_to_apps_by_a_secret_that_is_named() {
    let mut wanted = instance(App::None, &[]);
    let annotation = (API_TLS_SECRET.to_owned(), "cert".to_owned());
    wanted.annotations.extend([annotation]);
    let made_of = wanted.template(&cluster(), &facts(), &Defaults::default());
    assert!(made_of.unwrap().tls);
    let (pods, warnings) = made(&wanted, &cluster());
    let files = "--tls-cert-file /var/run/secrets/trilby.dev/api-tls/tls.crt \
                 --tls-key-file /var/run/secrets/trilby.dev/api-tls/tls.key ";
    assert!(args(proxy(&pods)).contains(files), "{}", args(proxy(&pods)));
    let volume = json!({"name": "trilby-api-tls", "secret": {"secretName": "cert", "defaultMode": 292,
        "items": [{"key": "tls.crt", "path": "tls.crt"}, {"key": "tls.key", "path": "tls.key"}]}});
    assert_eq!(pods["spec"]["volumes"][2], volume);
    let mount = json!({"name": "trilby-api-tls", "readOnly": true,
        "mountPath": "/var/run/secrets/trilby.dev/api-tls"});
    assert_eq!(proxy(&pods)["volumeMounts"][1], mount);
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn is_found_by_its_labels_and_read_by_its_annotations() {
    let mut wanted = instance(App::None, &[("log-level", "debug"), ("enabled", "false")]);
    wanted.pod_annotations = [("example.com/team", "x"), ("dapr.io/app-id", "other")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    let (defaults, _) = Defaults::new([("dapr.io/config".to_owned(), "tracing".to_owned())]);
    let made = wanted.template(&cluster(), &facts(), &defaults).unwrap();
    let pods = serde_json::to_value(made.template).unwrap();
    let labels = json!({"trilby.dev/instance": "app1", "dapr.io/app-id": "app1",
        "dapr.io/metrics-enabled": "true"});
    assert_eq!(pods["metadata"]["labels"], labels);
    let annotations = json!({"dapr.io/enabled": "true", "dapr.io/app-id": "app1",
        "dapr.io/config": "tracing", "dapr.io/log-level": "debug", "example.com/team": "x"});
    assert_eq!(pods["metadata"]["annotations"], annotations);
    assert!(args(daprd(&pods)).contains("--config tracing "));
}

#[test]
fn is_placed_as_wanted() {
    let mut wanted = instance(App::None, &[("sidecar-cpu-limit", "1")]);
    let (pods, _) = made(&wanted, &cluster());
    let spec = &pods["spec"];
    assert_eq!(spec["serviceAccountName"], "app1-shared");
    assert_eq!(spec["nodeSelector"], json!({"kubernetes.io/os": "linux"}));
    assert_eq!(spec.get("tolerations"), None);
    let spread = &spec["topologySpreadConstraints"][0];
    assert_eq!(
        spread["labelSelector"]["matchLabels"],
        json!({"trilby.dev/instance": "app1"})
    );
    assert_eq!(daprd(&pods)["resources"], json!({"limits": {"cpu": "1"}}));

    let from = |value: Value| serde_json::from_value(value).unwrap();
    wanted.service_account = Some("own".into());
    wanted.resources = Some(from(json!({"limits": {"cpu": "2"}})));
    wanted.proxy_resources = Some(serde_json::from_value(json!({"limits": {"cpu": "3"}})).unwrap());
    wanted.node_selector = [("zone".to_owned(), "a".to_owned())].into();
    wanted.pull_secrets = vec!["registry".into()];
    wanted.priority_class = Some("high".into());
    wanted.tolerations = vec![Toleration::default()];
    wanted.topology_spread_constraints = Some(Vec::new());
    wanted.proxy_args = vec!["--hold-limit".into(), "5".into()];
    let (pods, _) = made(&wanted, &cluster());
    let spec = &pods["spec"];
    assert_eq!(spec["serviceAccountName"], "own");
    assert_eq!(
        spec["nodeSelector"],
        json!({"kubernetes.io/os": "linux", "zone": "a"})
    );
    assert_eq!(spec["imagePullSecrets"], json!([{"name": "registry"}]));
    assert_eq!(spec["priorityClassName"], "high");
    assert_eq!(spec["tolerations"], json!([{}]));
    assert_eq!(spec["topologySpreadConstraints"], json!([]));
    assert_eq!(daprd(&pods)["resources"], json!({"limits": {"cpu": "2"}}));
    assert_eq!(proxy(&pods)["resources"], json!({"limits": {"cpu": "3"}}));
    assert!(args(proxy(&pods)).ends_with(" --hold-limit 5"));
}

#[rstest]
#[case::built_in(&[], Some(0), "25s", 51)]
#[case::old_cluster(&[], None, "25s", 51)]
#[case::of_the_cluster(&[], Some(10), "10s", 36)]
#[case::annotated(&[("block-shutdown-duration", "1m500ms"), ("graceful-shutdown-seconds", "20")], Some(10), "1m500ms", 101)]
#[case::unreadable(&[("block-shutdown-duration", "soon")], Some(10), "soon", 26)]
fn all_steps_of_a_stop_have_their_time(
    #[case] annotations: &[(&str, &str)],
    #[case] delay: Option<u32>,
    #[case] block: &str,
    #[case] seconds: i64,
) {
    let cluster = Cluster {
        shutdown_delay: delay,
        ..cluster()
    };
    let (pods, _) = made(&instance(App::None, annotations), &cluster);
    let told = format!("--dapr-block-shutdown-duration {block} ");
    assert!(args(daprd(&pods)).contains(&told));
    assert_eq!(pods["spec"]["terminationGracePeriodSeconds"], seconds);
}

#[test]
fn what_has_no_effect_is_said() {
    let annotations = [
        ("sidecar-listen-addresses", "0.0.0.0"),
        ("app-channel-address", "1.2.3.4"),
        ("unix-domain-socket-path", "/s"),
        ("volume-mounts", "v:/v"),
        ("pluggable-components", "c"),
        ("sidecar-seccomp-profile-type", "Unconfined"),
    ];
    let (pods, warnings) = made(&instance(App::None, &annotations), &cluster());
    for (key, _) in annotations {
        let said = |warning: &&String| warning.starts_with(&format!("dapr.io/{key}: "));
        assert_eq!(
            warnings.iter().filter(said).count(),
            1,
            "{key}: {warnings:?}"
        );
    }
    let text = pods["spec"].to_string();
    for lost in ["0.0.0.0", "1.2.3.4", "\"/s\"", "\"/v\"", "Unconfined"] {
        assert!(!text.contains(lost), "{lost}");
    }
    assert_eq!(made(&instance(App::None, &[]), &cluster()).1, [""; 0]);
    let (_, other) = made(&instance(App::None, &[("app-port", "x")]), &cluster());
    assert!(other[0].starts_with("dapr.io/app-port: \"x\""), "{other:?}");
}

/// What the `restricted` Pod Security Standard demands (Kubernetes: `pkg/policy` of
/// pod-security-admission).
fn is_restricted(pods: &Value) {
    let spec = &pods["spec"];
    for list in ["containers", "initContainers"] {
        for container in spec[list].as_array().unwrap() {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false);
            assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}));
            assert_eq!(context["runAsNonRoot"], true);
            assert_eq!(context["seccompProfile"], json!({"type": "RuntimeDefault"}));
            assert_ne!(context["runAsUser"], 0);
            assert_eq!(context.get("privileged"), None);
            assert_eq!(context.get("windowsOptions"), None);
            let ports = container["ports"].as_array().unwrap();
            assert!(ports.iter().all(|port| port.get("hostPort").is_none()));
        }
    }
    for host in ["hostNetwork", "hostPID", "hostIPC"] {
        assert_eq!(spec.get(host), None);
    }
    for volume in spec["volumes"].as_array().unwrap() {
        assert!(volume.get("secret").is_some() || volume.get("projected").is_some());
    }
}

#[rstest]
#[case::plain(&[])]
#[case::installs_certificates(&[("env", "SSL_CERT_DIR=/certs")])]
#[case::seccomp(&[("sidecar-seccomp-profile-type", "Unconfined")])]
#[case::sockets(&[("unix-domain-socket-path", "/s"), ("volume-mounts", "v:/v"), ("enable-debug", "true")])]
fn passes_the_restricted_standard_whatever_the_settings(#[case] annotations: &[(&str, &str)]) {
    let careless = Cluster {
        security: crate::SecurityDefaults {
            run_as_non_root: false,
            read_only_root: false,
            drop_all_capabilities: false,
            runtime_seccomp: false,
            run_as_user: Some(0),
            run_as_group: None,
        },
        ..cluster()
    };
    for cluster in [cluster(), careless] {
        is_restricted(&made(&instance(App::Pods(Some(80)), annotations), &cluster).0);
    }
}
