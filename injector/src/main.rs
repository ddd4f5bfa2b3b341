//! The injector's process.

use std::process::ExitCode;

use injector::{Command, Flags, preview};

fn main() -> ExitCode {
    identity::install_crypto_provider();
    let flags: Flags = config::args::parse();
    if let Some(Command::Preview(wanted)) = flags.command {
        return preview::block_on(&wanted, flags.scheduler_enabled);
    }
    let service = process::Service {
        name: "injector",
        flags: flags.process.clone(),
        routes: axum::Router::new(),
    };
    process::run(service, async move |process| {
        injector::start(flags, process).await
    })
}
