//! The same application in each mode.

use anyhow::Result;

use crate::{Apps, modes::Moded};

const MIB: u64 = 1024 * 1024;
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
        let instance = match instance / MIB {
            0 => String::new(),
            shared => format!(" + {shared} shared"),
        };
        told.push(format!(
            "{name} {:.1} s, {} MiB{instance}",
            taken.as_secs_f64(),
            own / MIB
        ));
    }
    Ok(told.join("; "))
}
