//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand};

use crate::service::Service;

/// Measures our release binaries and Dapr's, and writes .cache/bench/results.json
#[derive(Debug, Parser)]
pub(crate) struct Flags {
    #[command(subcommand)]
    pub(crate) mode: Option<Mode>,
    /// Only these services; all if none is named
    #[arg(long = "service")]
    services: Vec<Service>,
    /// How long each service rests before its memory is read
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// How long each load lasts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    load_seconds: u64,
    /// How often each service is started for the median of its start
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) starts: u8,
    /// The checkout
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))]
    pub(crate) workspace: PathBuf,
}

/// What else can be done on the same stage.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Mode {
    /// Compare what both injectors make of the same pods
    Compare,
    /// Measure what the proxy of shared instances adds to a call
    Proxy,
}

// === impl Flags ===

impl Flags {
    pub(crate) fn rest(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// The services to measure, in the order of the report.
    pub(crate) fn services(&self) -> impl Iterator<Item = Service> {
        let wanted =
            |service: &Service| self.services.is_empty() || self.services.contains(service);
        Service::ALL.into_iter().filter(wanted)
    }

    pub(crate) fn load(&self) -> Duration {
        Duration::from_secs(self.load_seconds)
    }
}
