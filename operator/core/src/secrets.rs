//! Secret references, and what they become once the secrets are known.
//!
//! Sidecars expect the bytes of a secret as a JSON string of their base64, except in
//! Configurations, which they use as they are (Dapr: `pkg/operator/api`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::kind::Kind;

/// The content of a Kubernetes Secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(BTreeMap<String, Vec<u8>>);

/// Why a reference cannot be resolved. Never says what a secret holds.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unresolved {
    /// There is no such secret. The text is that of the API server.
    #[error("Secret {0:?} not found")]
    NoSecret(String),
    /// The secret has no such key.
    #[error("Secret {secret:?} has no key {key:?}")]
    NoKey {
        /// Name of the secret.
        secret: String,
        /// The key.
        key: String,
    },
    /// The reference names no key, where the name of the secret does not stand for it.
    #[error("the reference to Secret {0:?} names no key")]
    KeyUnnamed(String),
    /// The value is used as text, but is none.
    #[error("key {key:?} of Secret {secret:?} is not text")]
    NotText {
        /// Name of the secret.
        secret: String,
        /// The key.
        key: String,
    },
}

// === impl Secret ===

impl Secret {
    /// A secret with this content.
    pub fn new(data: BTreeMap<String, Vec<u8>>) -> Self {
        Self(data)
    }
}

/// Says its keys and no values.
impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// Names of the Kubernetes Secrets that an object refers to, each once.
pub fn referenced(kind: Kind, object: &mut Value) -> Box<[Box<str>]> {
    let slots = slots(kind, object);
    let mut names: Vec<Box<str>> = slots
        .iter()
        .filter_map(|slot| Some(secret_name(slot)?.into()))
        .collect();
    names.sort();
    names.dedup();
    names.into()
}

/// What an object refers to and `has` does not know, by secret and key, each once.
pub fn lacking(
    kind: Kind,
    object: &mut Value,
    has: impl Fn(&str, &str) -> bool,
) -> BTreeSet<(String, String)> {
    let slots = slots(kind, object);
    let named = slots.iter().filter_map(|slot| {
        let name = secret_name(slot)?;
        Some((name, key(slot).unwrap_or(name)))
    });
    named
        .filter(|(name, key)| !has(name, key))
        .map(|(name, key)| (name.to_owned(), key.to_owned()))
        .collect()
}

/// The secret store that an object names for its references, if it has some and the store is not
/// that of Kubernetes.
pub fn foreign_store(kind: Kind, object: &Value) -> Option<&str> {
    let (auth, list) = match kind {
        Kind::Component => (&object["auth"], "/spec/metadata"),
        Kind::HttpEndpoint => (&object["auth"], "/spec/headers"),
        Kind::McpServer => {
            let (name, list) = transport(object)?;
            return named_store(&object["spec"]["endpoint"][name]["auth"], &list, object);
        }
        _ => return None,
    };
    named_store(auth, list, object)
}

fn named_store<'a>(auth: &'a Value, list: &str, object: &Value) -> Option<&'a str> {
    let entries = object.pointer(list).and_then(Value::as_array)?;
    let refers = entries.iter().any(|slot| secret_name(slot).is_some());
    let store = auth["secretStore"].as_str()?;
    (refers && !in_kubernetes(auth)).then_some(store)
}

/// Fills in the values that an object takes from Kubernetes Secrets. The references stay.
///
/// # Errors
///
/// If a secret is missing; for a Configuration also if a key is.
pub fn resolve(
    kind: Kind,
    object: &mut Value,
    secrets: &BTreeMap<Box<str>, Secret>,
) -> Result<(), Unresolved> {
    for slot in slots(kind, object) {
        let Some(name) = secret_name(slot) else {
            continue;
        };
        let secret = secrets
            .get(name)
            .ok_or_else(|| Unresolved::NoSecret(name.to_owned()))?;
        if let Some(value) = value(kind, slot, name, secret)? {
            slot["value"] = value;
        }
    }
    Ok(())
}

