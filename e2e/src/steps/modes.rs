//! The same application in each mode.

use anyhow::Result;

use crate::{Apps, modes::Moded};

/// The name in the table, and `trilby.dev/mode`.
const MODES: [(&str, Option<&str>); 4] = [
    ("no-dapr", None),
    ("sidecar", Some("sidecar")),
    ("deployment", Some("shared-deployment")),
    ("daemonset", Some("shared-daemonset")),
];

/// Starts the application in each mode, and tells how long that takes and what it weighs.
///
/// # Errors
/// If one does not start.
pub fn modes(apps: &Apps<'_>) -> Result<String> {
    let mut told = Vec::new();
    for (name, mode) in MODES {
        let app = Moded::new(name, mode);
        app.up(apps)?;
        let taken = app.cold_start(apps)?;
        let (own, instance) = app.memory(apps)?;
        app.down(apps)?;
        let instance = match instance {
            0 => String::new(),
            shared => format!(" + {:.1} shared", mebibytes(shared)),
        };
        told.push(format!(
            "{name} {:.1} s, {:.1} MiB{instance}",
            taken.as_secs_f64(),
            mebibytes(own)
        ));
    }
    Ok(told.join("; "))
}

#[expect(clippy::cast_precision_loss, reason = "no memory here has 53 bits")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
