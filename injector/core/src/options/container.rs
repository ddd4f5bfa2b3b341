//! What shapes the containers: image, environment, resources, probes, mounts, components.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::ResourceRequirements, apimachinery::pkg::api::resource::Quantity as Amount,
};

use super::{Env, Reader};
use crate::{Cluster, Quantity, Source, shared::API_TLS_SECRET};

#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub(crate) image: String,
    pub(crate) env: Env,
    pub(crate) api_token_secret: String,
    pub(crate) app_token_secret: String,
    /// The Secret by which a shared instance speaks TLS to its apps; empty for plain text.
    pub(crate) api_tls_secret: String,
    pub(crate) resources: ResourceRequirements,
    pub(crate) liveness: Probe,
    pub(crate) readiness: Probe,
    pub(crate) seccomp_profile: String,
    pub(crate) mounts: Vec<Mount>,
    /// Where the app finds daprd's socket; empty for none.
    pub(crate) socket_path: String,
    pub(crate) native: bool,
}

/// Times in seconds.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub(crate) delay: i32,
    pub(crate) timeout: i32,
    pub(crate) period: i32,
    pub(crate) threshold: i32,
}

/// A volume of the pod that daprd sees too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) volume: String,
    pub(crate) path: String,
    pub(crate) read_only: bool,
}

/// Pluggable components.
#[derive(Clone, Debug)]
pub(crate) struct Components {
    /// Whether containers named by the namespace's Components are added.
    pub(crate) inject: bool,
    /// Containers of the pod that are components.
    pub(crate) declared: Vec<String>,
    pub(crate) folder: String,
}

// === impl Container ===

impl Container {
    pub(super) fn read(reader: &mut Reader<'_>, cluster: &Cluster, native: bool) -> Self {
        Self {
            image: reader.text_or("dapr.io/sidecar-image", &cluster.image, Source::Cluster),
            env: Env::read(reader),
            api_token_secret: reader.text("dapr.io/api-token-secret", ""),
            app_token_secret: reader.text("dapr.io/app-token-secret", ""),
            api_tls_secret: reader.text(API_TLS_SECRET, ""),
            resources: resources(reader),
            liveness: liveness(reader),
            readiness: readiness(reader),
            seccomp_profile: reader.text("dapr.io/sidecar-seccomp-profile-type", ""),
            mounts: mounts(reader),
            socket_path: reader.text("dapr.io/unix-domain-socket-path", ""),
            native: self::native(reader, native),
        }
    }
}

/// Whether daprd is a restartable init container; where no annotation says, the cluster does.
fn native(reader: &mut Reader<'_>, default: bool) -> bool {
    const KEY: &str = "dapr.io/enable-native-sidecar";
    let annotated = reader.optional_flag(KEY);
    if annotated.is_none() {
        reader.note(KEY, Some(default), Source::Cluster);
    }
    annotated.unwrap_or(default)
}

fn liveness(reader: &mut Reader<'_>) -> Probe {
    Probe {
        delay: reader.integer("dapr.io/sidecar-liveness-probe-delay-seconds", 180),
        timeout: reader.integer("dapr.io/sidecar-liveness-probe-timeout-seconds", 3),
        period: reader.integer("dapr.io/sidecar-liveness-probe-period-seconds", 10),
        threshold: reader.integer("dapr.io/sidecar-liveness-probe-threshold", 5),
    }
}

fn readiness(reader: &mut Reader<'_>) -> Probe {
    Probe {
        delay: reader.integer("dapr.io/sidecar-readiness-probe-delay-seconds", 1),
        timeout: reader.integer("dapr.io/sidecar-readiness-probe-timeout-seconds", 1),
        period: reader.integer("dapr.io/sidecar-readiness-probe-period-seconds", 1),
        threshold: reader.integer("dapr.io/sidecar-readiness-probe-threshold", 5),
    }
}

/// All four amounts, or none of them where one can't be read.
fn resources(reader: &mut Reader<'_>) -> ResourceRequirements {
    let amounts = [
        amount(reader, "dapr.io/sidecar-cpu-request"),
        amount(reader, "dapr.io/sidecar-memory-request"),
        amount(reader, "dapr.io/sidecar-cpu-limit"),
        amount(reader, "dapr.io/sidecar-memory-limit"),
    ];
    let [
        Ok(cpu_request),
        Ok(memory_request),
        Ok(cpu_limit),
        Ok(memory_limit),
    ] = amounts
    else {
        return ResourceRequirements::default();
    };
    ResourceRequirements {
        requests: list(cpu_request, memory_request),
        limits: list(cpu_limit, memory_limit),
        claims: None,
    }
}

/// The amount, `None` where it is absent or empty, or an error that was warned about.
fn amount(reader: &mut Reader<'_>, key: &str) -> Result<Option<Amount>, ()> {
    let value = reader.raw(key).unwrap_or_default();
    match value.parse::<Quantity>() {
        _ if value.is_empty() => Ok(None),
        Ok(quantity) => Ok(Some(Amount(quantity.to_string()))),
        Err(_) => {
            let problem = "is not a quantity, so all resource annotations were ignored";
            reader.warn(
                key,
                value,
                problem,
                "write one such as \"100m\" or \"128Mi\"",
            );
            Err(())
        }
    }
}

fn list(cpu: Option<Amount>, memory: Option<Amount>) -> Option<BTreeMap<String, Amount>> {
    let amounts = [("cpu", cpu), ("memory", memory)];
    let amounts = amounts
        .into_iter()
        .filter_map(|(name, amount)| Some((name.into(), amount?)));
    Some(amounts.collect::<BTreeMap<_, _>>()).filter(|amounts| !amounts.is_empty())
}

/// Read-only mounts first.
fn mounts(reader: &mut Reader<'_>) -> Vec<Mount> {
    let mut mounts = mount_list(reader, "dapr.io/volume-mounts", true);
    mounts.extend(mount_list(reader, "dapr.io/volume-mounts-rw", false));
    mounts
}

fn mount_list(reader: &mut Reader<'_>, key: &str, read_only: bool) -> Vec<Mount> {
    let mut mounts = Vec::new();
    let entries = reader
        .raw(key)
        .unwrap_or_default()
        .split(',')
        .map(str::trim);
    for entry in entries.filter(|entry| !entry.is_empty()) {
        match entry.split(':').collect::<Vec<_>>()[..] {
            [volume, path] => mounts.push(Mount {
                volume: volume.into(),
                path: path.into(),
                read_only,
            }),
            _ => reader.warn(
                key,
                entry,
                "was ignored",
                "write volume:path with one colon",
            ),
        }
    }
    mounts
}

// === impl Components ===

impl Components {
    pub(super) fn read(reader: &mut Reader<'_>, cluster: &Cluster) -> Self {
        let declared = reader
            .raw("dapr.io/pluggable-components")
            .unwrap_or_default()
            .split(',');
        Self {
            inject: reader.flag("dapr.io/inject-pluggable-components", false),
            declared: declared
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
            folder: folder(reader, &cluster.sockets_folder),
        }
    }
}

/// The annotated folder, if the annotation names one: nothing can be mounted without a path.
fn folder(reader: &mut Reader<'_>, default: &str) -> String {
    const KEY: &str = "dapr.io/pluggable-components-sockets-folder";
    let annotated = reader.raw(KEY).filter(|folder| !folder.is_empty());
    if annotated.is_none() {
        reader.note(KEY, Some(default), Source::Cluster);
    }
    annotated.unwrap_or(default).to_owned()
}
