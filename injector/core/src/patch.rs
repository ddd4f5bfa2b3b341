//! From a candidate to patch operations, in a stable order (Dapr: `pkg/injector/patcher`).

use std::slice;

use json_patch::Patch;
use k8s_openapi::api::core::v1::{Volume, VolumeMount};

use crate::{
    Candidate, Cluster, Component, Facts, Warning, app,
    app_id::APP_ID,
    components::{self, ComponentContainer, SOCKETS_FOLDER},
    operations::Operations,
    options::{CONFIGURATION, plain},
    pod::{Container, DAPRD},
    shutdown::Delay,
    sidecar::{Health, PodSecurity, Sidecar},
    volumes::{self, Volumes},
};

const CONTAINERS: &str = "containers";
/// Label by which monitors find the pods whose daprd serves metrics.
pub(crate) const METRICS_ENABLED: &str = "dapr.io/metrics-enabled";

/// A patch, and what to tell the user about it. The default changes nothing.
#[derive(Debug, Default)]
pub struct Injection {
    /// Additions only; of what is there, nothing is changed but a pod's grace period and the mode
    /// of a Function.
    pub patch: Patch,
    /// Values that could not be used.
    pub warnings: Vec<Warning>,
}

// === impl Candidate ===

impl Candidate {
    /// The patch that gives the pod its sidecar. `components` are those of the pod's namespace,
    /// and only needed if [`wants_components`](Self::wants_components).
    ///
    /// # Errors
    /// A part of the patch can't be written as JSON.
    pub fn inject(
        mut self,
        cluster: &Cluster,
        facts: &Facts,
        components: &[Component],
    ) -> Result<Injection, serde_json::Error> {
        let containers = self.component_containers(components);
        let sockets = self.sockets(!containers.is_empty());
        let mounts = self.mounts(facts, sockets.as_ref());
        let delay = self.shutdown_delay();
        let mut volumes = Volumes::of(&self.pod);
        let mut operations = Operations::default();
        self.add_parents(&mut operations)?;
        operations.add_volumes(&mut volumes, self.volumes(cluster, facts))?;
        let components = self.components(&mut volumes, containers, sockets.as_ref(), delay)?;
        // daprd looks for the sockets once, when it starts: where it waits for those before it,
        // it comes after them.
        let (before, after) = if self.is_native() {
            (components, Operations::default())
        } else {
            (Operations::default(), components)
        };
        operations.0.extend(before.0);
        let sidecar = self.sidecar(cluster, facts, mounts, sockets.as_ref(), delay);
        operations.add(&["spec", self.list(), "-"], sidecar.container())?;
        self.add_labels(&mut operations)?;
        self.add_annotations(&mut operations)?;
        self.add_to_apps(&mut operations)?;
        let late = delay
            .into_iter()
            .flat_map(|delay| delay.additions(&self.pod));
        operations.extend(late);
        operations.0.extend(after.0);
        Ok(Injection {
            patch: Patch(operations.0),
            warnings: self.warnings,
        })
    }

    /// What later operations append to, where the pod lacks it.
    fn add_parents(&self, operations: &mut Operations) -> Result<(), serde_json::Error> {
        if self.pod.spec.containers.is_empty() {
            operations.add(&["spec", "containers"], [(); 0])?;
        }
        if self.pod.metadata.labels.is_empty() {
            operations.add(&["metadata", "labels"], serde_json::Map::new())?;
        }
        if self.is_native() && self.pod.spec.init_containers.is_empty() {
            operations.add(&["spec", "initContainers"], [(); 0])?;
        }
        Ok(())
    }

    fn volumes(&self, cluster: &Cluster, facts: &Facts) -> Vec<Volume> {
        let has_socket = !self.options.container.socket_path.is_empty();
        let socket = has_socket.then(volumes::socket);
        let token = facts
            .identity_token
            .then(|| volumes::token(cluster.sentry_id()));
        socket.into_iter().chain(token).collect()
    }

