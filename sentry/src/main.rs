//! Sentry: the SPIFFE certificate authority of the control plane.

use std::process::ExitCode;

use sentry::{flags::Flags, start::start};

fn main() -> ExitCode {
    identity::install_crypto_provider();
    let flags = config::args::parse::<Flags>();
    let service = process::Service {
        name: "sentry",
        flags: flags.process.clone(),
        routes: axum::Router::new(),
    };
    process::run(service, async move |process| start(flags, process).await)
}
