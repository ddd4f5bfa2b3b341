use rstest::rstest;
use serde_json::json;

use super::*;
use crate::{Defaults, Source, pod::Metadata, testing::cluster};

fn read(annotations: &[(&str, &str)]) -> (Options, Vec<String>) {
    read_all(annotations, &[], &[])
}

fn map(annotations: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    let named = annotations
        .iter()
        .map(|(key, value)| (format!("dapr.io/{key}"), (*value).to_owned()));
    named.collect::<Vec<_>>().into_iter()
}

fn read_all(
    pod: &[(&str, &str)],
    namespace: &[(&str, &str)],
    defaults: &[(&str, &str)],
) -> (Options, Vec<String>) {
    let pod = Metadata {
        annotations: map(pod).collect(),
        ..Metadata::default()
    };
    let layers = Layers {
        pod: &pod,
        namespace: &Defaults::new(map(namespace)).0,
        cluster: &Defaults::new(map(defaults)).0,
    };
    let (options, warnings) = Options::read(layers, &cluster());
    (options, warnings.iter().map(ToString::to_string).collect())
}

#[test]
fn takes_what_the_pod_lacks_from_its_namespace_then_from_the_cluster() {
    let namespace = [("log-level", "debug"), ("app-max-concurrency", "7")];
    let defaults = [
        ("log-level", "error"),
        ("app-max-concurrency", "8"),
        ("sidecar-image", "daprd:cluster"),
        ("metrics-port", "1"),
    ];
    let (options, warnings) = read_all(&[("log-level", "warn")], &namespace, &defaults);
    assert_eq!(options.log.level, "warn");
    assert_eq!(options.app.max_concurrency, Some(7));
    assert_eq!(options.container.image, "daprd:cluster");
    assert_eq!(options.listen.metrics_port, 9090);
    assert_eq!(warnings, [""; 0]);
}

#[rstest]
#[case::namespace(&[("app-max-concurrency", "x")], &[], "dapr.io/app-max-concurrency of the namespace: \"x\"")]
#[case::cluster(&[], &[("app-max-concurrency", "x")], "dapr.io/app-max-concurrency of the injector's defaults: \"x\"")]
fn says_where_a_wrong_value_is(
    #[case] namespace: &[(&str, &str)],
    #[case] defaults: &[(&str, &str)],
    #[case] says: &str,
) {
    let (_, warnings) = read_all(&[], namespace, defaults);
    assert!(warnings[0].starts_with(says), "{warnings:?}");
}

#[test]
fn has_defaults_and_no_warnings_without_annotations() {
    let (options, warnings) = read(&[]);
    assert!(warnings.is_empty());
    assert_eq!(
        (options.app.port, options.app.protocol.as_str()),
        (0, "http")
    );
    assert_eq!(
        (options.listen.grpc_port, options.listen.metrics_port),
        (50001, 9090)
    );
    assert_eq!(options.shutdown.grace, -1);
    assert_eq!(options.container.image, "daprd:test");
    assert!(options.listen.metrics && !options.container.native);
}

#[rstest]
#[case::word("app-port", "abc")]
#[case::empty("app-port", "")]
#[case::spaces("app-port", " 3000")]
#[case::underscore("app-port", "3_000")]
#[case::past_32_bits("app-port", "4294967297")]
#[case::concurrency("app-max-concurrency", "many")]
#[case::grace("graceful-shutdown-seconds", "5s")]
#[case::probe("sidecar-liveness-probe-delay-seconds", "x")]
fn ignores_what_is_no_number_and_says_so(#[case] key: &str, #[case] value: &str) {
    let (options, warnings) = read(&[(key, value)]);
    assert_eq!(options.app.port, 0);
    assert_eq!(options.app.max_concurrency, None);
    assert_eq!(options.shutdown.grace, -1);
    assert_eq!(options.container.liveness.delay, 180);
    let [warning] = &warnings[..] else {
        unreachable!("one warning, not {warnings:?}")
    };
    assert!(warning.starts_with(&format!("dapr.io/{key}: {value:?} is not a whole number")));
    assert!(warning.contains("write a whole number such as \"3000\""));
}

