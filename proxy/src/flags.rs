//! What the process is told.

use std::{net::IpAddr, path::PathBuf};

use clap::{ArgAction, Args, Parser};
use config::{GoDuration, args::boolean};
use proxy_core::source::Range;

use crate::{endpoints::Host, forwarder::Protocol};

/// The proxy beside a shared daprd: delivers its calls to the app's pods, and guards its API
#[derive(Clone, Debug, Parser)]
#[command(version)]
pub struct Flags {
    /// Towards the app.
    #[command(flatten)]
    pub app: AppFlags,
    /// Towards the apps that call daprd.
    #[command(flatten)]
    pub guard: GuardFlags,
    /// Calls that run when the process is told to stop may take so long (less than 20s)
    #[arg(long, default_value = "15s")]
    pub drain_timeout: GoDuration,
    /// Ask the proxy with this process id to send its clients elsewhere, and exit; for a preStop
    /// hook
    #[arg(long, num_args = 0..=1, default_missing_value = "1")]
    pub drain: Option<i32>,
    /// Logs, health and metrics.
    #[command(flatten)]
    pub process: process::Flags,
}

/// Where the app is, and how calls get there.
#[derive(Args, Clone, Debug)]
pub struct AppFlags {
    /// Service of the own namespace whose pods are the app
    #[arg(long, conflicts_with = "app_address")]
    pub app_service: Option<String>,
    /// The app as host:port, resolved again and again, where it is no Service
    #[arg(long)]
    pub app_address: Option<Host>,
    /// Port of the app's pods; 0 for the one the Service says
    #[arg(long, default_value_t = 0)]
    pub app_port: u16,
    /// Lease of the own namespace by which instances agree on who delivers what all of them get, and
    /// by which they say that the app has to be asked anew
    #[arg(long)]
    pub lease: Option<String>,
    /// Revision of the app that this instance began with
    #[arg(long, env = "APP_REVISION", default_value = "")]
    pub app_revision: String,
    /// What the app speaks; for health checks
    #[arg(long, value_enum, default_value_t = Protocol::Http)]
    pub app_protocol: Protocol,
    /// How often the host of --app-address is resolved
    #[arg(long, default_value = "5s")]
    pub app_resolve_interval: GoDuration,
    /// Port that daprd takes for the app's
    #[arg(long, default_value_t = 3510)]
    pub forwarder_port: u16,
    /// Address of that port
    #[arg(long, default_value = "127.0.0.1")]
    pub forwarder_listen_address: String,
    /// A connection to the app or to daprd may take so long
    #[arg(long, default_value = "1s")]
    pub connect_timeout: GoDuration,
    /// So many calls are held while the app has no ready pod
    #[arg(long, default_value_t = 1_000)]
    pub hold_limit: usize,
    /// Each of them so long
    #[arg(long, default_value = "60s")]
    pub hold_timeout: GoDuration,
    /// So long the calls that daprd makes only once: for subscriptions, bindings and settings
    #[arg(long, default_value = "1h")]
    pub hold_subscriptions_timeout: GoDuration,
    /// Calls that a nearer pod has more to do before a farther one (node, zone, elsewhere) is taken
    #[arg(long, default_value_t = 8)]
    pub spill: u32,
    /// Node of this pod
    #[arg(long, env = "NODE_NAME")]
    pub node_name: Option<String>,
    /// Zone of this pod; if it isn't told, that of an app's pod on the same node
    #[arg(long, env = "ZONE")]
    pub zone: Option<String>,
    /// Check the health of each of the app's pods, and answer daprd's checks here
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub enable_app_health_check: bool,
    /// Path of the health check, unless the app speaks gRPC
    #[arg(long, default_value = "/healthz")]
    pub app_health_check_path: String,
    /// Pause between health checks
    #[arg(long, default_value = "5s")]
    pub app_health_probe_interval: GoDuration,
    /// A health check may take so long
    #[arg(long, default_value = "500ms")]
    pub app_health_probe_timeout: GoDuration,
    /// Failures in a row that make a pod unhealthy
    #[arg(long, default_value_t = 3)]
    pub app_health_threshold: u32,
    /// Namespace of the instance and of its app
    #[arg(long, env = "NAMESPACE", default_value = "default")]
    pub namespace: String,
    /// A kubeconfig, outside of a cluster
    #[arg(long)]
    pub kubeconfig: Option<PathBuf>,
}

/// Who may call daprd.
#[derive(Args, Clone, Debug)]
pub struct GuardFlags {
    /// Address of the ports for apps; all when empty
    #[arg(long, env = "POD_IP", default_value = "")]
    pub guard_listen_address: String,
    /// Port for apps in front of daprd's HTTP API; 0 for none
    #[arg(long, default_value_t = 3500)]
    pub http_port: u16,
    /// Port for apps in front of daprd's gRPC API; 0 for none
    #[arg(long, default_value_t = 50001)]
    pub grpc_port: u16,
    /// Where daprd listens
    #[arg(long, default_value = "127.0.0.1")]
    pub daprd_address: IpAddr,
    /// Port of daprd's HTTP API
    #[arg(long, default_value_t = 3500)]
    pub daprd_http_port: u16,
    /// Port of daprd's gRPC API
    #[arg(long, default_value_t = 50001)]
    pub daprd_grpc_port: u16,
    /// File of tokens that apps may show, one a line; may be given again; no check if there is none
    #[arg(long)]
    pub api_token_file: Vec<PathBuf>,
    /// A token that is no longer in the files stays good for so long
    #[arg(long, default_value = "10m")]
    pub api_token_grace: GoDuration,
    /// File of the token that daprd wants to see [default: what `DAPR_API_TOKEN` says, if anything]
    #[arg(long)]
    pub daprd_api_token_file: Option<PathBuf>,
    /// Addresses that may connect, as 10.244.0.0/16,10.0.0.1; all if there are none
    #[arg(long, value_delimiter = ',')]
    pub allow_from: Vec<Range>,
    /// Let the pods of --app-service connect, ready or not, and beside --allow-from nobody else
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub allow_from_app: bool,
    /// Connections of one client address at once
    #[arg(long, default_value_t = 500)]
    pub client_connections: u32,
    /// Requests and streams of one client address at once
    #[arg(long, default_value_t = 500)]
    pub client_requests: u32,
    /// Connections are asked to end after about so long, so that clients spread; 0 for never
    #[arg(long, default_value = "5m")]
    pub max_connection_age: GoDuration,
    /// PEM file of the certificate chain; with it the ports for apps are TLS
    #[arg(long, requires = "tls_key_file")]
    pub tls_cert_file: Option<PathBuf>,
    /// PEM file of its key
    #[arg(long, requires = "tls_cert_file")]
    pub tls_key_file: Option<PathBuf>,
}
