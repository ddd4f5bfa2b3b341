//! The one builder of the daprd container (Dapr: `pkg/injector/patcher/sidecar_container.go`).

mod args;
mod env;
mod security;

use k8s_openapi::{
    api::core::v1::{
        Container, ContainerPort, HTTPGetAction, Probe as ContainerProbe, TCPSocketAction,
        VolumeMount,
    },
    apimachinery::pkg::util::intstr::IntOrString,
};

use crate::{
    Cluster, Facts,
    options::{Options, Probe},
    pod::DAPRD,
};

/// Ports of daprd that no annotation changes.
pub(crate) const HTTP_PORT: i32 = 3500;
const PUBLIC_PORT: i32 = 3501;

/// All that a daprd container depends on.
pub(crate) struct Sidecar<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) facts: &'a Facts,
    pub(crate) options: &'a Options,
    pub(crate) app_id: &'a str,
    /// Namespace of the pod.
    pub(crate) namespace: &'a str,
    /// Mounts in order.
    pub(crate) mounts: Vec<VolumeMount>,
    /// Folder of the component sockets, if there are components.
    pub(crate) sockets_folder: Option<&'a str>,
    /// Whether the program is named as command, because the image's entry point is in the way.
    pub(crate) ignore_entrypoint: bool,
    /// Whether the pod's containers wait for daprd, where it is started before them.
    pub(crate) gates: bool,
    /// What it takes for daprd to be ready.
    pub(crate) ready: Health,
    /// How long daprd goes on when it is told to end; see `shutdown`.
    pub(crate) block_shutdown: Option<String>,
    /// Whether the Linux fields of the security context may be filled in by default.
    pub(crate) security: PodSecurity,
}

/// What the pod says about security.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PodSecurity {
    pub(crate) windows: bool,
    /// Whether it must pass the `restricted` Pod Security Standard.
    pub(crate) restricted: bool,
    pub(crate) has_seccomp_profile: bool,
}

/// What daprd is asked for to tell whether it is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// Its APIs answer, and it reached the app's port.
    Full,
    /// Its APIs answer.
    Apis,
}

// === impl Sidecar ===

impl Sidecar<'_> {
    pub(crate) fn container(self) -> Container {
        let options = self.options;
        let env = env::env(&self);
        let (command, args) = args::command_and_args(&self);
        Container {
            name: DAPRD.into(),
            image: Some(options.container.image.clone()).filter(|image| !image.is_empty()),
            image_pull_policy: Some(self.cluster.pull_policy.as_str().into()),
            command,
            args: Some(args),
            ports: Some(ports(options)),
            security_context: Some(security::context(&self, &env)),
            env: Some(env),
            resources: Some(options.container.resources.clone()),
            restart_policy: options.container.native.then(|| "Always".into()),
            liveness_probe: Some(liveness(&options.container.liveness)),
            startup_probe: self.gates.then(startup),
            readiness_probe: Some(readiness(&options.container.readiness, self.ready)),
            volume_mounts: Some(self.mounts).filter(|mounts| !mounts.is_empty()),
            ..Container::default()
        }
    }
}

fn ports(options: &Options) -> Vec<ContainerPort> {
    let listen = &options.listen;
    let ports = [
        ("dapr-http", Some(HTTP_PORT)),
        ("dapr-grpc", Some(listen.grpc_port)),
        ("dapr-internal", Some(listen.internal_grpc_port)),
        ("dapr-metrics", Some(listen.metrics_port)),
        ("dapr-debug", listen.debug_port),
    ];
    let port = |(name, port): (&str, Option<i32>)| {
        let (name, container_port) = (Some(name.to_owned()), port?);
        Some(ContainerPort {
            name,
            container_port,
            ..ContainerPort::default()
        })
    };
    ports.into_iter().filter_map(port).collect()
}

/// Met once daprd's API answers. daprd's full health would wait for the app, which would wait for
/// daprd. The time equals that after which the liveness probe would give up by default.
fn startup() -> ContainerProbe {
    ContainerProbe {
        http_get: Some(get(Health::Apis)),
        period_seconds: Some(1),
        failure_threshold: Some(180),
        ..ContainerProbe::default()
    }
}

fn liveness(times: &Probe) -> ContainerProbe {
    let socket = TCPSocketAction {
        host: None,
        port: IntOrString::Int(PUBLIC_PORT),
    };
    ContainerProbe {
        tcp_socket: Some(socket),
        ..probe(times)
    }
}

fn readiness(times: &Probe, ready: Health) -> ContainerProbe {
    ContainerProbe {
        http_get: Some(get(ready)),
        ..probe(times)
    }
}

fn get(health: Health) -> HTTPGetAction {
    let path = match health {
        Health::Full => "/v1.0/healthz",
        Health::Apis => "/v1.0/healthz/outbound",
    };
    HTTPGetAction {
        path: Some(path.into()),
        port: IntOrString::Int(PUBLIC_PORT),
        ..HTTPGetAction::default()
    }
}

/// Zero means the default of Kubernetes, which is said by leaving the field out.
fn probe(times: &Probe) -> ContainerProbe {
    let set = |number: i32| Some(number).filter(|number| *number != 0);
    ContainerProbe {
        initial_delay_seconds: set(times.delay),
        timeout_seconds: set(times.timeout),
        period_seconds: set(times.period),
        failure_threshold: set(times.threshold),
        ..ContainerProbe::default()
    }
}

#[cfg(test)]
mod tests;
