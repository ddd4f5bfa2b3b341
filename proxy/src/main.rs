//! The proxy beside a shared daprd.

use std::process::ExitCode;

use proxy::{Flags, Proxy};

fn main() -> ExitCode {
    identity::install_crypto_provider();
    let flags = config::args::parse::<Flags>();
    if let Some(process) = flags.drain {
        return proxy::start::ask_to_drain(process);
    }
    let proxy = Proxy::new(flags);
    process::run(proxy.service(), |process| proxy.start(process))
}
