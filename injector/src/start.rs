//! From flags and environment to a webhook that answers.

use std::{convert::Infallible, env, fs, net::SocketAddr, path::Path, time::Duration};

use axum::Router;
use identity::{Identity, KeyKind, Listener, Provider, TrustAnchors, tls};
use process::{Process, RootRefused};
use tokio::{sync::watch, time::timeout};

use crate::{
    Flags, Kubernetes, Metrics, Settings, SettingsError, ca_bundle,
    events::{self, Events},
    kubernetes::CallError,
    mtls,
    namespaces::Namespaces,
    webhook::{self, Webhook},
};

/// This service's name in its SPIFFE ID.
const APP_ID: &str = "dapr-injector";
/// How long a start waits for the namespaces: the rights of an older chart don't reach them.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// One of these in our own container means that tokens are mounted in this cluster.
const TOKENS: [&str; 2] = [
    "/var/run/secrets/dapr.io/sentrytoken/token",
    "/var/run/secrets/kubernetes.io/serviceaccount/token",
];

/// Why the injector could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The environment can't be used.
    #[error("the settings could not be read")]
    Settings(#[from] SettingsError),
    /// The process runs as root.
    #[error(transparent)]
    Root(#[from] RootRefused),
    /// There is no Kubernetes API.
    #[error("the Kubernetes API could not be reached")]
    Client(#[from] process::kubernetes::ClientError),
    /// The service accounts can't be listed.
    #[error("the service accounts that may have pods injected could not be resolved")]
    Accounts(#[from] CallError),
    /// No identity can be asked for.
    #[error("the identity could not be set up")]
    Identity(#[from] identity::ProviderError),
    /// No TLS server.
    #[error("TLS for the webhook could not be set up")]
    Tls(#[from] rustls::Error),
    /// The listen address can't be read.
    #[error("--listen-address could not be used")]
    Address(#[from] config::listen::ListenAddressError),
    /// The port can't be had.
    #[error("the webhook could not listen on {addresses:?}")]
    Listen {
        /// The addresses that were tried.
        addresses: Vec<SocketAddr>,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Starts all tasks of the injector; returns when the webhook listens.
///
/// # Errors
/// If a setting can't be used, or the API server is not there.
pub async fn start(flags: Flags, process: Process) -> Result<(), StartError> {
    let provided = process.health().target("security-provider");
    let listening = process.health().target("injector-service");
    let configured = process.health().target("webhook-configuration");
    let settings = settings(&flags)?;
    process::refuse_root()?;
    let anchors = follow_anchors(&process, &settings);
    // First, for it takes longest: the key is made while the API server answers.
    let identity = request_identity(&process, &settings, anchors.clone())?;
    let client = process::kubernetes::client(flags.kubeconfig.as_deref()).await?;
    let kubernetes = Kubernetes::new(client);
    let settings = settings.fit_to(&kubernetes).await;

    let webhook = webhook(&process, &kubernetes, settings, anchors.clone()).await?;
    if timeout(PATIENCE, webhook.namespaces.known()).await.is_err() {
        tracing::warn!("namespaces can't be listed; going on without the defaults they have");
    }
    identity.ready().await;
    provided.ready();
    serve(&process, &flags, &identity, webhook::router(webhook)).await?;
    listening.ready();
    let task = ca_bundle::keep(
        kubernetes,
        flags.webhook_name,
        anchors,
        configured,
        process.stopping(),
    );
    process.spawn("ca-bundle", task);
    Ok(())
}

fn settings(flags: &Flags) -> Result<Settings, SettingsError> {
    let lookup = |name: &str| env::var(name).ok();
    let resolv_conf = fs::read_to_string(RESOLV_CONF).unwrap_or_else(|error| {
        tracing::warn!(%error, "{RESOLV_CONF} could not be read to find the cluster's domain");
        String::new()
    });
    Settings::read(&lookup, &resolv_conf, flags.scheduler_enabled)
}

fn follow_anchors(process: &Process, settings: &Settings) -> TrustAnchors {
    let anchors = TrustAnchors::follow(&settings.trust_anchors);
    let task = anchors.clone().run(process.stopping());
    process.spawn("trust-anchors", async move {
        task.await;
        Ok::<(), Infallible>(())
    });
    anchors
}

/// RSA, because some managed API servers refuse Ed25519 at admission webhooks.
fn request_identity(
    process: &Process,
    settings: &Settings,
    anchors: TrustAnchors,
) -> Result<Identity, identity::ProviderError> {
    let request = identity::Request {
        app_id: APP_ID,
        namespace: settings.cluster.namespace.clone(),
        trust_domain: settings.trust_domain.clone(),
        sentry_address: settings.sentry_address.clone(),
        key: KeyKind::Rsa2048,
        kubernetes: true,
    };
    let provider = Provider::new(request, anchors)?;
    let identity = provider.identity();
    let task = provider.run(process.stopping());
    process.spawn("identity", async move {
        task.await;
        Ok::<(), Infallible>(())
    });
    Ok(identity)
}

async fn webhook(
    process: &Process,
    kubernetes: &Kubernetes,
    settings: Settings,
    anchors: TrustAnchors,
) -> Result<Webhook, CallError> {
    let Settings {
        cluster,
        mut callers,
        ..
    } = settings;
    let accounts = kubernetes.service_accounts().await?;
    for missing in callers.resolve(&accounts) {
        tracing::debug!(
            account = missing,
            "this service account does not exist yet; it is known by name only"
        );
    }
    let metrics = Metrics::default();
    process.metrics(|registry| metrics.register(registry));
    Ok(Webhook {
        callers,
        anchors,
        namespaces: follow_namespaces(process, kubernetes),
        events: publish_events(process, kubernetes),
        mtls: follow_mtls(process, kubernetes, &cluster.namespace).await,
        identity_token: TOKENS.iter().any(|path| Path::new(path).exists()),
        kubernetes: kubernetes.clone(),
        metrics,
        cluster,
    })
}

fn follow_namespaces(process: &Process, kubernetes: &Kubernetes) -> Namespaces {
    let namespaces = Namespaces::default();
    let task = namespaces
        .clone()
        .follow(kubernetes.namespaces(), process.stopping());
    process.spawn("namespaces", task);
    namespaces
}

fn publish_events(process: &Process, kubernetes: &Kubernetes) -> Events {
    let (entrance, notices) = events::queue();
    let task = events::publish(kubernetes.recorder(), notices, process.stopping());
    process.spawn("events", task);
    entrance
}

async fn follow_mtls(
    process: &Process,
    kubernetes: &Kubernetes,
    namespace: &str,
) -> watch::Receiver<bool> {
    let enabled = mtls::read(kubernetes, namespace).await;
    let receiver = enabled.subscribe();
    let (kubernetes, namespace) = (kubernetes.clone(), namespace.to_owned());
    process.spawn(
        "mtls",
        mtls::follow(kubernetes, namespace, enabled, process.stopping()),
    );
    receiver
}

async fn serve(
    process: &Process,
    flags: &Flags,
    identity: &Identity,
    router: Router,
) -> Result<(), StartError> {
    let addresses = config::listen::addresses(&flags.listen_address, flags.port)?;
    let tls = tls::server(identity, tls::Clients::Any, &[])?;
    let listener = Listener::bind(&addresses, Some(tls)).await;
    let listener = listener.map_err(|source| StartError::Listen { addresses, source })?;
    let stopping = process.stopping();
    process.spawn("webhook", async move {
        let stop = async move { stopping.cancelled().await };
        axum::serve(listener, router)
            .with_graceful_shutdown(stop)
            .await
    });
    Ok(())
}
