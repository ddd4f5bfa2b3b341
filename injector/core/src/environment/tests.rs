use rstest::rstest;

use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Cluster, EnvironmentError> {
    let base = [("NAMESPACE", "dapr-system"), ("SIDECAR_IMAGE", "daprd")];
    let all: Vec<_> = variables.iter().chain(&base).copied().collect();
    let env = |name: &str| {
        all.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| (*value).to_owned())
    };
    Cluster::read(&env, "search svc.k8s.io", true).map(|(cluster, _)| cluster)
}

#[test]
fn has_defaults() {
    let cluster = read(&[]).unwrap();
    assert_eq!(cluster.pull_policy, PullPolicy::Always);
    assert_eq!(cluster.domain, "k8s.io");
    let placement = "dapr-placement-server.dapr-system.svc.k8s.io:50005";
    assert_eq!(cluster.actors, Some(Actors::Placement(placement.into())));
    assert_eq!(cluster.reminders, None);
    assert_eq!(cluster.sockets_folder, SOCKETS_FOLDER);
    let security = cluster.security;
    assert!(security.run_as_non_root && security.read_only_root);
    assert!(security.drop_all_capabilities && security.runtime_seccomp);
    assert!(!cluster.host_ip);
    assert_eq!(cluster.trust_domain, "cluster.local");
}

#[rstest]
#[case::unset(None, PullPolicy::Always)]
#[case::empty(Some(""), PullPolicy::IfNotPresent)]
#[case::unknown(Some("x"), PullPolicy::IfNotPresent)]
#[case::never(Some("Never"), PullPolicy::Never)]
fn reads_the_pull_policy(#[case] value: Option<&str>, #[case] expected: PullPolicy) {
    let variables: Vec<_> = value
        .into_iter()
        .map(|value| ("SIDECAR_IMAGE_PULL_POLICY", value))
        .collect();
    assert_eq!(read(&variables).unwrap().pull_policy, expected);
}

#[rstest]
#[case::unset(&[], Native::OfJobs)]
#[case::chart(&[("NATIVE_SIDECAR_ENABLED", "false"), ("NATIVE_SIDECAR_IN_JOBS", "true")], Native::OfJobs)]
#[case::all(&[("NATIVE_SIDECAR_ENABLED", "true"), ("NATIVE_SIDECAR_IN_JOBS", "false")], Native::All)]
#[case::none(&[("NATIVE_SIDECAR_IN_JOBS", "false")], Native::None)]
fn reads_where_sidecars_are_native(#[case] variables: &[(&str, &str)], #[case] expected: Native) {
    assert_eq!(read(variables).unwrap().native, expected);
}

#[rstest]
#[case((1, 28), Native::None, None)]
#[case((1, 29), Native::OfJobs, None)]
#[case((1, 30), Native::OfJobs, Some(7))]
fn fits_the_cluster(
    #[case] version: (u32, u32),
    #[case] native: Native,
    #[case] delay: Option<u32>,
) {
    let cluster = read(&[("SHUTDOWN_DELAY_SECONDS", "7")]).unwrap();
    let cluster = cluster.fit_to(version);
    assert_eq!(cluster.native, native);
    assert_eq!(cluster.shutdown_delay, delay);
}

#[test]
fn security_can_be_switched_off() {
    let off = [
        ("SIDECAR_RUN_AS_NON_ROOT", "false"),
        ("SIDECAR_READ_ONLY_ROOT_FILESYSTEM", "0"),
        ("SIDECAR_DROP_ALL_CAPABILITIES", "false"),
        ("SIDECAR_SECCOMP_RUNTIME_DEFAULT", "no"),
        ("SIDECAR_RUN_AS_USER", "1000"),
        ("SIDECAR_RUN_AS_GROUP", ""),
    ];
    let security = read(&off).unwrap().security;
    assert!(!security.run_as_non_root && !security.read_only_root);
    assert!(!security.drop_all_capabilities && !security.runtime_seccomp);
    assert_eq!(
        (security.run_as_user, security.run_as_group),
        (Some(1000), None)
    );
}

#[rstest]
#[case::off(&[("ACTORS_ENABLED", "false")], None)]
#[case::placement(&[("ACTORS_SERVICE_NAME", "placement"), ("ACTORS_SERVICE_ADDRESS", "p:1")],
    Some(Actors::Placement("p.dapr-system.svc.k8s.io:1".into())))]
#[case::other(&[("ACTORS_SERVICE_NAME", "own"), ("ACTORS_SERVICE_ADDRESS", "s:2")],
    Some(Actors::Service("own:s.dapr-system.svc.k8s.io:2".into())))]
fn reads_who_places_actors(#[case] variables: &[(&str, &str)], #[case] expected: Option<Actors>) {
    assert_eq!(read(variables).unwrap().actors, expected);
}

#[rstest]
#[case("default", None)]
#[case("own", Some("own:r.dapr-system.svc.k8s.io:3"))]
fn reads_reminders(#[case] name: &str, #[case] expected: Option<&str>) {
    let variables = [
        ("REMINDERS_SERVICE_NAME", name),
        ("REMINDERS_SERVICE_ADDRESS", "r:3"),
    ];
    assert_eq!(read(&variables).unwrap().reminders.as_deref(), expected);
}

#[rstest]
#[case::list(r#"[{"key": "a", "effect": "NoSchedule"}]"#, 1, 0)]
#[case::nothing("", 0, 0)]
#[case::object(r#"{"key": "a"}"#, 0, 1)]
#[case::escaped(r#"[{\"key\":\"a\"}]"#, 0, 1)]
fn reads_tolerations(#[case] json: &str, #[case] expected: usize, #[case] warned: usize) {
    let env = |name: &str| match name {
        "NAMESPACE" | "SIDECAR_IMAGE" => Some("x".to_owned()),
        "IGNORE_ENTRYPOINT_TOLERATIONS" => Some(json.to_owned()),
        _ => None,
    };
    let (cluster, warnings) = Cluster::read(&env, "", true).unwrap();
    assert_eq!(cluster.entrypoint_tolerations.len(), expected);
    assert_eq!(warnings.len(), warned);
}

#[rstest]
#[case::namespace("NAMESPACE", "")]
#[case::user("SIDECAR_RUN_AS_USER", "root")]
#[case::delay("SHUTDOWN_DELAY_SECONDS", "7s")]
#[case::long_delay("SHUTDOWN_DELAY_SECONDS", "3601")]
#[case::actors("ACTORS_SERVICE_NAME", "own")]
#[case::reminders("REMINDERS_SERVICE_NAME", "own")]
#[case::no_json("SIDECAR_DEFAULTS", "dapr.io/log-level=debug")]
#[case::no_text("SIDECAR_DEFAULTS", r#"{"dapr.io/app-max-concurrency": 1}"#)]
#[case::foreign("SIDECAR_DEFAULTS", r#"{"log-level": "debug"}"#)]
#[case::of_pods("SIDECAR_DEFAULTS", r#"{"dapr.io/app-id": "one"}"#)]
#[case::mode("SIDECAR_DEFAULTS", r#"{"trilby.dev/mode": "shared"}"#)]
fn refuses(#[case] name: &str, #[case] value: &str) {
    assert!(
        read(&[(name, value)])
            .unwrap_err()
            .to_string()
            .contains("environment variable")
    );
}
