//! The key set that verifiers of tokens read.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse};
use serde_json::{Map, Value, json};

use super::{Algorithm, SigningKey};

/// Members of a key that only its owner may know (RFC 7518 section 6).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Why a key set can't be published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// Not JSON, or not a key set.
    #[error("the JWKS is malformed")]
    Malformed(#[source] serde_json::Error),
    /// No key.
    #[error("the JWKS holds no key")]
    Empty,
    /// Nobody could verify the tokens.
    #[error("the JWKS lacks the public key of the JWT signing key")]
    Missing,
    /// Tokens would name a key that is not in the set.
    #[error("the JWKS holds no key of the id \"{0}\"")]
    NoSuchId(String),
    /// Tokens would name another key.
    #[error("the key \"{0}\" of the JWKS is not that of the JWT signing key")]
    OtherKey(String),
}

/// Checks that the set holds the key, under the id if one is given, and gives the set as it may
/// be published: without private members, should it have any.
pub(super) fn publish(
    json: &[u8],
    key: &SigningKey,
    key_id: Option<&str>,
) -> Result<String, KeySetError> {
    let mut keys = read(json).map_err(KeySetError::Malformed)?;
    if keys.is_empty() {
        return Err(KeySetError::Empty);
    }
    let named = |found: &&Value| key_id.is_none_or(|id| found["kid"] == *id);
    let matches = |found: &Value| is(found, key);
    if !keys.iter().filter(named).any(matches) {
        return Err(match key_id {
            None => KeySetError::Missing,
            Some(id) if keys.iter().any(|found| found["kid"] == *id) => {
                KeySetError::OtherKey(id.to_owned())
            }
            Some(id) => KeySetError::NoSuchId(id.to_owned()),
        });
    }
    for members in keys.iter_mut().filter_map(Value::as_object_mut) {
        members.retain(|name, _| !PRIVATE.contains(&name.as_str()));
    }
    Ok(json!({ "keys": keys }).to_string())
}

/// The keys of a set, or a single key.
fn read(json: &[u8]) -> Result<Vec<Value>, serde_json::Error> {
    let mut set: Map<String, Value> = serde_json::from_slice(json)?;
    if set.contains_key("kty") {
        return Ok(vec![Value::Object(set)]);
    }
    serde_json::from_value(set.remove("keys").unwrap_or_default())
}

fn is(found: &Value, key: &SigningKey) -> bool {
    let found = serde_json::from_value::<Jwk>(found.clone());
    found.is_ok_and(|found| {
        let signs = found.common.public_key_use.as_ref();
        found.algorithm == *key.public()
            && signs.is_none_or(|found| *found == PublicKeyUse::Signature)
    })
}

/// The set of this one key.
pub(super) fn of(key: &SigningKey, algorithm: Algorithm, key_id: Option<&str>) -> Vec<u8> {
    let mut members = json!(key.public());
    members["alg"] = algorithm.to_string().into();
    members["use"] = "sig".into();
    members["kid"] = key_id.map_or_else(|| thumbprint(key), str::to_owned).into();
    json!({ "keys": [members] }).to_string().into_bytes()
}

/// The RFC 7638 thumbprint, in the base64 that Dapr writes it in: the standard alphabet, padded.
pub(super) fn thumbprint(key: &SigningKey) -> String {
    let members = match key.public() {
        AlgorithmParameters::RSA(rsa) => json!({"e": rsa.e, "kty": rsa.key_type, "n": rsa.n}),
        public => json!(public),
    };
    // Members in the order of their names, nothing between them, as the RFC wants.
    STANDARD.encode(digest(&SHA256, members.to_string().as_bytes()))
}
