use rstest::rstest;

use super::*;

fn converted(values: &Value) -> (Value, Vec<String>) {
    let (instance, remarks) = convert(values.clone(), None).unwrap();
    let typed: SharedInstance = serde_json::from_value(instance.clone()).unwrap();
    assert_eq!(typed.app_id(), values["shared"]["appId"]);
    (
        instance["spec"].clone(),
        remarks.into_iter().map(|remark| remark.key).collect(),
    )
}

#[test]
fn what_the_chart_has_by_default_stays() {
    let (spec, remarks) = converted(&json!({"shared": {"appId": "till"}}));
    let expected = json!({
        "strategy": "DaemonSet",
        "tolerations": [
            {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"},
            {"key": "node-role.kubernetes.io/master", "operator": "Exists", "effect": "NoSchedule"},
        ],
        "annotations": {"dapr.io/log-as-json": "true", "dapr.io/enable-api-logging": "true"},
    });
    assert_eq!(spec, expected);
    assert_eq!(remarks, ["shared.appId"]);
}

#[test]
fn both_states_of_the_chart_are_read() {
    let values = json!({
        "shared": {
            "appId": "till", "remoteURL": "till.bank.svc", "remotePort": "8080",
            "strategy": "deployment", "deployment": {"replicas": 3},
            "log": {"level": "warn", "json": false},
            "serviceAccount": {"create": false, "name": "clerk", "annotations": {}},
            "service": {"type": "NodePort"},
            "scheduling": {"nodeSelector": {"disk": "fast"}},
            "daprd": {
                "app": {"protocol": "grpc"}, "config": "tracing", "internalGrpcPort": 6000,
                "gracefulShutdownSeconds": 9,
                "metrics": {"enabled": false, "port": 9999},
                "apiLogging": {"enabled": false},
                "appHealth": {"enabled": true, "path": "/up", "probeInterval": 7, "threshold": 2},
            },
        },
        "tolerations": [],
        "affinity": {"nodeAffinity": {}},
        "podAnnotations": {"dapr.io/max-body-size": "8Mi", "example.com/a": "b"},
    });
    let (spec, remarks) = converted(&values);
    let expected = json!({
        "strategy": "Deployment", "replicas": 3,
        "app": {"host": "till.bank.svc", "port": 8080, "protocol": "grpc"},
        "serviceAccountName": "clerk",
        "service": {"type": "NodePort"},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [],
        "affinity": {"nodeAffinity": {}},
        "annotations": {
            "dapr.io/log-level": "warn", "dapr.io/log-as-json": "false",
            "dapr.io/config": "tracing", "dapr.io/internal-grpc-port": "6000",
            "dapr.io/graceful-shutdown-seconds": "9",
            "dapr.io/enable-metrics": "false", "dapr.io/metrics-port": "9999",
            "dapr.io/enable-api-logging": "false",
            "dapr.io/enable-app-health-check": "true", "dapr.io/app-health-check-path": "/up",
            "dapr.io/app-health-probe-interval": "7", "dapr.io/app-health-threshold": "2",
            "dapr.io/max-body-size": "8Mi",
        },
        "podAnnotations": {"example.com/a": "b"},
    });
    assert_eq!(spec, expected);
    assert_eq!(remarks, ["shared.remoteURL", "shared.appId"]);
}

#[rstest]
#[case::older(json!({"controlPlane": {"namespace": "x", "trustDomain": "y", "sentryAddress": "z"}}),
    &["shared.controlPlane.namespace", "shared.controlPlane.trustDomain", "shared.controlPlane.sentryAddress"])]
#[case::newer(json!({"controlPlane": {"sentry": {"address": "a", "port": 443}}, "scheduler": {"address": "s"}}),
    &["shared.controlPlane.sentry.address", "shared.controlPlane.sentry.port", "shared.scheduler.address"])]
#[case::tokens(json!({"daprd": {"token": "t", "app": {"token": true}}, "initContainer": {"token": "i"}}),
    &["shared.initContainer.token", "shared.daprd.app.token", "shared.daprd.token"])]
#[case::empty(json!({"daprd": {"token": ""}, "serviceAccount": {"annotations": {}}}), &[])]
#[case::image(json!({"daprd": {"image": {"registry": "r", "tag": "1.15.7"}}}),
    &["shared.daprd.image.registry", "shared.daprd.image.tag"])]
#[case::replicas(json!({"deployment": {"replicas": 2}}), &["shared.deployment.replicas"])]
#[case::no_port(json!({"remoteURL": "h", "remotePort": 0}), &["shared.remoteURL"])]
fn what_has_no_place_is_named(#[case] shared: Value, #[case] expected: &[&str]) {
    let mut values = json!({"shared": shared});
    values["shared"]["appId"] = "till".into();
    let (_, mut remarks) = converted(&values);
    assert_eq!(remarks.pop().as_deref(), Some("shared.appId"));
    assert_eq!(remarks, expected);
}

#[test]
fn of_a_url_the_host_is_taken() {
    let values = json!({"shared": {
        "appId": "till", "remoteURL": "http://till.bank/api", "remotePort": 80,
    }});
    let (spec, _) = converted(&values);
    assert_eq!(spec["app"], json!({"host": "till.bank", "port": 80}));
}

#[rstest]
#[case::list(json!([]), "no YAML mapping")]
#[case::no_app_id(json!({}), "shared.appId can't be used: dapr.io/app-id is missing")]
#[case::app_id(json!({"shared": {"appId": "A"}}), "shared.appId can't be used")]
#[case::unknown(json!({"shared": {"appId": "a", "dapr": {"x": 1}}, "y": null, "z": true}),
    "not known: shared.dapr.x, y, z;")]
#[case::strategy(json!({"shared": {"appId": "a", "strategy": "x"}}), "daemonset or deployment")]
#[case::port(json!({"shared": {"appId": "a", "remotePort": 65536}}), "shared.remotePort is 65536")]
#[case::protocol(json!({"shared": {"appId": "a", "daprd": {"app": {"protocol": "tcp"}}}}), "h2c")]
#[case::service(json!({"shared": {"appId": "a", "service": {"type": "x"}}}), "NodePort")]
#[case::shape(json!({"shared": {"appId": "a", "log": {"level": {}}}}), "shared.log.level is {}")]
fn what_the_chart_could_not_use_is_refused(#[case] values: Value, #[case] says: &str) {
    let error = convert(values, None).unwrap_err().to_string();
    assert!(error.contains(says), "{error}");
}
