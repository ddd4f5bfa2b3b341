//! What the environment says. A variable that is set but empty counts as set only where said.

use std::{collections::BTreeMap, path::PathBuf};

use config::truthy;
use identity_core::TrustDomain;
use injector_core::{
    Actors, Callers, Cluster, Defaults, Native, PatternError, PullPolicy, SecurityDefaults,
    Toleration, is_setting,
};

use crate::{Kubernetes, domain::cluster_domain};

const PLACEMENT: &str = "placement";
const PLACEMENT_ADDRESS: &str = "dapr-placement-server:50005";
const TRUST_ANCHORS: &str = "/var/run/dapr.io/tls/ca.crt";
/// First versions of Kubernetes in which these are on by default.
const NATIVE_SIDECARS: (u32, u32) = (1, 29);
const SLEEP_HOOKS: (u32, u32) = (1, 30);
/// A pod that takes longer than this to end is a mistake.
const MOST_DELAY: u32 = 3600;
/// daprd's own default.
const SOCKETS_FOLDER: &str = "/tmp/dapr-components-sockets";

/// All settings of the injector that don't come by flag.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What shapes the sidecars.
    pub cluster: Cluster,
    /// Who may have pods injected.
    pub callers: Callers,
    /// Trust domain of the control plane.
    pub trust_domain: TrustDomain,
    /// The file of the trust anchors.
    pub trust_anchors: PathBuf,
    /// `host:port` of sentry.
    pub sentry_address: String,
}

