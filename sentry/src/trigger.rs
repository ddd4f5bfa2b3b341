//! Whether the credential files changed.
//!
//! Polled: a Secret volume is replaced by swapping a link several directories up, which watches
//! of a file miss. Several changes between two looks are one.

use std::{os::unix::fs::MetadataExt as _, path::PathBuf};

/// Device, inode, length and time of a file; `None` where there is none.
type Fingerprint = Vec<Option<(u64, u64, u64, i64, i64)>>;

/// Whether the credential files changed since the last look.
#[derive(Debug)]
pub struct Trigger {
    files: Vec<PathBuf>,
    seen: Fingerprint,
}

// === impl Trigger ===

impl Trigger {
    /// A trigger that fires when any of the files changes from now on.
    pub async fn new(files: Vec<PathBuf>) -> Self {
        let mut trigger = Self {
            files,
            seen: Vec::new(),
        };
        trigger.reset().await;
        trigger
    }

    /// Whether any file changed since the last call.
    pub async fn fired(&mut self) -> bool {
        let before = std::mem::take(&mut self.seen);
        self.reset().await;
        self.seen != before
    }

    /// Takes the files as they are now for unchanged.
    pub async fn reset(&mut self) {
        let mut seen = Vec::with_capacity(self.files.len());
        for file in &self.files {
            let metadata = tokio::fs::metadata(file).await.ok();
            seen.push(metadata.map(|file| {
                (
                    file.dev(),
                    file.ino(),
                    file.size(),
                    file.mtime(),
                    file.mtime_nsec(),
                )
            }));
        }
        self.seen = seen;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[tokio::test]
    async fn sees_what_kubelet_does_to_a_volume() {
        let volume = tempfile::tempdir().unwrap();
        let path = |name: &str| volume.path().join(name);
        for (name, text) in [("1", "old"), ("2", "new")] {
            std::fs::create_dir(path(name)).unwrap();
            std::fs::write(path(name).join("ca.crt"), text).unwrap();
        }
        symlink("1", path("..data")).unwrap();
        symlink("..data/ca.crt", path("ca.crt")).unwrap();
        let mut trigger = Trigger::new(vec![path("ca.crt"), path("missing")]).await;
        assert!(!trigger.fired().await);
        symlink("2", path("..next")).unwrap();
        std::fs::rename(path("..next"), path("..data")).unwrap();
        assert!(trigger.fired().await);
        assert!(!trigger.fired().await);
    }
}
