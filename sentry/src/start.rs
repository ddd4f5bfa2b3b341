//! From flags to a running sentry.

use std::{env, path::Path, sync::Arc};

use identity::{Identity, Listener, tls};
use identity_core::{SpiffeId, WorkloadError};
use kube::Client;
use process::{Process, kubernetes::ClientError};
use proto::sentry::v1::ca_server::CaServer;
use sentry_core::{
    Settings, cluster, generate,
    settings::{Method, Mode, SettingsError},
    validator::kubernetes::ControlPlane,
};
use tonic::transport::Server;

use crate::{
    authority::{Authority, AuthorityError},
    configuration::{self, ConfigurationError},
    flags::{FlagError, Flags},
    jwks::{Jwks, JwksError},
    kubernetes::{Kubernetes, Pods, Reach, Warden},
    metrics::Metrics,
    oidc,
    own::{Keeper, OwnError},
    owner::Owner,
    server::Signer,
    store::{Files, Secret, Store},
    trigger::Trigger,
    validators::Validators,
};

/// Where the system writes the search list of host names.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Why sentry did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A flag.
    #[error(transparent)]
    Flag(#[from] FlagError),
    /// In a cluster, sentry must know its own namespace.
    #[error("NAMESPACE must be set in kubernetes mode")]
    NoNamespace,
    /// The process runs as root.
    #[error(transparent)]
    Root(#[from] process::RootRefused),
    /// No way to the API server.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The Configuration can't be read.
    #[error("load the Configuration")]
    Configuration(#[from] ConfigurationError),
    /// The Configuration can't be obeyed.
    #[error("load the Configuration")]
    Settings(#[from] SettingsError),
    /// No key set to judge tokens by.
    #[error(transparent)]
    Jwks(#[from] JwksError),
    /// No bundle.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// Sentry's trust domain and namespace make no SPIFFE ID.
    #[error("sentry has no SPIFFE ID")]
    Id(#[from] WorkloadError),
    /// No certificate for sentry itself.
    #[error(transparent)]
    Own(#[from] OwnError),
    /// The listen address is none.
    #[error(transparent)]
    Address(#[from] config::listen::ListenAddressError),
    /// The TLS library refuses its own settings.
    #[error("prepare TLS")]
    Tls(#[from] rustls::Error),
    /// The port is taken, or forbidden.
    #[error("listen on port {0}")]
    Listen(u16, #[source] std::io::Error),
}

/// What sentry is told, checked.
struct Context {
    flags: Flags,
    process: Process,
    mode: Mode,
    own: ControlPlane,
    client: Option<Client>,
    settings: Settings,
    metrics: Metrics,
}

/// Starts sentry: Configuration, bundle, own certificate, validators, server.
///
/// # Errors
/// Says what keeps it from starting.
pub async fn start(flags: Flags, process: Process) -> Result<(), StartError> {
    let context = Context::new(flags, process).await?;
    let authority = Arc::new(context.authority().await?);
    let pods = context.pods(&authority);
    let identity = context.keep(Arc::clone(&authority), pods.clone()).await?;
    let validators = context.validators(pods).await?;
    context.serve_oidc(&authority)?;
    context.serve(authority, validators, &identity).await
}

// === impl Context ===

impl Context {
    async fn new(flags: Flags, process: Process) -> Result<Self, StartError> {
        flags.check()?;
        let (mode, own) = (flags.mode()?, own(&flags)?);
        let client = match mode {
            Mode::Standalone => None,
            Mode::Kubernetes => Some(client(&flags).await?),
        };
        let configuration = match &client {
            None => configuration::from_file(&flags.config)?,
            Some(client) => {
                configuration::from_cluster(client.clone(), &own.namespace, &flags.config).await?
            }
        };
        let settings = Settings::read(&configuration, mode)?;
        let metrics = Metrics::default();
        process.metrics(|registry| metrics.register(registry));
        Ok(Self {
            flags,
            process,
            mode,
            own,
            client,
            settings,
            metrics,
        })
    }

    async fn authority(&self) -> Result<Authority, StartError> {
        let names = self.flags.paths().names()?;
        let store = match &self.client {
            None => Store::Files(Box::new(Files::new(self.flags.paths(), names))),
            Some(client) => {
                Store::Secret(Box::new(Secret::new(client.clone(), self.reach(), names)))
            }
        };
        let owner = Owner {
            rotation: self.flags.rotation.settings(&self.own, self.settings.terms),
            tokens: self.flags.tokens(self.settings.terms.skew)?,
            key_id: self.flags.jwt.jwt_key_id.clone(),
        };
        Ok(Authority::open(store, owner, self.metrics.clone()).await?)
    }

    /// Issues sentry's own certificate and keeps it, and the bundle, fresh.
    async fn keep(
        &self,
        authority: Arc<Authority>,
        pods: Option<Arc<Pods>>,
    ) -> Result<Identity, StartError> {
        let files = self.flags.paths().files();
        let workload = generate::sentry(&self.own.trust_domain, &self.own.namespace);
        let keeper = Keeper::new(
            authority,
            workload,
            self.settings.terms,
            self.metrics.clone(),
            Trigger::new(files).await,
            pods,
        )?;
        let identity = keeper.identity();
        self.process
            .spawn("own-certificate", keeper.run(self.process.stopping()));
        self.process.health().target("security-provider").ready();
        Ok(identity)
    }

    async fn validators(&self, pods: Option<Arc<Pods>>) -> Result<Validators, StartError> {
        let kubernetes = match (&self.client, pods) {
            (Some(client), Some(pods)) => Some(self.kubernetes(client.clone(), pods)?),
            _ => None,
        };
        Ok(Validators {
            default: self.settings.default_method,
            insecure: self.settings.allows(Method::Insecure),
            kubernetes,
            jwks: self.jwks().await?,
        })
    }

    async fn jwks(&self) -> Result<Option<Jwks>, StartError> {
        let Some(options) = self.settings.jwks.clone() else {
            return Ok(None);
        };
        let target = self.process.health().target("sentry-jwks-validator");
        let (jwks, refresher) = Jwks::open(options, self.id()?).await?;
        self.process
            .spawn("key-set", refresher.run(self.process.stopping()));
        target.ready();
        Ok(Some(jwks))
    }

    fn id(&self) -> Result<SpiffeId, WorkloadError> {
        generate::sentry(&self.own.trust_domain, &self.own.namespace).spiffe_id()
    }

    fn reach(&self) -> Reach {
        Reach {
            own: self.own.namespace.clone(),
            served: self.flags.served(),
        }
    }

    /// Follows the pods of the cluster, if there is one, and looks after those that need it.
    fn pods(&self, authority: &Arc<Authority>) -> Option<Arc<Pods>> {
        let client = self.client.clone()?;
        let pods = Arc::new(Pods::new(client.clone(), self.reach()));
        let (watch, stopping) = (Arc::clone(&pods), self.process.stopping());
        self.process
            .spawn("pods", async move { watch.run(stopping).await });
        let (authority, metrics) = (Arc::clone(authority), self.metrics.clone());
        let warden = Warden::new(client, Arc::clone(&pods), authority, metrics);
        self.process
            .spawn("warden", warden.run(self.process.stopping()));
        Some(pods)
    }

    fn kubernetes(&self, client: Client, pods: Arc<Pods>) -> Result<Kubernetes, StartError> {
        let synced = Arc::clone(&pods);
        let target = self.process.health().target("sentry-kubernetes-validator");
        let stopping = self.process.stopping();
        self.process
            .spawn::<std::convert::Infallible>("pods-synced", async move {
                tokio::select! {
                    () = stopping.cancelled() => return Ok(()),
                    () = synced.synced() => target.ready(),
                }
                stopping.cancelled().await;
                Ok(())
            });
        Ok(Kubernetes::new(client, pods, self.own.clone(), &self.id()?))
    }

    /// Publishes what tokens are verified with, if that is wanted.
    fn serve_oidc(&self, authority: &Arc<Authority>) -> Result<(), StartError> {
        let Some(oidc) = self.flags.oidc()? else {
            return Ok(());
        };
        let flags = &self.flags.oidc;
        let server = oidc::Server {
            oidc,
            authority: Arc::clone(authority),
            addresses: config::listen::addresses(
                &flags.oidc_server_listen_address,
                flags.oidc_server_listen_port,
            )?,
            certificate: flags.certificate(),
        };
        let target = self.process.health().target("oidc-server");
        let stopping = self.process.stopping();
        self.process
            .spawn("oidc-server", server.run(target, stopping));
        Ok(())
    }

    async fn serve(
        &self,
        authority: Arc<Authority>,
        validators: Validators,
        identity: &Identity,
    ) -> Result<(), StartError> {
        let signer = Signer {
            authority,
            validators,
            terms: self.settings.terms,
            namespace: self.own.namespace.clone(),
            domain: self.domain(),
            metrics: self.metrics.clone(),
        };
        let tls = tls::server(identity, tls::Clients::Any, &[b"h2"])?;
        let port = self.flags.port;
        let addresses = config::listen::addresses(&self.flags.listen_address, port)?;
        let listener = Listener::bind(&addresses, Some(tls)).await;
        let listener = listener.map_err(|error| StartError::Listen(port, error))?;
        tracing::info!(port, "serving certificates");
        let stopping = self.process.stopping();
        let server = Server::builder()
            .add_service(CaServer::new(signer))
            .serve_with_incoming_shutdown(listener.incoming(), stopping.cancelled_owned());
        self.process.spawn("sentry-server", server);
        self.process.health().target("sentry-server").ready();
        Ok(())
    }

    /// The DNS domain of the cluster; outside one, the trust domain, as the scheduler has it.
    fn domain(&self) -> String {
        let text = match self.mode {
            Mode::Kubernetes => std::fs::read_to_string(RESOLV_CONF).unwrap_or_default(),
            Mode::Standalone => String::new(),
        };
        cluster::domain(&text)
            .unwrap_or(self.own.trust_domain.as_str())
            .to_owned()
    }
}

async fn client(flags: &Flags) -> Result<Client, StartError> {
    process::refuse_root()?;
    if env::var("NAMESPACE").unwrap_or_default().is_empty() {
        return Err(StartError::NoNamespace);
    }
    let kubeconfig = flags
        .kubeconfig
        .as_deref()
        .filter(|path| *path != Path::new(""));
    Ok(process::kubernetes::client(kubeconfig).await?)
}

fn own(flags: &Flags) -> Result<ControlPlane, FlagError> {
    let namespace = env::var("NAMESPACE").unwrap_or_else(|_| "default".to_owned());
    Ok(ControlPlane {
        namespace,
        trust_domain: flags.trust_domain()?,
    })
}
