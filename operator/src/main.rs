//! The operator's binary.

use std::process::ExitCode;

use operator::{Flags, start};

fn main() -> ExitCode {
    identity::install_crypto_provider();
    let flags: Flags = config::args::parse();
    let service = process::Service {
        name: "operator",
        flags: flags.process.clone(),
        routes: axum::Router::new(),
    };
    process::run(service, async move |process| start(process, flags).await)
}
