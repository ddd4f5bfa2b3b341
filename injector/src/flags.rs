//! The command line.

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand};
use config::args::boolean;

use crate::preview::Preview;

/// The mutating webhook that gives annotated pods their Dapr sidecar.
#[derive(Clone, Debug, Parser)]
#[command(name = "injector", version)]
pub struct Flags {
    /// Port of the webhook
    #[arg(long, default_value_t = 4000)]
    pub port: u16,
    /// Address of the webhook; all when empty
    #[arg(long, default_value = "")]
    pub listen_address: String,
    /// Tell sidecars where the scheduler is
    #[arg(long, env, default_value_t = true, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub scheduler_enabled: bool,
    /// The webhook configuration that leads to this injector
    #[arg(long, default_value = "dapr-sidecar-injector")]
    pub webhook_name: String,
    /// Kubeconfig to use instead of the pod's service account
    #[arg(long)]
    pub kubeconfig: Option<PathBuf>,
    /// Something else than to serve
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Logs, health and metrics.
    #[command(flatten)]
    pub process: process::Flags,
}

/// What the program does instead of serving.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Shows what would become of a manifest.
    Preview(Preview),
}