#[rstest]
#[case::flag("enable-debug", "yess", "read as false")]
#[case::port("metrics-port", "70000", "not a port")]
#[case::protocol("app-protocol", "ftp", "write one of http, https")]
#[case::level("log-level", "loud", "write one of debug, info")]
#[case::duration("block-shutdown-duration", "5", "not a duration")]
#[case::dissemination("actors-disseminate-timeout", "x", "not a duration")]
#[case::binding("app-binding-options-timeout", "30s", "daprd 1.18 has no such setting")]
#[case::size("max-body-size", "big", "not a size")]
#[case::buffer("read-buffer-size", "4KB", "not a size")]
#[case::resources("sidecar-cpu-limit", "lots", "all resource annotations")]
#[case::env("env", "A", "has no \\\"=\\\"")]
#[case::secret("env-from-secret", "A=b:c:d", "more than one colon")]
#[case::mount("volume-mounts", "a:/x:rw", "one colon")]
#[case::mount_rw("volume-mounts-rw", "a", "one colon")]
fn warns(#[case] key: &str, #[case] value: &str, #[case] says: &str) {
    let (_, warnings) = read(&[(key, value)]);
    let [warning] = &warnings[..] else {
        unreachable!("one warning, not {warnings:?}")
    };
    assert!(
        warning.starts_with(&format!("dapr.io/{key}: ")),
        "{warning}"
    );
    assert!(warning.contains(&says.replace("\\\"", "\"")), "{warning}");
}

#[rstest]
#[case("true", true)]
#[case(" Yes ", true)]
#[case("1", true)]
#[case("on", true)]
#[case("false", false)]
#[case("", false)]
#[case("2", false)]
fn reads_flags(#[case] value: &str, #[case] expected: bool) {
    let (options, _) = read(&[
        ("enable-api-logging", value),
        ("enable-metrics", value),
        ("enable-native-sidecar", value),
        ("enable-debug", value),
    ]);
    assert_eq!(options.log.api, Some(expected));
    assert_eq!(options.listen.metrics, expected);
    assert_eq!(options.container.native, expected);
    assert_eq!(options.listen.debug_port.is_some(), expected);
}

#[rstest]
#[case("", "")]
#[case("''", "")]
#[case("\"\"", "")]
#[case("   ", "")]
#[case("'  '", "")]
#[case("\"host:1\"", "host:1")]
#[case("' host:1 '", "host:1")]
fn strips_addresses(#[case] value: &str, #[case] expected: &str) {
    let keys = [
        ("placement-host-address", value),
        ("scheduler-host-address", value),
    ];
    let services = read(&keys).0.services;
    assert_eq!(services.placement.as_deref(), Some(expected));
    assert_eq!(services.scheduler.as_deref(), Some(expected));
}

#[rstest]
#[case("http", false, Some("http"))]
#[case("HTTP", true, Some("https"))]
#[case("grpc", true, Some("grpcs"))]
#[case("grpcs", false, Some("grpcs"))]
#[case("https", true, Some("https"))]
#[case("h2c", true, Some("h2c"))]
#[case("", true, Some("http"))]
#[case("ftp", false, None)]
fn names_the_protocol(#[case] protocol: &str, #[case] ssl: bool, #[case] expected: Option<&str>) {
    let (options, _) = read(&[("app-protocol", protocol), ("app-ssl", &ssl.to_string())]);
    assert_eq!(options.app.known_protocol(), expected);
}

