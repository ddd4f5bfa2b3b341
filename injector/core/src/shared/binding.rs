//! A pod that gets no daprd but is told where its shared one is.

use json_patch::Patch;
use k8s_openapi::api::core::v1::EnvVar;

use super::{APP_TOKEN, BOUND_TO, GRPC_PORT, HTTP_PORT, Mode, Names, TOKEN};
use crate::{
    Cluster, Defaults, Injection, Setting, Source, Warning,
    app::add_variables,
    app_id::APP_ID,
    defaults::Layers,
    operations::Operations,
    options::{Options, PROTOCOL, from_secret, plain},
    pod::Pod,
    shutdown::{self, Daprd, Delay},
};

/// Longest delay of a bound pod where no annotation says one, in seconds. Only its instance's proxy
/// calls it, which is told at once that it leaves, and clients that follow endpoints.
const LEAVE: u32 = 5;

/// A pod that is bound to a shared instance, which may not exist yet.
#[derive(Debug)]
pub struct Binding {
    pod: Pod,
    namespace: String,
    names: Names,
    /// How the instance is run, and where that is said.
    mode: (Mode, Source),
    options: Options,
    /// What the app is told it speaks, if anybody says.
    protocol: Option<&'static str>,
    warnings: Vec<Warning>,
}

// === impl Binding ===

impl Binding {
    pub(crate) fn new(
        pod: Pod,
        namespace: &str,
        names: Names,
        mode: (Mode, Source),
        cluster: &Cluster,
        defaults: &Defaults,
    ) -> Self {
        let cluster = leaving_sooner(cluster);
        let layers = layers(&pod, &cluster, defaults);
        let (options, warnings) = Options::read(layers, &cluster);
        let protocol = layers
            .find(PROTOCOL)
            .and_then(|_| options.app.known_protocol());
        Self {
            namespace: namespace.to_owned(),
            pod,
            names,
            mode,
            options,
            protocol,
            warnings,
        }
    }

    /// How the instance is run.
    pub const fn mode(&self) -> Mode {
        self.mode.0
    }

    /// The names of the instance's objects.
    pub const fn names(&self) -> &Names {
        &self.names
    }

    /// All settings that the pod brings to its instance, and where each comes from. `namespace` as
    /// in [`triage`](crate::triage).
    pub fn settings(&self, cluster: &Cluster, namespace: &Defaults) -> Vec<Setting> {
        let cluster = leaving_sooner(cluster);
        let layers = layers(&self.pod, &cluster, namespace);
        Options::settings(layers, &cluster, self.mode)
    }

    /// The patch that binds the pod: variables for its containers, labels, and the time to leave.
    /// It has no operations for a pod that is bound already.
    ///
    /// # Errors
    /// A part of the patch can't be written as JSON.
    pub fn bind(mut self, cluster: &Cluster) -> Result<Injection, serde_json::Error> {
        let mut operations = Operations::default();
        let delay = self.shutdown_delay();
        self.add_labels(&mut operations)?;
        let variables = self.variables(cluster);
        let spec = &self.pod.spec;
        let lists = [
            ("initContainers", &spec.init_containers),
            ("containers", &spec.containers),
        ];
        for (list, containers) in lists {
            for (index, container) in containers.iter().enumerate() {
                add_variables(&mut operations, (list, index), container, &variables)?;
            }
        }
        operations.extend(
            delay
                .into_iter()
                .flat_map(|delay| delay.additions(&self.pod)),
        );
        Ok(Injection {
            patch: Patch(operations.0),
            warnings: self.warnings,
        })
    }

    /// None for a pod that is bound already: the hook that it has is ours.
    fn shutdown_delay(&mut self) -> Option<Delay> {
        let bound = self.pod.metadata.labels.get(BOUND_TO);
        if bound.is_some_and(|label| label == self.names.app_id()) {
            return None;
        }
        let warnings = &mut self.warnings;
        shutdown::delay(&self.pod, &self.options, Daprd::Elsewhere, warnings)
    }

    /// An app-id that the pod has as label already may be what its controller selects it by.
    fn add_labels(&self, operations: &mut Operations) -> Result<(), serde_json::Error> {
        let (labels, app_id) = (&self.pod.metadata.labels, self.names.app_id());
        if labels.is_empty() {
            operations.add(&["metadata", "labels"], serde_json::Map::new())?;
        }
        if labels.get(BOUND_TO).is_none_or(|label| label != app_id) {
            operations.add(&["metadata", "labels", BOUND_TO], app_id)?;
        }
        if !labels.contains_key(APP_ID) {
            operations.add(&["metadata", "labels", APP_ID], app_id)?;
        }
        Ok(())
    }

    fn variables(&self, cluster: &Cluster) -> Vec<EnvVar> {
        let host = self.names.host(&self.namespace, &cluster.domain);
        let secret = self.names.token_secret();
        let container = &self.options.container;
        let tls = !container.api_tls_secret.is_empty();
        let [http, grpc] = self.names.endpoints(&self.namespace, &cluster.domain, tls);
        let own = container.app_token_secret.as_str();
        let app_token = match own {
            "" => from_secret("APP_API_TOKEN", &secret, APP_TOKEN),
            own => from_secret("APP_API_TOKEN", own, TOKEN),
        };
        let mut variables = vec![
            plain("DAPR_HTTP_ENDPOINT", http),
            plain("DAPR_GRPC_ENDPOINT", grpc),
            plain("DAPR_HTTP_PORT", HTTP_PORT.to_string()),
            plain("DAPR_GRPC_PORT", GRPC_PORT.to_string()),
            plain("DAPR_HOST", host),
        ];
        variables.extend(self.protocol.map(|known| plain("APP_PROTOCOL", known)));
        variables.push(from_secret("DAPR_API_TOKEN", &secret, TOKEN));
        variables.push(app_token);
        variables
    }
}

fn leaving_sooner(cluster: &Cluster) -> Cluster {
    Cluster {
        shutdown_delay: cluster.shutdown_delay.map(|seconds| seconds.min(LEAVE)),
        ..cluster.clone()
    }
}

const fn layers<'a>(pod: &'a Pod, cluster: &'a Cluster, namespace: &'a Defaults) -> Layers<'a> {
    Layers {
        pod: &pod.metadata,
        namespace,
        cluster: &cluster.defaults,
    }
}

#[cfg(test)]
mod tests;
