//! The injector's process.

use std::process::ExitCode;

use injector::Flags;

fn main() -> ExitCode {
    identity::install_crypto_provider();
    let flags: Flags = config::args::parse();
    let service = process::Service {
        name: "injector",
        flags: flags.process.clone(),
        routes: axum::Router::new(),
    };
    process::run(service, async move |process| {
        injector::start(flags, process).await
    })
}