/// The new value of a slot; none if it stays as it is.
fn value(
    kind: Kind,
    slot: &Value,
    name: &str,
    secret: &Secret,
) -> Result<Option<Value>, Unresolved> {
    let key = key(slot);
    let bytes = secret.0.get(key.unwrap_or(name));
    match (kind, key, bytes) {
        (Kind::Configuration, ..) => text(name, key, bytes).map(Some),
        (_, _, Some(bytes)) => Ok(Some(STANDARD.encode(bytes).into())),
        (Kind::Component, _, None) => Ok(None),
        (_, _, None) => Ok(Some(Value::Null)),
    }
}

/// A Configuration is used as it is: nothing is assumed where a key is missing.
fn text(secret: &str, key: Option<&str>, bytes: Option<&Vec<u8>>) -> Result<Value, Unresolved> {
    let (secret, key) = (
        secret.to_owned(),
        key.ok_or_else(|| Unresolved::KeyUnnamed(secret.to_owned()))?,
    );
    let Some(bytes) = bytes else {
        return Err(Unresolved::NoKey {
            secret,
            key: key.to_owned(),
        });
    };
    let text = String::from_utf8(bytes.clone());
    text.map(Value::String).map_err(|_| Unresolved::NotText {
        secret,
        key: key.to_owned(),
    })
}

/// Without one, the name of the secret stands for it.
fn key(slot: &Value) -> Option<&str> {
    slot["secretKeyRef"]["key"]
        .as_str()
        .filter(|key| !key.is_empty())
}

fn secret_name(slot: &Value) -> Option<&str> {
    slot["secretKeyRef"]["name"]
        .as_str()
        .filter(|name| !name.is_empty())
}

/// The places of an object that may take their value from a Kubernetes Secret, in the order in
/// which they are resolved. None if the sidecar resolves them itself, from another store.
fn slots(kind: Kind, object: &mut Value) -> Vec<&mut Value> {
    match kind {
        Kind::Component if in_kubernetes(&object["auth"]) => {
            entries(object, "/spec/metadata").collect()
        }
        Kind::HttpEndpoint if in_kubernetes(&object["auth"]) => http_endpoint(object),
        Kind::McpServer => mcp_server(object),
        Kind::Configuration => entries(object, "/spec/tracing/otel/headers").collect(),
        _ => Vec::new(),
    }
}

fn http_endpoint(object: &mut Value) -> Vec<&mut Value> {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else {
        return Vec::new();
    };
    let (mut headers, mut documents) = (None, None);
    for (key, value) in spec {
        match key.as_str() {
            "headers" => headers = value.as_array_mut(),
            "clientTLS" => documents = value.as_object_mut(),
            _ => {}
        }
    }
    let documents = documents
        .into_iter()
        .flatten()
        .map(|(_, document)| document);
    headers
        .into_iter()
        .flatten()
        .chain(documents)
        .filter(|slot| slot.is_object())
        .collect()
}

fn mcp_server(object: &mut Value) -> Vec<&mut Value> {
    let Some((name, list)) = transport(object) else {
        return Vec::new();
    };
    if !in_kubernetes(&object["spec"]["endpoint"][name]["auth"]) {
        return Vec::new();
    }
    entries(object, &list).collect()
}

/// The first transport that is set counts: its name, and the path of its list.
fn transport(object: &Value) -> Option<(&'static str, String)> {
    let transports = [
        ("streamableHTTP", "headers"),
        ("sse", "headers"),
        ("stdio", "env"),
    ];
    transports
        .into_iter()
        .find(|(name, _)| object["spec"]["endpoint"][*name].is_object())
        .map(|(name, list)| (name, format!("/spec/endpoint/{name}/{list}")))
}

/// The objects of the list at a path.
fn entries<'a>(object: &'a mut Value, path: &str) -> impl Iterator<Item = &'a mut Value> {
    let list = object.pointer_mut(path).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter(|slot| slot.is_object())
}

fn in_kubernetes(auth: &Value) -> bool {
    matches!(auth["secretStore"].as_str(), None | Some("" | "kubernetes"))
}

#[cfg(test)]
#[path = "secrets/tests.rs"]
mod tests;
