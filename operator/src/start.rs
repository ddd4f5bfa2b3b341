//! Puts the parts together.

use std::env;
use std::sync::Arc;

use config::listen::{ListenAddressError, addresses};
use identity::{KeyKind, Provider, Request, TrustAnchors};
use kube::Client;
use operator_core::kind::Kind;
use operator_core::service::{Settings, WorkloadKind};
use operator_core::shared::Modes;
use operator_core::watchdog::{Schedule, UnknownSchedule};
use process::Process;
use process::kubernetes::lease::{LeaseError, stand};
use tokio::sync::watch;

use crate::api::Api;
use crate::metrics::Metrics;
use crate::shared::{self, Environment, Resources, World};
use crate::sidecar_settings::SidecarSettings;
use crate::store::Store;
use crate::system::{self, System, SystemError};
use crate::watchdog::Orders;
use crate::{
    Assignments, Flags, Secrets, api, definitions, follow, services, status, watchdog, webhook,
};

/// The Lease that the leader holds; its name is that of Dapr's operator.
const LEASE: &str = "operator.dapr.io";

/// Why the operator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Runs as root.
    #[error(transparent)]
    Root(#[from] process::RootRefused),
    /// The namespace is unknown.
    #[error("the environment variable NAMESPACE must name the namespace of the control plane")]
    Namespace,
    /// A flag makes no sense.
    #[error(transparent)]
    Schedule(#[from] UnknownSchedule),
    /// A listen address makes no sense.
    #[error(transparent)]
    Address(#[from] ListenAddressError),
    /// There is no way to the API server.
    #[error("connect to the API server")]
    Client(#[from] process::kubernetes::ClientError),
    /// The settings of the control plane make no sense.
    #[error("read the settings of the control plane")]
    System(#[from] SystemError),
    /// There is no way to an identity.
    #[error("prepare the identity of the operator")]
    Identity(#[from] identity::ProviderError),
}

/// Where and for what the operator runs.
struct Operator {
    process: Process,
    flags: Flags,
    client: Client,
    namespace: String,
    watched: Option<String>,
    schedule: Schedule,
}

/// Starts all parts of the operator and returns once they run.
///
/// # Errors
///
/// If a flag, the environment or the settings of the control plane make no sense.
pub async fn start(process: Process, flags: Flags) -> Result<(), StartError> {
    declare_targets(&process);
    process::refuse_root()?;
    let schedule = flags.watch_interval.parse()?;
    let namespace = env::var("NAMESPACE").ok().filter(|it| !it.is_empty());
    let namespace = namespace.ok_or(StartError::Namespace)?;
    let client = process::kubernetes::client(flags.kubeconfig.as_deref()).await?;
    let watched = Some(flags.watch_namespace.clone()).filter(|it| !it.is_empty());
    let operator = Operator {
        process,
        flags,
        client,
        namespace,
        watched,
        schedule,
    };
    let stopping = operator.process.stopping();
    match stopping.run_until_cancelled(operator.system()).await {
        Some(system) => operator.run(system?),
        None => Ok(()),
    }
}

/// All conditions exist from the beginning, so that none is overlooked before it is met.
fn declare_targets(process: &Process) {
    for name in TARGETS {
        process.health().target(name);
    }
}

const TARGETS: [&str; 5] = [
    PROVIDER,
    SECURITY,
    "operator-api-server",
    "operator-webhook",
    "operator-cache",
];
const PROVIDER: &str = "security-provider";
const SECURITY: &str = "operator-security";

// === impl Operator ===

impl Operator {
    async fn system(&self) -> Result<System, SystemError> {
        system::read(self.client.clone(), &self.namespace, &self.flags.config).await
    }

    fn run(self, system: System) -> Result<(), StartError> {
        let settings = Settings { mtls: system.mtls };
        let anchors = self.follow_anchors();
        let identity = self.provide_identity(system, &anchors)?;
        let stores = self.follow_kinds();
        self.serve_sidecars(stores.clone(), &identity, &anchors)?;
        self.convert(&identity, &anchors)?;
        let leading = self.lead();
        self.update_definitions(leading.clone());
        let environment = self.environment();
        self.make_services(settings, environment.as_ref(), leading.clone());
        if let Some(environment) = environment {
            self.share(environment, settings, &anchors, &stores, leading.clone());
        }
        self.keep_status(stores, leading.clone());
        self.watch_pods(leading);
        Ok(())
    }

    fn follow_anchors(&self) -> TrustAnchors {
        let anchors = TrustAnchors::follow(&self.flags.trust_anchors_file);
        let (running, stopping) = (anchors.clone(), self.process.stopping());
        self.spawn("trust-anchors", async move { running.run(stopping).await });
        anchors
    }

    fn provide_identity(
        &self,
        system: System,
        anchors: &TrustAnchors,
    ) -> Result<identity::Identity, StartError> {
        let request = Request {
            app_id: "dapr-operator",
            namespace: self.namespace.clone(),
            trust_domain: system.trust_domain,
            sentry_address: system.sentry_address,
            // Some API servers refuse other keys where a webhook presents them.
            key: KeyKind::Rsa2048,
            kubernetes: true,
        };
        let provider = Provider::new(request, anchors.clone())?;
        let identity = provider.identity();
        let (stopping, known) = (self.process.stopping(), identity.clone());
        let targets = [PROVIDER, SECURITY].map(|name| self.process.health().target(name));
        self.spawn("identity", async move { provider.run(stopping).await });
        self.spawn_until_stopped("identity-ready", async move {
            known.ready().await;
            targets.iter().for_each(process::Target::ready);
        });
        Ok(identity)
    }

    /// Subscriptions are left out of readiness: listing those of the older version needs the
    /// conversion webhook, which is reached only when this process is ready.
    fn follow_kinds(&self) -> Vec<Arc<Store>> {
        let stores: Vec<Arc<Store>> = Kind::ALL.into_iter().map(Store::new).collect();
        for store in &stores {
            let following =
                follow::follow(self.client.clone(), Arc::clone(store), self.watched.clone());
            self.spawn_until_stopped(store.kind().plural(), following);
        }
        let target = self.process.health().target("operator-cache");
        let awaited = stores.clone();
        self.spawn_until_stopped("cache-ready", async move {
            for store in awaited
                .iter()
                .filter(|store| store.kind() != Kind::Subscription)
            {
                store.available().await;
            }
            target.ready();
        });
        stores
    }

    fn serve_sidecars(
        &self,
        stores: Vec<Arc<Store>>,
        identity: &identity::Identity,
        anchors: &TrustAnchors,
    ) -> Result<(), StartError> {
        let secrets = Secrets::new(self.client.clone(), self.watched.clone());
        let assignments = Assignments::new(self.client.clone(), self.watched.clone());
        let stopping = self.process.stopping();
        let api = Api::new(stores, secrets, assignments, stopping.clone());
        let addresses = addresses(&self.flags.listen_address, self.flags.port)?;
        let ready = self.process.health().target("operator-api-server");
        let (identity, anchors) = (identity.clone(), anchors.clone());
        let serving = api::serve(api, addresses, identity, anchors, ready, stopping);
        self.process.spawn("api", serving);
        Ok(())
    }

    fn convert(
        &self,
        identity: &identity::Identity,
        anchors: &TrustAnchors,
    ) -> Result<(), StartError> {
        let ready = self.process.health().target("operator-webhook");
        if env::var("ENABLE_WEBHOOKS").is_ok_and(|value| value.eq_ignore_ascii_case("false")) {
            ready.ready();
            return Ok(());
        }
        let address = &self.flags.webhook_server_listen_address;
        let addresses = addresses(address, self.flags.webhook_server_port)?;
        let (client, stopping) = (self.client.clone(), self.process.stopping());
        let validate = !self.flags.disable_resource_validation;
        let serving = webhook::serve(addresses, identity.clone(), validate, stopping.clone());
        self.process.spawn("webhook", serving);
        if validate {
            let (client, stopping) = (client.clone(), stopping.clone());
            let keeping = webhook::keep_validation(client, anchors.clone(), stopping);
            self.spawn("validation-bundle", keeping);
        }
        let (namespace, anchors) = (self.namespace.clone(), anchors.clone());
        let keeping = webhook::keep_bundle(client, namespace, anchors, ready, stopping);
        self.spawn("webhook-bundle", keeping);
        Ok(())
    }

    fn update_definitions(&self, leading: watch::Receiver<bool>) {
        if self.flags.disable_crd_updates {
            return;
        }
        let (client, namespace) = (self.client.clone(), self.namespace.clone());
        let stopping = self.process.stopping();
        self.spawn_until_stopped("definitions", async move {
            if elected(leading, &stopping).await {
                definitions::update(client, namespace, stopping).await;
            }
        });
    }

    fn keep_status(&self, stores: Vec<Arc<Store>>, leading: watch::Receiver<bool>) {
        if self.flags.disable_resource_status {
            return;
        }
        let (client, watched) = (self.client.clone(), self.watched.clone());
        let stopping = self.process.stopping();
        self.spawn("status", async move {
            if elected(leading, &stopping).await {
                status::keep(client, watched, stores, stopping).await;
            }
        });
    }

    fn watch_pods(&self, leading: watch::Receiver<bool>) {
        if self.schedule == Schedule::Disabled {
            return;
        }
        let orders = Orders {
            namespace: self.namespace.clone(),
            watched: self.watched.clone(),
            schedule: self.schedule,
            per_minute: self.flags.max_pod_restarts_per_minute,
            label: self.flags.watchdog_can_patch_pod_labels,
        };
        let (client, stopping) = (self.client.clone(), self.process.stopping());
        self.spawn_until_stopped("watchdog", async move {
            if elected(leading, &stopping).await {
                watchdog::watch(client, orders, stopping).await;
            }
        });
    }

    /// What shared instances are made with; none where they are switched off.
    fn environment(&self) -> Option<Environment> {
        if self.flags.disable_shared_instances {
            return None;
        }
        let settings = SidecarSettings::read(&self.flags.sidecar_settings);
        let scheduler = settings.get("SCHEDULER_ENABLED");
        let scheduler = scheduler.map_or(self.flags.scheduler_enabled, |it| config::truthy(&it));
        let read = Environment::read(&|name| settings.get(name), scheduler);
        let watching = settings.watch(self.process.stopping());
        self.process.spawn("sidecar-settings", watching);
        read
    }

    fn share(
        &self,
        environment: Environment,
        settings: Settings,
        anchors: &TrustAnchors,
        stores: &[Arc<Store>],
        leading: watch::Receiver<bool>,
    ) {
        let of = |kind| stores.iter().find(|store| store.kind() == kind).cloned();
        let (Some(configurations), Some(components)) =
            (of(Kind::Configuration), of(Kind::Component))
        else {
            return;
        };
        let resources = Resources {
            configurations,
            components,
        };
        let (client, anchors) = (self.client.clone(), anchors.clone());
        let (watched, stopping) = (self.watched.clone(), self.process.stopping());
        let world = World::new(client, environment, settings.mtls, anchors, resources);
        self.spawn("shared-instances", async move {
            if elected(leading, &stopping).await {
                shared::control(world, watched, stopping).await;
            }
        });
    }

    fn make_services(
        &self,
        settings: Settings,
        environment: Option<&Environment>,
        leading: watch::Receiver<bool>,
    ) {
        if self.flags.disable_service_reconciler {
            return;
        }
        let mut metrics = Metrics::default();
        self.process
            .metrics(|registry| metrics = Metrics::register(registry));
        let modes = Modes::new(environment.and_then(Environment::mode));
        let mut kinds = vec![WorkloadKind::Deployment, WorkloadKind::StatefulSet];
        if self.flags.enable_argo_rollout_service_reconciler {
            kinds.push(WorkloadKind::Rollout);
        }
        let (client, watched) = (self.client.clone(), self.watched.clone());
        let stopping = self.process.stopping();
        self.spawn("services", async move {
            if elected(leading, &stopping).await {
                let settings = (settings, modes);
                services::control(client, watched, kinds, settings, metrics, stopping).await;
            }
        });
    }

    /// Says when this replica leads. It never stops leading: losing the Lease ends the process.
    fn lead(&self) -> watch::Receiver<bool> {
        let (leading, changes) = watch::channel(self.flags.disable_leader_election);
        if !self.flags.disable_leader_election {
            let (client, stopping) = (self.client.clone(), self.process.stopping());
            self.process.spawn("leader", async move {
                stand(client, LEASE, leading, stopping).await
            });
        }
        changes
    }

    fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.process.spawn(name, async move {
            task.await;
            Ok::<(), LeaseError>(())
        });
    }

    /// For what may come to an end or not: it is given up when the process stops, and not before.
    fn spawn_until_stopped(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let stopping = self.process.stopping();
        self.spawn(name, async move {
            stopping.run_until_cancelled(task).await;
            stopping.cancelled().await;
        });
    }
}

async fn elected(
    mut leading: watch::Receiver<bool>,
    stopping: &tokio_util::sync::CancellationToken,
) -> bool {
    let led = async move { leading.wait_for(|leading| *leading).await.is_ok() };
    stopping.run_until_cancelled(led).await.unwrap_or(false)
}
