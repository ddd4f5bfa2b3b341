//! One instance, as it is wanted.

use std::collections::{BTreeMap, BTreeSet};

use crds::shared_instance::{self, SharedInstance, SharedInstanceSpec, Strategy};
use injector_core::shared::{App, Instance, Names};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube_core::Resource as _;

use super::facts::Facts;
use super::instance::{duration, reference};
use super::kind::ObjectKind;
use super::pods::Pods;

/// How long until a token is followed by another, if nobody says.
const ROTATE_AFTER: SignedDuration = SignedDuration::from_hours(30 * 24);
const PORT: &str = "dapr.io/app-port";
const PROTOCOL: &str = "dapr.io/app-protocol";

/// One instance, as it is wanted.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Names of its objects.
    pub names: Names,
    /// Its namespace.
    pub namespace: String,
    /// Name of the `SharedInstance`.
    pub name: String,
    pub(super) uid: String,
    pub(super) generation: Option<i64>,
    pub(super) spec: SharedInstanceSpec,
    /// Settings of daprd: those of the oldest workload, then those of the `SharedInstance`.
    pub(super) settings: BTreeMap<String, String>,
    /// What the pods of the bound workloads have.
    pods: Pods,
    pub(super) facts: Facts,
}

// === impl Plan ===

impl Plan {
    pub(super) fn new(
        key: &super::AppKey,
        names: Names,
        instance: &SharedInstance,
        settings: Option<BTreeMap<String, String>>,
    ) -> Self {
        let spec = instance.spec.clone().unwrap_or_default();
        let mut settings = settings.unwrap_or_default();
        settings.extend(spec.annotations.clone().unwrap_or_default());
        let app = spec.app.clone().unwrap_or_default();
        let protocol = app.protocol.map(|it| (PROTOCOL, it.as_str().to_owned()));
        let port = app.port.map(|it| (PORT, it.to_string()));
        let said = protocol.into_iter().chain(port);
        settings.extend(said.map(|(key, value)| (key.to_owned(), value)));
        Self {
            names,
            namespace: key.namespace.to_string(),
            name: instance.metadata.name.clone().unwrap_or_default(),
            uid: instance.metadata.uid.clone().unwrap_or_default(),
            generation: instance.metadata.generation,
            spec,
            settings,
            pods: Pods::default(),
            facts: Facts::default(),
        }
    }

    pub(super) fn like(self, pods: Pods) -> Self {
        Self { pods, ..self }
    }

    pub(super) fn with(self, facts: Facts) -> Self {
        Self { facts, ..self }
    }

    /// The instance's pods, for the builder of their template.
    pub fn instance(&self, proxy_image: &str) -> Instance {
        let spec = &self.spec;
        Instance {
            names: self.names.clone(),
            namespace: self.namespace.clone(),
            annotations: self.settings.clone(),
            pod_annotations: spec.pod_annotations.clone().unwrap_or_default(),
            app: self.app(),
            proxy_image: proxy_image.to_owned(),
            proxy_args: Vec::new(),
            service_account: spec.service_account_name.clone(),
            resources: spec.resources.clone(),
            proxy_resources: spec.proxy_resources.clone(),
            pull_secrets: self.pull_secrets(),
            priority_class: spec
                .priority_class_name
                .clone()
                .or_else(|| self.pods.priority_class.clone()),
            node_selector: self.node_selector(),
            tolerations: spec
                .tolerations
                .clone()
                .unwrap_or_else(|| self.pods.tolerations.clone()),
            affinity: spec.affinity.clone(),
            topology_spread_constraints: spec.topology_spread_constraints.clone(),
        }
    }

    /// Sidecars pull with those of the pods, too.
    fn pull_secrets(&self) -> Vec<String> {
        let said = self.spec.image_pull_secrets.as_ref();
        said.map_or_else(
            || self.pods.pull_secrets.clone(),
            |said| said.iter().map(|one| one.name.clone()).collect(),
        )
    }

