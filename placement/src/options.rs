//! What the process is told: flags and environment, as Dapr's placement takes them.

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Args, Parser, ValueEnum};
use config::{GoDuration, args::boolean};
use placement_core::Settings;

/// Placement: maps actor types to the sidecars that host them
#[derive(Clone, Debug, Parser)]
#[command(version)]
pub struct Options {
    /// ID of this replica; must be in --initial-cluster
    #[arg(long, default_value = "dapr-placement-0")]
    pub id: String,
    /// The replicas, as id=host:port
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "dapr-placement-0=127.0.0.1:8201"
    )]
    pub initial_cluster: Vec<String>,
    /// Port of the gRPC server
    #[arg(long, default_value_t = 50005)]
    pub port: u16,
    /// Address of the gRPC and the metrics server; all when empty
    #[arg(long, default_value = "")]
    pub listen_address: String,
    /// Serve gRPC with mTLS, by a certificate of sentry
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub tls_enabled: bool,
    /// Serve /placement/state on the health port
    ///
    /// The default is what `DAPR_PLACEMENT_METADATA_ENABLED` says.
    #[arg(long, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = boolean)]
    metadata_enabled: Option<bool>,
    /// File of a bearer token that shows the state of all namespaces to callers elsewhere
    #[arg(long)]
    pub metadata_token_file: Option<PathBuf>,
    /// Virtual nodes of each host in the hash ring of the sidecars
    #[arg(long = "replicationFactor", default_value_t = 100)]
    pub replication_factor: i64,
    /// How long a connection is quiet before it is pinged (1s to 10s)
    #[arg(long, default_value = "2s")]
    keepalive_time: GoDuration,
    /// How long the answer to a ping may take (1s to 10s)
    #[arg(long, default_value = "3s")]
    keepalive_timeout: GoDuration,
    /// How long a sidecar may leave a dissemination unanswered
    #[arg(long, default_value = "8s")]
    disseminate_timeout: GoDuration,
    /// Pause after a dissemination, for joins and leaves to gather; 0 for none
    #[arg(long, default_value = "0s")]
    disseminate_coalesce_window: GoDuration,
    /// Trust domain of the control plane
    #[arg(long, default_value = "localhost")]
    pub trust_domain: String,
    /// PEM file of the trust anchors; followed when it changes
    #[arg(long, default_value = "/var/run/secrets/dapr.io/tls/ca.crt")]
    pub trust_anchors_file: PathBuf,
    /// Address of sentry [default: dapr-sentry.<namespace>.svc:443]
    #[arg(long)]
    sentry_address: Option<String>,
    /// Where the process runs
    #[arg(long, value_enum, default_value_t = Mode::Standalone)]
    pub mode: Mode,
    /// Take actors from hosts whose pods are being deleted while they can still answer; needs to
    /// list and watch pods
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub follow_pods: bool,
    /// The namespace whose pods are followed; all when empty
    #[arg(long, default_value = "")]
    pub watch_namespace: String,
    /// A kubeconfig, outside of a cluster
    #[arg(long)]
    pub kubeconfig: Option<PathBuf>,
    /// Logs, health and metrics.
    #[command(flatten)]
    process: process::Flags,
    /// Accepted for compatibility.
    #[command(flatten)]
    pub retired: Retired,
}

/// Flags that existing charts pass and that no longer do anything, in Dapr as here.
#[derive(Args, Clone, Debug)]
pub struct Retired {
    /// No effect: membership is in memory only
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub inmem_store_enabled: bool,
    /// No effect: membership is in memory only
    #[arg(long, default_value = "")]
    pub raft_logstore_path: String,
    /// No effect: API levels are no longer negotiated
    #[arg(long, default_value_t = 10, hide = true)]
    pub max_api_level: i64,
    /// No effect: API levels are no longer negotiated
    #[arg(long, default_value_t = 0, hide = true)]
    pub min_api_level: i64,
}

/// Where the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// On a machine.
    Standalone,
    /// In a pod: an identity is always fetched, and root is refused.
    Kubernetes,
}

/// How often connections are pinged, and how long the answer may take.
#[derive(Clone, Copy, Debug)]
pub struct Keepalive {
    /// The quiet time before a ping.
    pub time: Duration,
    /// The wait for its answer.
    pub timeout: Duration,
}

/// A flag whose value is no good.
#[derive(Debug, thiserror::Error)]
#[error("invalid value for {flag}: {value} is not within 1s and 10s")]
pub struct InvalidFlag {
    flag: &'static str,
    value: GoDuration,
}

