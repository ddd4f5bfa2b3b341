//! daprd of a shared instance, by the builder of all sidecars.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, VolumeMount};

use super::{Channel, Instance, stop::Stop};
use crate::{
    Cluster, Facts, SecurityDefaults, Warning,
    options::{Options, from_secret},
    shared::{APP_TOKEN, FORWARDER_PORT},
    sidecar::{Health, PodSecurity, Sidecar},
    volumes,
};

const LOOPBACK: &str = "127.0.0.1";
const SECCOMP: &str = "dapr.io/sidecar-seccomp-profile-type";
const RUNTIME_DEFAULT: &str = "RuntimeDefault";
/// Settings that shape a pod of the app, or say what the instance says otherwise; and what to do.
const WITHOUT_EFFECT: [(&str, &str); 7] = [
    (
        "dapr.io/sidecar-listen-addresses",
        "remove it: apps reach daprd through the proxy",
    ),
    (
        "dapr.io/app-channel-address",
        "set app.host of the SharedInstance",
    ),
    (
        "dapr.io/unix-domain-socket-path",
        "use DAPR_HTTP_ENDPOINT or DAPR_GRPC_ENDPOINT",
    ),
    ("dapr.io/volume-mounts", NEEDS_SIDECAR),
    ("dapr.io/volume-mounts-rw", NEEDS_SIDECAR),
    ("dapr.io/pluggable-components", NEEDS_SIDECAR),
    ("dapr.io/inject-pluggable-components", NEEDS_SIDECAR),
];
const NEEDS_SIDECAR: &str = "remove it, or set trilby.dev/mode to \"sidecar\"";

/// What daprd of an instance depends on.
pub(super) struct Daprd<'a> {
    pub(super) instance: &'a Instance,
    pub(super) options: &'a Options,
    pub(super) channel: &'a Channel,
}

/// A warning for each annotation that a shared instance can't follow.
pub(super) fn without_effect(annotations: &BTreeMap<String, String>) -> Vec<Warning> {
    let problem = "has no effect on a shared instance";
    let given = |(key, remedy): &(&str, &str)| {
        let value = annotations.get(*key)?;
        Some(Warning::annotation(key, value, problem, remedy))
    };
    let profile = annotations
        .get(SECCOMP)
        .filter(|profile| profile.as_str() != RUNTIME_DEFAULT);
    let profile = profile
        .map(|profile| Warning::annotation(SECCOMP, profile, problem, "write \"RuntimeDefault\""));
    WITHOUT_EFFECT
        .iter()
        .filter_map(given)
        .chain(profile)
        .collect()
}

// === impl Daprd ===

impl Daprd<'_> {
    pub(super) fn container(&self, cluster: &Cluster, facts: &Facts) -> Container {
        let cluster = hardened(cluster);
        let options = self.options();
        let mounts: Vec<VolumeMount> = facts
            .identity_token
            .then(volumes::token_mount)
            .into_iter()
            .collect();
        let sidecar = Sidecar {
            cluster: &cluster,
            facts,
            options: &options,
            app_id: self.instance.app_id(),
            namespace: &self.instance.namespace,
            mounts,
            sockets_folder: None,
            ignore_entrypoint: false,
            gates: false,
            ready: Health::Apis,
            block_shutdown: Some(self.stop().block()),
            security: PodSecurity {
                windows: false,
                restricted: true,
                has_seccomp_profile: false,
            },
        };
        let mut container = sidecar.container();
        if options.container.app_token_secret.is_empty() {
            let secret = self.instance.names.token_secret();
            let token = from_secret("APP_API_TOKEN", &secret, APP_TOKEN);
            container.env.get_or_insert_default().push(token);
        }
        container
    }

    pub(super) fn stop(&self) -> Stop {
        Stop::of(&self.options.shutdown)
    }

    /// The settings as they are for a daprd that only the proxy can reach.
    fn options(&self) -> Options {
        let mut options = self.options.clone();
        options.listen.addresses = LOOPBACK.into();
        let (host, port) = match self.channel {
            Channel::None => ("", 0),
            Channel::Pods(_) | Channel::Address(_) => (LOOPBACK, FORWARDER_PORT),
            Channel::Direct { host, port } => (host.as_str(), *port),
        };
        options.app.channel_address = host.into();
        options.app.port = port.into();
        options.app.health = options.app.health.filter(|_| port != 0);
        let container = &mut options.container;
        container.native = false;
        container.socket_path.clear();
        container.seccomp_profile.clear();
        // Apps show their tokens to the proxy, which accepts this one among others.
        container.api_token_secret.clear();
        if let Some(resources) = &self.instance.resources {
            container.resources = resources.clone();
        }
        options
    }
}

/// The settings under which daprd passes the `restricted` standard and knows its address.
fn hardened(cluster: &Cluster) -> Cluster {
    Cluster {
        host_ip: true,
        security: SecurityDefaults {
            run_as_non_root: true,
            read_only_root: true,
            drop_all_capabilities: true,
            runtime_seccomp: true,
            run_as_user: cluster.security.run_as_user.filter(|user| *user != 0),
            run_as_group: cluster.security.run_as_group,
        },
        ..cluster.clone()
    }
}