    fn sidecar<'a>(
        &'a self,
        cluster: &'a Cluster,
        facts: &'a Facts,
        mounts: Vec<VolumeMount>,
        sockets: Option<&'a VolumeMount>,
        delay: Option<Delay>,
    ) -> Sidecar<'a> {
        Sidecar {
            cluster,
            facts,
            options: &self.options,
            app_id: &self.app_id,
            namespace: &self.namespace,
            mounts,
            sockets_folder: sockets.map(|mount| mount.mount_path.as_str()),
            ignore_entrypoint: self.pod.tolerates_any(&cluster.entrypoint_tolerations),
            gates: self.gates(),
            ready: Health::Full,
            block_shutdown: self
                .options
                .shutdown
                .block
                .clone()
                .or(delay.map(Delay::block)),
            security: PodSecurity {
                windows: self.pod.is_windows(),
                restricted: false,
                has_seccomp_profile: self.pod.has_seccomp_profile(),
            },
        }
    }

    const fn is_native(&self) -> bool {
        self.options.container.native
    }

    /// Whether the pod's containers may wait for daprd. Not where daprd itself waits for one of
    /// them, or for a person with a debugger.
    fn gates(&self) -> bool {
        let waits = self.containers(true).next().is_some();
        self.is_native() && !waits && self.options.listen.debug_port.is_none()
    }

    /// The list to which daprd belongs. Among init containers it is the last one: those of the
    /// pod run before it, as they do where it is a common container.
    const fn list(&self) -> &'static str {
        if self.is_native() {
            "initContainers"
        } else {
            CONTAINERS
        }
    }

    fn add_labels(&self, operations: &mut Operations) -> Result<(), serde_json::Error> {
        let metrics = self.options.listen.metrics.to_string();
        let labels = [
            ("dapr.io/sidecar-injected", "true"),
            (APP_ID, &self.app_id),
            (METRICS_ENABLED, &metrics),
        ];
        labels
            .iter()
            .try_for_each(|(label, value)| operations.add(&["metadata", "labels", label], value))
    }

    /// Writes what the pod lacks to it, for the others who read it there: the name of a
    /// Configuration that is a default, and what follows from another annotation.
    fn add_annotations(&self, operations: &mut Operations) -> Result<(), serde_json::Error> {
        let name = &self.options.services.configuration;
        if !name.is_empty() && !self.pod.metadata.annotations.contains_key(CONFIGURATION) {
            operations.add(&["metadata", "annotations", CONFIGURATION], name)?;
        }
        self.annotations
            .iter()
            .try_for_each(|(key, value)| operations.add(&["metadata", "annotations", key], value))
    }

    fn add_to_apps(&self, operations: &mut Operations) -> Result<(), serde_json::Error> {
        let variables = app::variables(&self.options);
        for (index, container) in self.containers(false) {
            app::add_variables(operations, (CONTAINERS, index), container, &variables)?;
        }
        let path = &self.options.container.socket_path;
        if path.is_empty() {
            return Ok(());
        }
        let mount = volumes::mount(volumes::SOCKET, path);
        self.containers(false)
            .try_for_each(|(index, container)| app::add_mount(operations, index, container, &mount))
    }

    /// What component containers of either kind need, if there are any.
    fn components(
        &self,
        volumes: &mut Volumes,
        added: Vec<ComponentContainer>,
        sockets: Option<&VolumeMount>,
        delay: Option<Delay>,
    ) -> Result<Operations, serde_json::Error> {
        let mut operations = Operations::default();
        let Some(mount) = sockets else {
            return Ok(operations);
        };
        operations.add_volumes(volumes, vec![volumes::empty(volumes::COMPONENTS)])?;
        let variable = plain(SOCKETS_FOLDER, mount.mount_path.as_str());
        for (index, container) in self.containers(true) {
            app::add_variables(
                &mut operations,
                (CONTAINERS, index),
                container,
                slice::from_ref(&variable),
            )?;
            app::add_mount(&mut operations, index, container, mount)?;
        }
        for container in added {
            let empty = container.volumes().iter().map(|name| volumes::empty(name));
            operations.add_volumes(volumes, empty.collect())?;
            let container = container.finish(&variable, mount, self.is_native(), delay)?;
            operations.add(&["spec", self.list(), "-"], container)?;
        }
        Ok(operations)
    }

    /// The pod's containers that are declared as components, or those that are not.
    fn containers(&self, declared: bool) -> impl Iterator<Item = (usize, &Container)> {
        let names = &self.options.components.declared;
        let containers = self.pod.spec.containers.iter().enumerate();
        containers.filter(move |(_, container)| names.contains(&container.name) == declared)
    }

    fn component_containers(&mut self, components: &[Component]) -> Vec<ComponentContainer> {
        let spec = &self.pod.spec;
        let own = spec
            .containers
            .iter()
            .map(|container| container.name.as_str());
        let init = spec
            .init_containers
            .iter()
            .map(|container| container.name.as_str());
        let taken: Vec<&str> = own.chain(init).chain([DAPRD]).collect();
        components::containers(components, &self.app_id, &taken, &mut self.warnings)
    }

    /// The mount of the component sockets, if the pod has components of either kind.
    fn sockets(&self, injected: bool) -> Option<VolumeMount> {
        let any = injected || self.containers(true).next().is_some();
        any.then(|| volumes::mount(volumes::COMPONENTS, &self.options.components.folder))
    }

    /// daprd's mounts; an annotated one whose volume the pod lacks is left out.
    fn mounts(&mut self, facts: &Facts, sockets: Option<&VolumeMount>) -> Vec<VolumeMount> {
        let container = &self.options.container;
        let mut mounts = Vec::new();
        for wanted in &container.mounts {
            if self.pod.has_volume(&wanted.volume) {
                mounts.push(volumes::annotated_mount(wanted));
            } else {
                self.warnings
                    .push(volume_missing(&wanted.volume, wanted.read_only));
            }
        }
        if !container.socket_path.is_empty() {
            mounts.push(volumes::mount(volumes::SOCKET, volumes::SOCKET_PATH));
        }
        mounts.extend(facts.identity_token.then(volumes::token_mount));
        mounts.extend(sockets.cloned());
        mounts
    }
}

fn volume_missing(volume: &str, read_only: bool) -> Warning {
    let key = if read_only {
        "dapr.io/volume-mounts"
    } else {
        "dapr.io/volume-mounts-rw"
    };
    let remedy = "add it to spec.volumes, or remove it from the annotation";
    Warning::annotation(
        key,
        volume,
        "is no volume of the pod and was not mounted",
        remedy,
    )
}

#[cfg(test)]
mod tests;
