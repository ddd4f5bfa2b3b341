//! What the environment says about all sidecars. A variable that is set but empty counts as set
//! only where said.

use std::collections::BTreeMap;

use config::truthy;

use crate::{
    Actors, Cluster, Defaults, Native, PullPolicy, SecurityDefaults, Toleration, Warning,
    domain::cluster_domain,
    is_setting,
    shared::{MODE, Mode},
};

const PLACEMENT: &str = "placement";
const PLACEMENT_ADDRESS: &str = "dapr-placement-server:50005";
const TRUST_DOMAIN: &str = "cluster.local";
/// First versions of Kubernetes in which these are on by default.
const NATIVE_SIDECARS: (u32, u32) = (1, 29);
const SLEEP_HOOKS: (u32, u32) = (1, 30);
/// A pod that takes longer than this to end is a mistake.
const MOST_DELAY: u32 = 3600;
const MODES: &str = "a trilby.dev/mode: sidecar, shared-deployment or shared-daemonset";
/// daprd's own default.
const SOCKETS_FOLDER: &str = "/tmp/dapr-components-sockets";

/// Why the environment can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
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
}

/// The environment: a variable's value, if it is set.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

// === impl Cluster ===

impl Cluster {
    /// Reads the variables that `env` looks up. `resolv_conf` tells the cluster's domain where no
    /// variable does; `scheduler` says whether sidecars are told of the scheduler. What is wrong
    /// but costs only a feature is warned of.
    ///
    /// # Errors
    /// A variable is missing, or its value can't be read.
    pub fn read(
        env: Lookup<'_>,
        resolv_conf: &str,
        scheduler: bool,
    ) -> Result<(Self, Vec<Warning>), EnvironmentError> {
        let mut cluster = cluster(env, resolv_conf, scheduler)?;
        cluster.actors = actors(env, &cluster)?;
        cluster.reminders = reminders(env, &cluster)?;
        let tolerations = tolerations(&text(env, "IGNORE_ENTRYPOINT_TOLERATIONS"));
        let (tolerations, warning) = match tolerations {
            Ok(tolerations) => (tolerations, None),
            Err(warning) => (Vec::new(), Some(warning)),
        };
        cluster.entrypoint_tolerations = tolerations;
        Ok((cluster, warning.into_iter().collect()))
    }

    /// Takes back what a Kubernetes of this version (major, minor) is too old for; it would refuse
    /// the pods.
    #[must_use]
    pub fn fit_to(self, version: (u32, u32)) -> Self {
        Self {
            native: if version < NATIVE_SIDECARS {
                Native::None
            } else {
                self.native
            },
            shutdown_delay: self.shutdown_delay.filter(|_| version >= SLEEP_HOOKS),
            ..self
        }
    }
}

fn cluster(
    env: Lookup<'_>,
    resolv_conf: &str,
    scheduler: bool,
) -> Result<Cluster, EnvironmentError> {
    let namespace = non_empty(env, "NAMESPACE").ok_or(EnvironmentError::Missing("NAMESPACE"))?;
    Ok(Cluster {
        image: env("SIDECAR_IMAGE").ok_or(EnvironmentError::Missing("SIDECAR_IMAGE"))?,
        pull_policy: pull_policy(env),
        namespace,
        domain: non_empty(env, "KUBE_CLUSTER_DOMAIN")
            .unwrap_or_else(|| cluster_domain(resolv_conf)),
        trust_domain: non_empty(env, "DAPR_CONTROL_PLANE_TRUST_DOMAIN")
            .unwrap_or_else(|| TRUST_DOMAIN.into()),
        actors: None,
        reminders: None,
        scheduler,
        host_ip: truthy(&text(env, "ENABLE_K8S_DOWNWARD_APIS")),
        native: native(env),
        shutdown_delay: Some(shutdown_delay(env)?),
        defaults: defaults(env)?,
        entrypoint_tolerations: Vec::new(),
        sockets_folder: env("DAPR_COMPONENT_SOCKETS_FOLDER")
            .unwrap_or_else(|| SOCKETS_FOLDER.into()),
        security: security(env)?,
    })
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
fn shutdown_delay(env: Lookup<'_>) -> Result<u32, EnvironmentError> {
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
fn security(env: Lookup<'_>) -> Result<SecurityDefaults, EnvironmentError> {
    Ok(SecurityDefaults {
        run_as_non_root: on(env, "SIDECAR_RUN_AS_NON_ROOT"),
        read_only_root: on(env, "SIDECAR_READ_ONLY_ROOT_FILESYSTEM"),
        drop_all_capabilities: on(env, "SIDECAR_DROP_ALL_CAPABILITIES"),
        runtime_seccomp: on(env, "SIDECAR_SECCOMP_RUNTIME_DEFAULT"),
        run_as_user: id(env, "SIDECAR_RUN_AS_USER")?,
        run_as_group: id(env, "SIDECAR_RUN_AS_GROUP")?,
    })
}

fn id(env: Lookup<'_>, name: &'static str) -> Result<Option<i64>, EnvironmentError> {
    let value = non_empty(env, name);
    let id = |value: String| {
        value
            .parse()
            .map_err(|_| invalid(name, value, "a whole number"))
    };
    value.map(id).transpose()
}

/// Bad JSON costs the feature, not the start: that is how charts in use have it.
fn tolerations(json: &str) -> Result<Vec<Toleration>, Warning> {
    if json.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(json).map_err(|error| {
        Warning::new(format!(
            "IGNORE_ENTRYPOINT_TOLERATIONS is no JSON list of tolerations and is ignored: {error}"
        ))
    })
}

/// A JSON object of annotations and their values.
fn defaults(env: Lookup<'_>) -> Result<Defaults, EnvironmentError> {
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
    if let Some(mode) = annotations
        .get(MODE)
        .filter(|mode| mode.parse::<Mode>().is_err())
    {
        return Err(invalid(NAME, mode.clone(), MODES));
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

fn actors(env: Lookup<'_>, cluster: &Cluster) -> Result<Option<Actors>, EnvironmentError> {
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
fn reminders(env: Lookup<'_>, cluster: &Cluster) -> Result<Option<String>, EnvironmentError> {
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
fn address(
    cluster: &Cluster,
    name: &'static str,
    service: &str,
) -> Result<String, EnvironmentError> {
    let parsed = service.split_once(':').filter(|(host, _)| !host.is_empty());
    let parsed = parsed.and_then(|(host, port)| Some((host, port.parse().ok()?)));
    match parsed {
        Some((host, port @ 1_u16..)) => Ok(cluster.address(host, port)),
        _ => Err(invalid(name, service.to_owned(), "a service as name:port")),
    }
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

const fn invalid(name: &'static str, value: String, expected: &'static str) -> EnvironmentError {
    EnvironmentError::Invalid {
        name,
        value,
        expected,
    }
}

#[cfg(test)]
mod tests;
