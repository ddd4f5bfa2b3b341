//! Our services and Dapr's own, measured side by side in one run.
//!
//! ```text
//! Stage: etcd, API server, sentry, copies of all binaries   (a temporary folder)
//!   for each Service, for each Maker: Launch -> Running -> usage, load -> Figures
//! Report: a table for people, JSON for programs
//!
//! compare: the same stage, both injectors, the pods of compare/cases.yaml -> what they made of them
//! ```
//!
//! Whatever was started ends with the value that holds it, so an error or a signal leaves nothing
//! behind.

mod compare;
mod dialer;
mod figures;
mod flags;
mod load;
mod manifests;
mod measure;
mod poll;
mod proxy;
mod report;
mod running;
mod service;
mod stage;
mod usage;
mod webhook;

use anyhow::{Result, bail};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

/// One thread, so that the load leaves the other processors to the measured process.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    identity::install_crypto_provider();
    let flags = flags::Flags::parse();
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    tokio::select! {
        result = run(&flags) => result,
        _ = interrupt.recv() => bail!("interrupted; everything that was started has ended"),
        _ = terminate.recv() => bail!("terminated; everything that was started has ended"),
    }
}

async fn run(flags: &flags::Flags) -> Result<()> {
    match flags.mode {
        Some(flags::Mode::Compare) => compare::run(&flags.workspace).await,
        Some(flags::Mode::Proxy) => proxy::run(&flags.workspace, flags.load().as_secs()).await,
        None => report::run(flags).await,
    }
}