// === impl Options ===

impl Options {
    /// The common flags; metrics are served on the address of the gRPC server, as Dapr does.
    pub fn process(&self) -> process::Flags {
        process::Flags {
            metrics_listen_address: self.listen_address.clone(),
            ..self.process.clone()
        }
    }

    /// Whether `/placement/state` is served.
    pub fn metadata_enabled(&self) -> bool {
        let variable = || std::env::var("DAPR_PLACEMENT_METADATA_ENABLED").unwrap_or_default();
        self.metadata_enabled
            .unwrap_or_else(|| config::truthy(&variable()))
    }

    /// How patient rounds are; a negative duration is none.
    pub fn settings(&self) -> Settings {
        Settings {
            budget: self.disseminate_timeout.as_std().unwrap_or_default(),
            window: self
                .disseminate_coalesce_window
                .as_std()
                .unwrap_or_default(),
        }
    }

    /// The keep-alive of connections.
    ///
    /// # Errors
    /// If a value is out of range.
    pub fn keepalive(&self) -> Result<Keepalive, InvalidFlag> {
        Ok(Keepalive {
            time: keepalive("keepalive-time", self.keepalive_time)?,
            timeout: keepalive("keepalive-timeout", self.keepalive_timeout)?,
        })
    }

    /// The namespace of the control plane.
    pub fn namespace() -> String {
        std::env::var("NAMESPACE").unwrap_or_else(|_| "default".into())
    }

    /// Where sentry is.
    pub fn sentry_address(&self) -> String {
        let default = || format!("dapr-sentry.{}.svc:443", Self::namespace());
        self.sentry_address.clone().unwrap_or_else(default)
    }
}

fn keepalive(flag: &'static str, value: GoDuration) -> Result<Duration, InvalidFlag> {
    let range = Duration::from_secs(1)..=Duration::from_secs(10);
    let within = value.as_std().filter(|duration| range.contains(duration));
    within.ok_or(InvalidFlag { flag, value })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn options(args: &[&str]) -> Result<Options, clap::Error> {
        config::args::parse_from(["placement"].iter().chain(args).map(Into::into))
    }

    #[test]
    fn has_the_defaults_of_dapr() {
        let options = options(&[]).unwrap();
        assert_eq!(options.id, "dapr-placement-0");
        assert_eq!(options.initial_cluster, ["dapr-placement-0=127.0.0.1:8201"]);
        assert_eq!((options.port, options.replication_factor), (50005, 100));
        assert_eq!(options.settings().budget, Duration::from_secs(8));
        assert!(options.settings().window.is_zero());
        assert!(!options.tls_enabled);
        let keepalive = options.keepalive().unwrap();
        assert_eq!(keepalive.time, Duration::from_secs(2));
        assert_eq!(keepalive.timeout, Duration::from_secs(3));
    }

    #[test]
    fn takes_what_the_chart_passes() {
        let options = options(&[
            "--id",
            "p-1",
            "--initial-cluster",
            "p-0=h0:8201,p-1=h1:8201",
            "--raft-logstore-path",
            "/var/x",
            "--inmem-store-enabled=false",
            "--max-api-level",
            "10",
            "--min-api-level=0",
            "--replicationFactor",
            "5",
            "-metadata-enabled",
            "--mode=kubernetes",
            "--metrics-port",
            "9091",
            "--metrics-listen-address=0.0.0.0",
            "--listen-address=127.0.0.1",
        ]);
        let options = options.unwrap();
        assert_eq!(options.initial_cluster, ["p-0=h0:8201", "p-1=h1:8201"]);
        assert_eq!(
            (options.replication_factor, options.mode),
            (5, Mode::Kubernetes)
        );
        assert!(options.metadata_enabled());
        assert_eq!(options.process().metrics_listen_address, "127.0.0.1");
    }

    #[rstest]
    #[case(&["--keepalive-time=999ms"], "invalid value for keepalive-time")]
    #[case(&["--keepalive-timeout=11s"], "invalid value for keepalive-timeout")]
    #[case(&["--keepalive-timeout=-1s"], "invalid value for keepalive-timeout")]
    fn refuses_keepalives_out_of_range(#[case] args: &[&str], #[case] message: &str) {
        let error = options(args).unwrap().keepalive().unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert_eq!(options(&["--nonsense"]).unwrap_err().exit_code(), 2);
        assert_eq!(options(&["--mode=elsewhere"]).unwrap_err().exit_code(), 2);
    }
}