#[test]
fn reads_variables_in_order() {
    let (options, _) = read(&[
        ("env", "A=1, B=x,y,C= z,D="),
        ("env-from-secret", "S=one, T= two : key ,U=a:b:c"),
    ]);
    let env = options.container.env;
    assert_eq!(env.names, ["A", "B", "C", "D", "S", "T", "U"]);
    let expected = json!([
        {"name": "A", "value": "1"},
        {"name": "B", "value": "x,y"},
        {"name": "C", "value": " z"},
        {"name": "D"},
        {"name": "S", "valueFrom": {"secretKeyRef": {"name": "one", "key": "one"}}},
        {"name": "T", "valueFrom": {"secretKeyRef": {"name": "two", "key": "key"}}},
    ]);
    assert_eq!(serde_json::to_value(env.variables).unwrap(), expected);
}

#[test]
fn prints_resources_canonically() {
    let (options, _) = read(&[
        ("sidecar-cpu-limit", "1.5"),
        ("sidecar-memory-request", "0.5Gi"),
    ]);
    let expected = json!({"limits": {"cpu": "1500m"}, "requests": {"memory": "512Mi"}});
    assert_eq!(
        serde_json::to_value(options.container.resources).unwrap(),
        expected
    );
}

#[test]
fn one_bad_amount_drops_all() {
    let (options, warnings) = read(&[("sidecar-cpu-limit", "1.5"), ("sidecar-memory-limit", "x")]);
    assert_eq!(
        serde_json::to_value(options.container.resources).unwrap(),
        json!({})
    );
    assert_eq!(warnings.len(), 1);
}

#[test]
fn reads_mounts_read_only_first() {
    let (options, _) = read(&[
        ("volume-mounts-rw", "c:/z"),
        ("volume-mounts", " a:/x , b:/y,"),
    ]);
    let mount = |volume: &str, path: &str, read_only| Mount {
        volume: volume.into(),
        path: path.into(),
        read_only,
    };
    let expected = [
        mount("a", "/x", true),
        mount("b", "/y", true),
        mount("c", "/z", false),
    ];
    assert_eq!(options.container.mounts, expected);
}

#[test]
fn tells_where_each_setting_comes_from() {
    let pod = Metadata {
        annotations: map(&[("log-level", "warn"), ("app-port", "x")]).collect(),
        ..Metadata::default()
    };
    let layers = Layers {
        pod: &pod,
        namespace: &Defaults::new(map(&[("log-level", "debug"), ("env", "A=1")])).0,
        cluster: &Defaults::new(map(&[("sidecar-cpu-limit", "1")])).0,
    };
    let settings = Options::settings(layers, &cluster(), (Mode::Sidecar, Source::BuiltIn));
    for (key, value, source) in [
        ("log-level", Some("warn"), Source::Pod),
        ("app-port", Some("0"), Source::BuiltIn),
        ("env", Some("A=1"), Source::Namespace),
        ("sidecar-cpu-limit", Some("1"), Source::Cluster),
        ("sidecar-image", Some("daprd:test"), Source::Cluster),
        (
            "placement-host-address",
            Some("placement:50005"),
            Source::Cluster,
        ),
        ("enable-native-sidecar", Some("false"), Source::Cluster),
        ("metrics-port", Some("9090"), Source::BuiltIn),
        ("block-shutdown-duration", None, Source::BuiltIn),
    ] {
        let annotation = format!("dapr.io/{key}");
        let found: Vec<_> = settings
            .iter()
            .filter(|setting| setting.annotation == annotation)
            .collect();
        let value = value.map(str::to_owned);
        assert_eq!(
            found,
            [&Setting {
                annotation,
                value,
                source
            }]
        );
    }
}

#[rstest]
#[case::absent(&[], "/sockets")]
#[case::empty(&[("pluggable-components-sockets-folder", "")], "/sockets")]
#[case::own(&[("pluggable-components-sockets-folder", "/own")], "/own")]
fn component_sockets_always_have_a_folder(
    #[case] annotations: &[(&str, &str)],
    #[case] expected: &str,
) {
    assert_eq!(read(annotations).0.components.folder, expected);
}
