//! The flags that every service has.

use std::path::PathBuf;

use clap::{ArgAction, Args};
use config::args::boolean;

/// Logs, health and metrics, as every binary of Dapr's control plane takes them.
#[derive(Args, Clone, Debug)]
pub struct Flags {
    /// Least severe level to log: debug, info, warn, error or fatal
    #[arg(long, default_value = "info")]
    pub log_level: String,
    /// Log JSON instead of text
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub log_as_json: bool,
    /// Append logs to this file instead of writing them to stdout
    #[arg(long)]
    pub log_file: Option<PathBuf>,
    /// Serve Prometheus metrics
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub enable_metrics: bool,
    /// Port of the metrics server
    #[arg(long, default_value_t = 9090)]
    pub metrics_port: u16,
    /// Address of the metrics server
    #[arg(long, default_value = "")]
    pub metrics_listen_address: String,
    /// Port of the health server
    #[arg(long, default_value_t = 8080)]
    pub healthz_port: u16,
    /// Address of the health server; all when empty
    #[arg(long, default_value = "")]
    pub healthz_listen_address: String,
}
