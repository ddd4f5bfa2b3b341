//! Placement: maps actor types to the sidecars that host them.

use std::process::ExitCode;

use placement::{Options, Placement};

fn main() -> ExitCode {
    identity::install_crypto_provider();
    let placement = Placement::new(config::args::parse::<Options>());
    process::run(placement.service(), |process| placement.start(process))
}
