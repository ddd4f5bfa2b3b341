//! The bundle in files of this machine.

use std::{
    io::{self, ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use sentry_core::{
    Parts,
    agreement::{Names, Stored},
    jwt,
};
use zeroize::Zeroizing;

use super::{Contents, StoreError, Written};
use crate::flags::Paths;

/// The bundle in files of this machine.
#[derive(Debug)]
pub struct Files {
    paths: Paths,
    names: Names,
}

// === impl Files ===

impl Files {
    /// The bundle in these files.
    pub fn new(paths: Paths, names: Names) -> Self {
        Self { paths, names }
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    pub(super) async fn read(&self) -> Result<Stored, StoreError> {
        Ok(Stored {
            anchors: read(&self.paths.anchors).await?,
            issuer_chain: read(&self.paths.issuer_chain).await?,
            issuer_key: read(&self.paths.issuer_key).await?.map(Zeroizing::new),
            jwt_key: read(&self.paths.jwt_key).await?.map(Zeroizing::new),
            key_set: read(&self.paths.key_set).await?,
            ..Stored::default()
        })
    }

    pub(super) fn write(&self, contents: Contents<'_>) -> Result<Written, StoreError> {
        if let Some(parts) = contents.bundle {
            self.write_bundle(parts)?;
        }
        if let Some(parts) = contents.tokens {
            self.write_tokens(parts)?;
        }
        Ok(Written::Yes)
    }

    /// The anchors come last: whoever sees them finds the rest as well.
    fn write_bundle(&self, parts: &Parts) -> Result<(), StoreError> {
        write(&self.paths.issuer_key, &parts.issuer_key)?;
        write(&self.paths.issuer_chain, &parts.issuer_chain)?;
        write(&self.paths.anchors, &parts.anchors)
    }

    /// A key that somebody put there is not touched, not even to write it again.
    fn write_tokens(&self, parts: &jwt::Parts) -> Result<(), StoreError> {
        if !self.paths.jwt_key.exists() {
            write(&self.paths.jwt_key, &parts.key)?;
        }
        write(&self.paths.key_set, &parts.key_set)
    }
}

async fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match tokio::fs::read(path).await {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::Read(path.display().to_string(), error)),
    }
}

fn write(path: &Path, text: &[u8]) -> Result<(), StoreError> {
    replace(path, text).map_err(|error| StoreError::Write(path.display().to_string(), error))
}

/// Written aside and renamed, so that nobody ever reads half a file. All files are private, the
/// public certificates too, as users of the original have them.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&aside)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(&aside, path)
}
