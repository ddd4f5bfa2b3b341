//! What the operator is told on its command line.

use std::num::ParseIntError;
use std::path::PathBuf;

use clap::{ArgAction, Parser};
use config::GoDuration;
use config::args::boolean;

use crate::convert::Convert;

/// The operator of Dapr's control plane
#[derive(Parser, Clone, Debug)]
#[command(name = "operator")]
#[expect(clippy::struct_excessive_bools, reason = "one field for each flag")]
pub struct Flags {
    /// Name of the Configuration with the settings of the control plane
    #[arg(long, default_value = "daprsystem")]
    pub config: String,
    /// How often pods without a sidecar are looked for: a duration, once, or 0 for never
    #[arg(long, default_value = "0")]
    pub watch_interval: String,
    /// Most pods that are restarted in a minute for want of a sidecar; 0 or less for no limit
    #[arg(long, default_value_t = 20, allow_negative_numbers = true)]
    pub max_pod_restarts_per_minute: i64,
    /// Act without being elected
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub disable_leader_election: bool,
    /// Make no Services for workloads
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub disable_service_reconciler: bool,
    /// Leave the definitions of resources as they are, even if they are older than this release
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub disable_crd_updates: bool,
    /// Judge no resources when they are written
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub disable_resource_validation: bool,
    /// Write no conditions and no Events about resources
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub disable_resource_status: bool,
    /// Make no shared instances, and leave those that there are as they are
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub disable_shared_instances: bool,
    /// Folder of what shapes the daprds of shared instances, a file for each variable of the
    /// injector's environment; the own environment holds where a file is missing
    #[arg(long, default_value = "/var/run/trilby.dev/sidecar-settings")]
    pub sidecar_settings: PathBuf,
    /// Tell the daprds of shared instances where the scheduler is
    #[arg(long, env, default_value_t = true, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub scheduler_enabled: bool,
    /// Look at this namespace only
    #[arg(long, default_value = "")]
    pub watch_namespace: String,
    /// Make Services for Argo Rollouts, too
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub enable_argo_rollout_service_reconciler: bool,
    /// Label pods that have a sidecar, so that they are not looked at again
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub watchdog_can_patch_pod_labels: bool,
    /// File with the trust anchors
    #[arg(long, default_value = "/var/run/secrets/dapr.io/tls/ca.crt")]
    pub trust_anchors_file: PathBuf,
    /// Port of the API for sidecars
    #[arg(long, default_value_t = 6500)]
    pub port: u16,
    /// Address of the API for sidecars; all when empty
    #[arg(long, default_value = "")]
    pub listen_address: String,
    /// Port of the conversion webhook; 9443 when zero or less
    #[arg(long, default_value = "19443", value_parser = webhook_port)]
    pub webhook_server_port: u16,
    /// Address of the conversion webhook; all when empty
    #[arg(long, default_value = "")]
    pub webhook_server_listen_address: String,
    /// Accepted for compatibility: watches are never replayed
    #[arg(long, default_value = "0s")]
    pub cache_sync_period: GoDuration,
    /// Path of a kubeconfig
    #[arg(long)]
    pub kubeconfig: Option<PathBuf>,
    /// Something else than to operate
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Logs, health and metrics
    #[command(flatten)]
    pub process: process::Flags,
}

/// What the program does instead of operating.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Command {
    /// Prints the `SharedInstance` for a values file of Dapr Shared's chart.
    SharedInstance(Convert),
}

/// What the original's webhook server falls back to.
fn webhook_port(text: &str) -> Result<u16, ParseIntError> {
    match text.parse::<i32>() {
        Ok(..=0) => Ok(9443),
        _ => text.parse(),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use rstest::rstest;

    use super::*;

    fn parse(args: &[&str]) -> Result<Flags, clap::Error> {
        config::args::parse_from(["operator"].iter().chain(args).map(OsString::from))
    }

    #[test]
    fn the_harness_can_start_it() {
        let flags = parse(&[
            "-log-level=debug",
            "-port=1",
            "-listen-address=127.0.0.1",
            "-healthz-port=2",
            "-healthz-listen-address=127.0.0.1",
            "-metrics-port=3",
            "-metrics-listen-address=127.0.0.1",
            "-trust-anchors-file=/tmp/ca.crt",
            "-disable-leader-election=true",
            "-kubeconfig=/tmp/kubeconfig",
            "-webhook-server-port=4",
            "-webhook-server-listen-address=127.0.0.1",
            "-cache-sync-period=1s",
        ])
        .unwrap();
        assert!(flags.disable_leader_election);
        assert_eq!((flags.port, flags.webhook_server_port), (1, 4));
        assert_eq!(flags.kubeconfig, Some(PathBuf::from("/tmp/kubeconfig")));
    }

    #[test]
    fn the_chart_can_start_it() {
        let flags = parse(&[
            "--watch-interval",
            "0",
            "--max-pod-restarts-per-minute",
            "20",
            "--log-level",
            "info",
            "--trust-anchors-file",
            "/var/run/secrets/dapr.io/tls/ca.crt",
            "--enable-metrics",
            "--metrics-port",
            "9090",
            "--watchdog-can-patch-pod-labels",
        ])
        .unwrap();
        assert!(flags.watchdog_can_patch_pod_labels);
        assert_eq!(flags.config, "daprsystem");
        assert_eq!((flags.port, flags.webhook_server_port), (6500, 19443));
    }

    #[rstest]
    #[case("-webhook-server-port=0", 9443)]
    #[case("-webhook-server-port=-1", 9443)]
    #[case("-webhook-server-port=65535", 65535)]
    fn the_webhook_has_a_port_to_fall_back_to(#[case] arg: &str, #[case] port: u16) {
        assert_eq!(parse(&[arg]).unwrap().webhook_server_port, port);
    }

    #[rstest]
    #[case(&["-config-path=x"])]
    #[case(&["-webhook-server-port=65536"])]
    #[case(&["-port=many"])]
    fn what_is_unknown_is_refused(#[case] args: &[&str]) {
        assert_eq!(parse(args).unwrap_err().exit_code(), 2);
    }
}
