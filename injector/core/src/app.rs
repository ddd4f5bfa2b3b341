//! What the pod's own containers gain: variables and mounts, never a change of what they have.

use k8s_openapi::api::core::v1::{EnvVar, VolumeMount};

use crate::{
    operations::Operations,
    options::{Options, plain},
    pod::Container,
    sidecar::HTTP_PORT,
};

/// The variables by which an app finds its sidecar.
pub(crate) fn variables(options: &Options) -> Vec<EnvVar> {
    let mut variables = vec![
        plain("DAPR_HTTP_PORT", HTTP_PORT.to_string()),
        plain("DAPR_GRPC_PORT", options.listen.grpc_port.to_string()),
    ];
    variables.extend(
        options
            .app
            .known_protocol()
            .map(|known| plain("APP_PROTOCOL", known)),
    );
    variables
}

/// Adds to container `index` of `list` those `variables` whose names it lacks.
pub(crate) fn add_variables(
    operations: &mut Operations,
    (list, index): (&str, usize),
    container: &Container,
    variables: &[EnvVar],
) -> Result<(), serde_json::Error> {
    let index = index.to_string();
    if container.env.is_empty() {
        return operations.add(&["spec", list, &index, "env"], variables);
    }
    let has = |name: &str| container.env.iter().any(|variable| variable.name == name);
    let lacking = variables.iter().filter(|variable| !has(&variable.name));
    lacking
        .into_iter()
        .try_for_each(|variable| operations.add(&["spec", list, &index, "env", "-"], variable))
}

/// Adds `mount` to container `index`, unless it has one of the same name or path.
pub(crate) fn add_mount(
    operations: &mut Operations,
    index: usize,
    container: &Container,
    mount: &VolumeMount,
) -> Result<(), serde_json::Error> {
    let index = index.to_string();
    let mounts = &container.volume_mounts;
    if mounts.is_empty() {
        return operations.add(&["spec", "containers", &index, "volumeMounts"], [mount]);
    }
    if mounts
        .iter()
        .any(|own| own.name == mount.name || own.mount_path == mount.mount_path)
    {
        return Ok(());
    }
    operations.add(&["spec", "containers", &index, "volumeMounts", "-"], mount)
}
