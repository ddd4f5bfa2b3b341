//! The operator's binary.

use std::process::ExitCode;

use operator::{Command, Flags, convert, start};

fn main() -> ExitCode {
    identity::install_crypto_provider();
    let flags: Flags = config::args::parse();
    if let Some(Command::SharedInstance(wanted)) = &flags.command {
        return convert::run(wanted);
    }
    let service = process::Service {
        name: "operator",
        flags: flags.process.clone(),
        routes: axum::Router::new(),
    };
    process::run(service, async move |process| start(process, flags).await)
}