/// Why the environment can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A variable that has no default.
    #[error("the environment variable {0} must be set")]
    Missing(&'static str),
    /// A value that can't be read.
    #[error("the environment variable {name} is \"{value}\", which is not {expected}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The allowed service accounts can't be read.
    #[error("the allowed service accounts could not be read")]
    Callers(#[source] PatternError),
}

/// The environment: a variable's value, if it is set.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

// === impl Settings ===

impl Settings {
    /// Reads the variables that `env` looks up. `resolv_conf` tells the cluster's domain where no
    /// variable does; `scheduler` says whether sidecars are told of the scheduler.
    ///
    /// # Errors
    /// A variable is missing, or its value can't be read.
    pub fn read(
        env: Lookup<'_>,
        resolv_conf: &str,
        scheduler: bool,
    ) -> Result<Self, SettingsError> {
        let trust_domain = non_empty(env, "DAPR_CONTROL_PLANE_TRUST_DOMAIN");
        let trust_domain = trust_domain.unwrap_or_else(|| "cluster.local".into());
        Ok(Self {
            cluster: cluster(env, resolv_conf, scheduler, &trust_domain)?,
            callers: callers(env)?,
            trust_domain: TrustDomain::new(&trust_domain).map_err(|_| {
                invalid(
                    "DAPR_CONTROL_PLANE_TRUST_DOMAIN",
                    trust_domain,
                    "a SPIFFE trust domain",
                )
            })?,
            trust_anchors: non_empty(env, "DAPR_TRUST_ANCHORS_FILE")
                .map_or_else(|| TRUST_ANCHORS.into(), PathBuf::from),
            sentry_address: text(env, "DAPR_SENTRY_ADDRESS"),
        })
    }

    /// Takes back what `kubernetes` is too old for; it would refuse the pods.
    pub(crate) async fn fit_to(&mut self, kubernetes: &Kubernetes) {
        match kubernetes.version().await {
            Ok(version) => self.fit_to_version(version),
            Err(error) => {
                tracing::warn!(%error, "the cluster's version is not known; taking it for an old one");
                self.fit_to_version((0, 0));
            }
        }
    }

    fn fit_to_version(&mut self, version: (u32, u32)) {
        if version < NATIVE_SIDECARS {
            self.cluster.native = Native::None;
        }
        if version < SLEEP_HOOKS {
            self.cluster.shutdown_delay = None;
        }
    }
}

fn cluster(
    env: Lookup<'_>,
    resolv_conf: &str,
    scheduler: bool,
    trust_domain: &str,
) -> Result<Cluster, SettingsError> {
    let namespace = non_empty(env, "NAMESPACE").ok_or(SettingsError::Missing("NAMESPACE"))?;
    let mut cluster = Cluster {
        image: env("SIDECAR_IMAGE").ok_or(SettingsError::Missing("SIDECAR_IMAGE"))?,
        pull_policy: pull_policy(env),
        namespace,
        domain: non_empty(env, "KUBE_CLUSTER_DOMAIN")
            .unwrap_or_else(|| cluster_domain(resolv_conf)),
        trust_domain: trust_domain.to_owned(),
        actors: None,
        reminders: None,
        scheduler,
        host_ip: truthy(&text(env, "ENABLE_K8S_DOWNWARD_APIS")),
        native: native(env),
        shutdown_delay: Some(shutdown_delay(env)?),
        defaults: defaults(env)?,
        entrypoint_tolerations: tolerations(&text(env, "IGNORE_ENTRYPOINT_TOLERATIONS")),
        sockets_folder: env("DAPR_COMPONENT_SOCKETS_FOLDER")
            .unwrap_or_else(|| SOCKETS_FOLDER.into()),
        security: security(env)?,
    };
    cluster.actors = actors(env, &cluster)?;
    cluster.reminders = reminders(env, &cluster)?;
    Ok(cluster)
}

fn native(env: Lookup<'_>) -> Native {
    if truthy(&text(env, "NATIVE_SIDECAR_ENABLED")) {
        Native::All
    } else if on(env, "NATIVE_SIDECAR_IN_JOBS") {
        Native::OfJobs
    } else {
        Native::None
    }
}

/// In seconds.
fn shutdown_delay(env: Lookup<'_>) -> Result<u32, SettingsError> {
    const NAME: &str = "SHUTDOWN_DELAY_SECONDS";
    let value = text(env, NAME);
    match value.parse() {
        _ if value.is_empty() => Ok(0),
        Ok(seconds @ 0..=MOST_DELAY) => Ok(seconds),
        _ => Err(invalid(NAME, value, "a whole number from 0 to 3600")),
    }
}

fn pull_policy(env: Lookup<'_>) -> PullPolicy {
    env("SIDECAR_IMAGE_PULL_POLICY").map_or(PullPolicy::Always, |value| PullPolicy::parse(&value))
}

/// On where the environment is silent, so that sidecars pass the `restricted` standard.
fn security(env: Lookup<'_>) -> Result<SecurityDefaults, SettingsError> {
    Ok(SecurityDefaults {
        run_as_non_root: on(env, "SIDECAR_RUN_AS_NON_ROOT"),
        read_only_root: on(env, "SIDECAR_READ_ONLY_ROOT_FILESYSTEM"),
        drop_all_capabilities: on(env, "SIDECAR_DROP_ALL_CAPABILITIES"),
        runtime_seccomp: on(env, "SIDECAR_SECCOMP_RUNTIME_DEFAULT"),
        run_as_user: id(env, "SIDECAR_RUN_AS_USER")?,
        run_as_group: id(env, "SIDECAR_RUN_AS_GROUP")?,
    })
}

fn id(env: Lookup<'_>, name: &'static str) -> Result<Option<i64>, SettingsError> {
    let value = non_empty(env, name);
    let id = |value: String| {
        value
            .parse()
            .map_err(|_| invalid(name, value, "a whole number"))
    };
    value.map(id).transpose()
}

/// Bad JSON costs the feature, not the start: that is how charts in use have it.
fn tolerations(json: &str) -> Vec<Toleration> {
    if json.is_empty() {
        return Vec::new();
    }
    serde_json::from_str(json).unwrap_or_else(|error| {
        tracing::warn!(%error, "IGNORE_ENTRYPOINT_TOLERATIONS is no JSON list of tolerations; ignoring it");
        Vec::new()
    })
}

/// A JSON object of annotations and their values.
fn defaults(env: Lookup<'_>) -> Result<Defaults, SettingsError> {
    const NAME: &str = "SIDECAR_DEFAULTS";
    let Some(json) = non_empty(env, NAME) else {
        return Ok(Defaults::default());
    };
    let expected = "a JSON object of dapr.io annotations and texts";
    let annotations: BTreeMap<String, String> =
        serde_json::from_str(&json).map_err(|_| invalid(NAME, json, expected))?;
    if let Some(foreign) = annotations.keys().find(|key| !is_setting(key)) {
        return Err(invalid(NAME, foreign.clone(), expected));
    }
    match Defaults::new(annotations) {
        (defaults, refused) if refused.is_empty() => Ok(defaults),
        (_, refused) => Err(invalid(
            NAME,
            refused.join(" "),
            "an annotation that can be a default",
        )),
    }
}

fn actors(env: Lookup<'_>, cluster: &Cluster) -> Result<Option<Actors>, SettingsError> {
    if !on(env, "ACTORS_ENABLED") {
        return Ok(None);
    }
    let placement = |service: &str| address(cluster, "ACTORS_SERVICE_ADDRESS", service);
    let Some(name) = non_empty(env, "ACTORS_SERVICE_NAME") else {
        return Ok(Some(Actors::Placement(placement(PLACEMENT_ADDRESS)?)));
    };
    let address = placement(&text(env, "ACTORS_SERVICE_ADDRESS"))?;
    Ok(Some(match name.as_str() {
        PLACEMENT => Actors::Placement(address),
        _ => Actors::Service(format!("{name}:{address}")),
    }))
}

/// The name `default` stands for reminders without a service of their own.
fn reminders(env: Lookup<'_>, cluster: &Cluster) -> Result<Option<String>, SettingsError> {
    let name = non_empty(env, "REMINDERS_SERVICE_NAME").filter(|name| name != "default");
    let service = text(env, "REMINDERS_SERVICE_ADDRESS");
    let full = |name| {
        Ok(format!(
            "{name}:{}",
            address(cluster, "REMINDERS_SERVICE_ADDRESS", &service)?
        ))
    };
    name.map(full).transpose()
}

/// Turns `name:port` into the full address of a service of the control plane.
fn address(cluster: &Cluster, name: &'static str, service: &str) -> Result<String, SettingsError> {
    let parsed = service.split_once(':').filter(|(host, _)| !host.is_empty());
    let parsed = parsed.and_then(|(host, port)| Some((host, port.parse().ok()?)));
    match parsed {
        Some((host, port @ 1_u16..)) => Ok(cluster.address(host, port)),
        _ => Err(invalid(name, service.to_owned(), "a service as name:port")),
    }
}

fn callers(env: Lookup<'_>) -> Result<Callers, SettingsError> {
    const DEPRECATED: &str = "ALLOWED_SERVICE_ACCOUNTS_PREFIX_NAMES";
    let deprecated = text(env, DEPRECATED);
    if !deprecated.is_empty() {
        tracing::warn!("{DEPRECATED} is deprecated: move its entries to ALLOWED_SERVICE_ACCOUNTS");
    }
    Callers::new(&text(env, "ALLOWED_SERVICE_ACCOUNTS"), &deprecated)
        .map_err(SettingsError::Callers)
}

fn text(env: Lookup<'_>, name: &str) -> String {
    env(name).unwrap_or_default()
}

/// Whether a switch is on; one that nobody set is.
fn on(env: Lookup<'_>, name: &str) -> bool {
    non_empty(env, name).is_none_or(|value| truthy(&value))
}

fn non_empty(env: Lookup<'_>, name: &str) -> Option<String> {
    env(name).filter(|value| !value.is_empty())
}

const fn invalid(name: &'static str, value: String, expected: &'static str) -> SettingsError {
    SettingsError::Invalid {
        name,
        value,
        expected,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let base = [("NAMESPACE", "dapr-system"), ("SIDECAR_IMAGE", "daprd")];
        let all: Vec<_> = variables.iter().chain(&base).copied().collect();
        let env = |name: &str| {
            all.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Settings::read(&env, "search svc.k8s.io", true)
    }

    #[test]
    fn has_defaults() {
        let Settings {
            cluster,
            trust_domain,
            trust_anchors,
            ..
        } = read(&[]).unwrap();
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
        assert_eq!(trust_domain.to_string(), "cluster.local");
        assert_eq!(trust_anchors.to_str(), Some(TRUST_ANCHORS));
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
        assert_eq!(read(&variables).unwrap().cluster.pull_policy, expected);
    }

    #[rstest]
    #[case::unset(&[], Native::OfJobs)]
    #[case::chart(&[("NATIVE_SIDECAR_ENABLED", "false"), ("NATIVE_SIDECAR_IN_JOBS", "true")], Native::OfJobs)]
    #[case::all(&[("NATIVE_SIDECAR_ENABLED", "true"), ("NATIVE_SIDECAR_IN_JOBS", "false")], Native::All)]
    #[case::none(&[("NATIVE_SIDECAR_IN_JOBS", "false")], Native::None)]
    fn reads_where_sidecars_are_native(
        #[case] variables: &[(&str, &str)],
        #[case] expected: Native,
    ) {
        assert_eq!(read(variables).unwrap().cluster.native, expected);
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
        let mut settings = read(&[("SHUTDOWN_DELAY_SECONDS", "7")]).unwrap();
        settings.fit_to_version(version);
        assert_eq!(settings.cluster.native, native);
        assert_eq!(settings.cluster.shutdown_delay, delay);
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
        let security = read(&off).unwrap().cluster.security;
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
    fn reads_who_places_actors(
        #[case] variables: &[(&str, &str)],
        #[case] expected: Option<Actors>,
    ) {
        assert_eq!(read(variables).unwrap().cluster.actors, expected);
    }

    #[rstest]
    #[case("default", None)]
    #[case("own", Some("own:r.dapr-system.svc.k8s.io:3"))]
    fn reads_reminders(#[case] name: &str, #[case] expected: Option<&str>) {
        let variables = [
            ("REMINDERS_SERVICE_NAME", name),
            ("REMINDERS_SERVICE_ADDRESS", "r:3"),
        ];
        assert_eq!(
            read(&variables).unwrap().cluster.reminders.as_deref(),
            expected
        );
    }

    #[rstest]
    #[case::list(r#"[{"key": "a", "effect": "NoSchedule"}]"#, 1)]
    #[case::object(r#"{"key": "a"}"#, 0)]
    #[case::escaped(r#"[{\"key\":\"a\"}]"#, 0)]
    fn reads_tolerations(#[case] json: &str, #[case] expected: usize) {
        let cluster = read(&[("IGNORE_ENTRYPOINT_TOLERATIONS", json)])
            .unwrap()
            .cluster;
        assert_eq!(cluster.entrypoint_tolerations.len(), expected);
    }

    #[rstest]
    #[case::namespace("NAMESPACE", "")]
    #[case::user("SIDECAR_RUN_AS_USER", "root")]
    #[case::delay("SHUTDOWN_DELAY_SECONDS", "7s")]
    #[case::long_delay("SHUTDOWN_DELAY_SECONDS", "3601")]
    #[case::trust_domain("DAPR_CONTROL_PLANE_TRUST_DOMAIN", "Not A Domain")]
    #[case::actors("ACTORS_SERVICE_NAME", "own")]
    #[case::reminders("REMINDERS_SERVICE_NAME", "own")]
    #[case::no_json("SIDECAR_DEFAULTS", "dapr.io/log-level=debug")]
    #[case::no_text("SIDECAR_DEFAULTS", r#"{"dapr.io/app-max-concurrency": 1}"#)]
    #[case::foreign("SIDECAR_DEFAULTS", r#"{"log-level": "debug"}"#)]
    #[case::of_pods("SIDECAR_DEFAULTS", r#"{"dapr.io/app-id": "one"}"#)]
    fn refuses(#[case] name: &str, #[case] value: &str) {
        assert!(
            read(&[(name, value)])
                .unwrap_err()
                .to_string()
                .contains("environment variable")
        );
    }

    #[test]
    fn refuses_accounts_that_are_no_patterns() {
        assert!(matches!(
            read(&[("ALLOWED_SERVICE_ACCOUNTS", "name")]),
            Err(SettingsError::Callers(_))
        ));
    }
}