    /// One on each node means one on each node that the app's pods may be on; replicas may be
    /// anywhere.
    fn node_selector(&self) -> BTreeMap<String, String> {
        let of_pods = || match self.strategy() {
            Strategy::DaemonSet => self.pods.node_selector.clone(),
            Strategy::Deployment => BTreeMap::new(),
        };
        self.spec.node_selector.clone().unwrap_or_else(of_pods)
    }

    /// The service accounts of the bound workloads.
    pub fn accounts(&self) -> &BTreeSet<Box<str>> {
        &self.facts.accounts
    }

    /// The Configuration of daprd, if one is named.
    pub fn configuration(&self) -> Option<&str> {
        let name = self.settings.get("dapr.io/config")?;
        Some(name.as_str()).filter(|name| !name.is_empty())
    }

    /// What to say unless there is a Configuration of the name that is given (`found`): sentry then
    /// refuses the instances.
    pub fn lacks_configuration(&self, found: bool) -> Option<String> {
        let name = self.configuration().filter(|_| !found)?;
        let namespace = &self.namespace;
        Some(format!(
            "dapr.io/config: there is no Configuration \"{name}\" in namespace {namespace}, without \
             which daprd does not start; create it, or remove the annotation"
        ))
    }

    /// Identity of the `SharedInstance`.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// How long until a token is followed by another.
    pub fn rotate_after(&self) -> SignedDuration {
        let tokens = self.spec.tokens.as_ref();
        duration(tokens.and_then(|tokens| tokens.rotate_after.as_deref())).unwrap_or(ROTATE_AFTER)
    }

    /// When the oldest bound pod was made.
    pub fn oldest_pod(&self) -> Option<Timestamp> {
        self.facts.oldest_pod
    }

    /// The `SharedInstance`, as the subject of an Event.
    pub fn reference(&self) -> k8s_openapi::api::core::v1::ObjectReference {
        let mut about = reference(&SharedInstance::default());
        about.namespace = Some(self.namespace.clone());
        about.name = Some(self.name.clone());
        about.uid = Some(self.uid.clone());
        about
    }

    pub(super) fn strategy(&self) -> Strategy {
        self.spec.strategy.unwrap_or_default()
    }

    /// The kind of workload that the instances run in.
    pub(super) fn workload_kind(&self) -> ObjectKind {
        match self.strategy() {
            Strategy::Deployment => ObjectKind::Deployment,
            Strategy::DaemonSet => ObjectKind::DaemonSet,
        }
    }

    pub(super) fn owner(&self) -> OwnerReference {
        OwnerReference {
            api_version: SharedInstance::api_version(&()).into_owned(),
            kind: SharedInstance::kind(&()).into_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }

    pub(super) fn app(&self) -> App {
        let app = self.spec.app.clone().unwrap_or_default();
        let port = app.port.and_then(|port| port.try_into().ok());
        match app.host {
            Some(host) => App::Address {
                host,
                port: port.unwrap_or_default(),
            },
            None => App::Pods(port),
        }
    }

    /// Port of the app's pods; none if daprd calls no pods.
    pub(super) fn app_port(&self) -> Option<i32> {
        match self.app() {
            App::Pods(_) => self.port(PORT).filter(|port| *port > 0),
            App::Address { .. } | App::None => None,
        }
    }

    /// Whether daprd calls an app through the proxy.
    pub(super) fn has_app(&self) -> bool {
        matches!(self.app(), App::Address { .. }) || self.app_port().is_some()
    }

    /// The bindings that a person calls exclusive.
    pub fn exclusive_bindings(&self) -> &[String] {
        self.spec.exclusive_bindings.as_deref().unwrap_or_default()
    }

    /// Labels of the app's pods, unless they are those of bound pods.
    pub(super) fn app_selector(&self) -> Option<&BTreeMap<String, String>> {
        self.spec
            .app
            .as_ref()
            .and_then(|app: &shared_instance::App| app.selector.as_ref())
    }

    /// A number that cannot be read counts as not given.
    pub(super) fn port(&self, setting: &str) -> Option<i32> {
        self.settings
            .get(setting)
            .and_then(|value| value.trim().parse().ok())
    }
}
