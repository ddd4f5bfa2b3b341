//! From a resource to the bytes that a sidecar gets.

use std::collections::BTreeMap;
use std::error::Error;

use operator_core::resource::{Resource, typed};
use operator_core::secrets::{Unresolved, resolve};
use serde_json::Value;

use crate::secrets::{ReadSecrets, SecretError};

/// Why a resource cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum RenderError {
    /// Only this resource is affected.
    #[error(transparent)]
    Unresolved(#[from] Unresolved),
    /// It cannot be told what the resource should be.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

// === impl RenderError ===

impl RenderError {
    /// The error with its causes, for clients.
    pub(super) fn text(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}

/// The resource with its type and its secrets, as answers carry it.
pub(super) async fn answer<S: ReadSecrets>(
    resource: &Resource,
    secrets: &S,
) -> Result<Vec<u8>, RenderError> {
    if resource.secrets().is_empty() {
        return Ok(resource.typed_json());
    }
    Ok(bytes(&typed(
        resource.kind(),
        complete(resource, secrets).await?,
    )))
}

/// The resource as it came, with its secrets, as streams carry it.
pub(super) async fn event<S: ReadSecrets>(
    resource: &Resource,
    secrets: &S,
) -> Result<Vec<u8>, RenderError> {
    if resource.secrets().is_empty() {
        return Ok(resource.json().to_vec());
    }
    Ok(bytes(&complete(resource, secrets).await?))
}

async fn complete<S: ReadSecrets>(resource: &Resource, secrets: &S) -> Result<Value, RenderError> {
    let mut known = BTreeMap::new();
    for name in resource.secrets() {
        if let Some(secret) = secrets.read(resource.namespace(), name).await? {
            known.insert(name.clone(), secret);
        }
    }
    let mut object = resource.to_value();
    resolve(resource.kind(), &mut object, &known)?;
    Ok(object)
}

fn bytes(object: &Value) -> Vec<u8> {
    object.to_string().into_bytes()
}
