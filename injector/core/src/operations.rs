//! The operations of a patch, as they are put together.

use json_patch::{AddOperation, PatchOperation, jsonptr::PointerBuf};
use k8s_openapi::api::core::v1::Volume;
use serde::Serialize;
use serde_json::Value;

use crate::volumes::Volumes;

/// Additions in the making.
#[derive(Debug, Default)]
pub(crate) struct Operations(pub(crate) Vec<PatchOperation>);

// === impl Operations ===

impl Operations {
    pub(crate) fn add(
        &mut self,
        path: &[&str],
        value: impl Serialize,
    ) -> Result<(), serde_json::Error> {
        let (path, value) = (
            PointerBuf::from_tokens(path.iter().copied()),
            serde_json::to_value(value)?,
        );
        self.0
            .push(PatchOperation::Add(AddOperation { path, value }));
        Ok(())
    }

    pub(crate) fn extend(&mut self, additions: impl Iterator<Item = (PointerBuf, Value)>) {
        let add = |(path, value)| PatchOperation::Add(AddOperation { path, value });
        self.0.extend(additions.map(add));
    }

    /// Adds those `wanted` that the pod lacks; the first ones of a pod make the list.
    pub(crate) fn add_volumes(
        &mut self,
        volumes: &mut Volumes,
        wanted: Vec<Volume>,
    ) -> Result<(), serde_json::Error> {
        let first = volumes.is_empty();
        let new: Vec<_> = wanted
            .into_iter()
            .filter_map(|one| volumes.claim(one))
            .collect();
        if first && !new.is_empty() {
            return self.add(&["spec", "volumes"], new);
        }
        new.iter()
            .try_for_each(|volume| self.add(&["spec", "volumes", "-"], volume))
    }
}
