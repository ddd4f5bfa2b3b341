//! Mounted files that change.

use std::{io, path::PathBuf, time::Duration};

use tokio_util::sync::CancellationToken;

/// How often they are read. The kubelet swaps them whole; a watch of the folder would miss
/// swaps of the folder itself.
const INTERVAL: Duration = Duration::from_secs(5);

/// The content of all, in order.
///
/// # Errors
/// If any can't be read.
pub(crate) async fn read(paths: &[PathBuf]) -> io::Result<Vec<Vec<u8>>> {
    let mut contents = Vec::with_capacity(paths.len());
    for path in paths {
        contents.push(tokio::fs::read(path).await?);
    }
    Ok(contents)
}

/// Calls `changed` with the content of the files when it is another than before. What can't be
/// read changes nothing.
pub(crate) async fn follow(
    paths: Vec<PathBuf>,
    stopping: CancellationToken,
    mut changed: impl FnMut(&[Vec<u8>]),
) {
    let mut known = read(&paths).await.ok();
    if let Some(contents) = &known {
        changed(contents);
    }
    let mut ticks = tokio::time::interval(INTERVAL);
    while stopping.run_until_cancelled(ticks.tick()).await.is_some() {
        match read(&paths).await {
            Ok(contents) if known.as_ref() != Some(&contents) => {
                changed(&contents);
                known = Some(contents);
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, ?paths, "a mounted file could not be read"),
        }
    }
}
