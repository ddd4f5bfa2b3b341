//! The pods of a shared instance: daprd as everywhere, behind the proxy (`docs/adr/0009`).
//!
//! ```text
//! apps ── 3500, 50001 ──> proxy ── loopback ──> daprd ── 3510, loopback ──> proxy ──> the app's pods
//! other apps' daprds ──────────── 50002 ──────> daprd
//! ```
//!
//! `--dapr-listen-addresses` moves only daprd's two APIs for apps to loopback; the internal gRPC
//! port, the public port and the metrics have addresses of their own, all of the pod's by default
//! (Dapr: `pkg/runtime/runtime.go`, `pkg/api/http/server.go`).
//!
//! All of it passes the `restricted` Pod Security Standard, whatever the settings of sidecars say.

mod daprd;
mod pod;
mod proxy;
mod stop;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, PodTemplateSpec, ResourceRequirements, Toleration, TopologySpreadConstraint,
};

use self::daprd::Daprd;
use super::Names;
use crate::{
    Cluster, Defaults, Facts, Warning,
    defaults::Layers,
    options::{App as AppOptions, Options},
    pod::Metadata,
};

/// What one instance is to be.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its app-id, and the names of its objects.
    pub names: Names,
    /// Its namespace, which is the app's.
    pub namespace: String,
    /// Settings of daprd (`dapr.io/...`), as a pod with a sidecar would have them.
    pub annotations: BTreeMap<String, String>,
    /// Further annotations of its pods; those above win.
    pub pod_annotations: BTreeMap<String, String>,
    /// Where the app is.
    pub app: App,
    /// Image of the proxy.
    pub proxy_image: String,
    /// Further arguments of the proxy, such as `--hold-limit`, flag and value apart.
    pub proxy_args: Vec<String>,
    /// Service account, unless it is one of the instance's own.
    pub service_account: Option<String>,
    /// Resources of daprd, unless they are what the annotations say.
    pub resources: Option<ResourceRequirements>,
    /// Resources of the proxy.
    pub proxy_resources: Option<ResourceRequirements>,
    /// Secrets that its images are pulled with, beside those of its account.
    pub pull_secrets: Vec<String>,
    /// How important it is, if anybody says.
    pub priority_class: Option<String>,
    /// Labels of the nodes that may run it; those of another system than Linux never do.
    pub node_selector: BTreeMap<String, String>,
    /// Taints it bears.
    pub tolerations: Vec<Toleration>,
    /// Which nodes it prefers or needs.
    pub affinity: Option<Affinity>,
    /// How its pods are spread; evenly over nodes, where possible, if nobody says.
    pub topology_spread_constraints: Option<Vec<TopologySpreadConstraint>>,
}

/// Where the app of an instance is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum App {
    /// There is none: daprd calls nobody.
    None,
    /// The pods behind [`Names::app_service`], at this port, or at that of `dapr.io/app-port`; if
    /// that isn't there either, there is no app.
    Pods(Option<u16>),
    /// Somewhere else.
    Address {
        /// Name or address, without scheme.
        host: String,
        /// Port, not 0.
        port: u16,
    },
}

/// The pods of an instance, and what to tell its owner about them.
#[derive(Clone, Debug)]
pub struct Template {
    /// What a workload makes them from.
    pub template: PodTemplateSpec,
    /// Settings that could not be used.
    pub warnings: Vec<Warning>,
    /// Whether apps reach them by TLS.
    pub tls: bool,
}

/// Why an instance can't be. The text is shown to the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The proxy chooses a pod per call, for which it must read the calls.
    #[error(
        "dapr.io/app-protocol: \"{0}\" needs TLS between daprd and the app's pods, which shared \
         instances do not speak; let the app serve \"http\", \"h2c\" or \"grpc\", or set \
         trilby.dev/mode to \"sidecar\""
    )]
    Tls(&'static str),
    /// Port 0.
    #[error("the app at \"{0}\" has no port; set it to a number from 1 to 65535")]
    NoPort(String),
}

/// How daprd reaches the app.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Channel {
    None,
    /// Through the proxy, to the pods at this port.
    Pods(u16),
    /// Through the proxy.
    Address(String),
    /// By itself.
    Direct {
        host: String,
        port: u16,
    },
}

// === impl Instance ===

impl Instance {
    /// The pods of the instance. `namespace` has the defaults of its namespace.
    ///
    /// # Errors
    /// The app can't be served that way.
    pub fn template(
        &self,
        cluster: &Cluster,
        facts: &Facts,
        namespace: &Defaults,
    ) -> Result<Template, TemplateError> {
        let metadata = Metadata {
            annotations: self.annotations.clone(),
            ..Metadata::default()
        };
        let layers = Layers {
            pod: &metadata,
            namespace,
            cluster: &cluster.defaults,
        };
        let (options, mut warnings) = Options::read(layers, cluster);
        warnings.extend(daprd::without_effect(&self.annotations));
        let channel = self.app.channel(&options.app)?;
        let daprd = Daprd {
            instance: self,
            options: &options,
            channel: &channel,
        };
        Ok(Template {
            template: self.pods(&daprd, cluster, facts),
            warnings,
            tls: !options.container.api_tls_secret.is_empty(),
        })
    }

    fn app_id(&self) -> &str {
        self.names.app_id()
    }
}

// === impl App ===

impl App {
    fn channel(&self, options: &AppOptions) -> Result<Channel, TemplateError> {
        let tls = options
            .known_protocol()
            .filter(|protocol| matches!(*protocol, "https" | "grpcs"));
        let annotated = u16::try_from(options.port).unwrap_or_default();
        match (self, tls) {
            (Self::Address { host, port: 0 }, _) => Err(TemplateError::NoPort(host.clone())),
            (Self::Address { host, port }, Some(_)) => Ok(Channel::Direct {
                host: host.clone(),
                port: *port,
            }),
            (Self::Address { host, port }, None) => Ok(Channel::Address(address(host, *port))),
            (Self::Pods(port), tls) => match (port.unwrap_or(annotated), tls) {
                (0, _) => Ok(Channel::None),
                (_, Some(protocol)) => Err(TemplateError::Tls(protocol)),
                (port, None) => Ok(Channel::Pods(port)),
            },
            (Self::None, _) => Ok(Channel::None),
        }
    }
}

/// `host:port`, with brackets around an IPv6 address.
fn address(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests;
