//! daprd's environment.

use k8s_openapi::api::core::v1::EnvVar;

use super::Sidecar;
use crate::{
    components::SOCKETS_FOLDER,
    options::{from_field, from_secret, plain},
};

/// Names that the component `secretstores.local.env` may read.
const ALLOWED_NAMES: &str = "DAPR_ENV_KEYS";

pub(super) fn env(sidecar: &Sidecar<'_>) -> Vec<EnvVar> {
    let options = &sidecar.options.container;
    let mut env = own(sidecar);
    env.extend(options.env.variables.iter().cloned());
    if !options.env.names.is_empty() {
        env.push(plain(ALLOWED_NAMES, options.env.names.join(" ")));
    }
    env.extend(
        sidecar
            .sockets_folder
            .map(|folder| plain(SOCKETS_FOLDER, folder)),
    );
    env.extend(token("DAPR_API_TOKEN", &options.api_token_secret));
    env.extend(token("APP_API_TOKEN", &options.app_token_secret));
    env
}

fn own(sidecar: &Sidecar<'_>) -> Vec<EnvVar> {
    let cluster = sidecar.cluster;
    let mut env = vec![
        plain("NAMESPACE", sidecar.namespace),
        plain("DAPR_TRUST_ANCHORS", sidecar.facts.trust_anchors.as_str()),
        from_field("POD_NAME", "metadata.name"),
        plain("DAPR_CONTROLPLANE_NAMESPACE", cluster.namespace.as_str()),
        plain(
            "DAPR_CONTROLPLANE_TRUST_DOMAIN",
            cluster.trust_domain.as_str(),
        ),
    ];
    env.extend(
        cluster
            .host_ip
            .then(|| from_field("DAPR_HOST_IP", "status.podIP")),
    );
    env
}

fn token(name: &str, secret: &str) -> Option<EnvVar> {
    (!secret.is_empty()).then(|| from_secret(name, secret, "token"))
}
