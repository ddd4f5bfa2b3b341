//! Tokens.

use std::fmt;

use aws_lc_rs::error::Unspecified;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::{JwtError, Options, Parts, SigningKey, key_set};

/// The library refused to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token could not be signed")]
pub struct SignError;

/// What a token is to say.
#[derive(Debug, Clone, Copy)]
pub struct Token<'a> {
    /// The SPIFFE ID of the workload.
    pub subject: &'a str,
    /// Who is to believe it.
    pub audiences: &'a [&'a str],
    /// From a secure source of randomness.
    pub id: [u8; 16],
}

/// Makes tokens.
#[derive(Debug)]
pub struct Signer {
    key: SigningKey,
    options: Options,
    /// Of every token, encoded.
    header: String,
    key_set: String,
}

/// Times are in seconds since 1970.
#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a [&'a str],
    exp: i64,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    jti: String,
    nbf: i64,
    sub: &'a str,
    /// Azure wants to see it.
    r#use: &'static str,
}

// === impl Signer ===

impl Signer {
    /// Reads key and key set and checks that they fit each other and the options.
    ///
    /// # Errors
    /// Says what does not fit.
    pub fn load(parts: &Parts, options: Options) -> Result<Self, JwtError> {
        let key = SigningKey::from_pem(&parts.key)?;
        let key_id = options.key_id.as_deref();
        let key_set = key_set::publish(&parts.key_set, &key, key_id)?;
        key.check(options.algorithm)?;
        let key_id = key_id.map_or_else(|| key_set::thumbprint(&key), str::to_owned);
        let algorithm = options.algorithm.to_string();
        let header = json!({"alg": algorithm, "kid": key_id, "typ": "JWT"});
        Ok(Self {
            key,
            options,
            header: URL_SAFE_NO_PAD.encode(header.to_string()),
            key_set,
        })
    }

    /// The public key set, JSON.
    pub fn key_set(&self) -> &str {
        &self.key_set
    }

    /// Makes a token.
    ///
    /// # Errors
    /// If the library refuses.
    pub fn sign(&self, token: &Token<'_>, now: Timestamp) -> Result<String, SignError> {
        let seconds = |length: config::GoDuration| length.as_nanos().div_euclid(1_000_000_000);
        let at = now.as_second();
        let claims = Claims {
            aud: token.audiences,
            exp: at.saturating_add(seconds(self.options.ttl)),
            iat: at,
            iss: self.options.issuer.as_deref(),
            jti: Hex(token.id).to_string(),
            nbf: at.saturating_sub(seconds(self.options.skew)),
            sub: token.subject,
            r#use: "sig",
        };
        let claims = serde_json::to_vec(&claims).map_err(|_never| SignError)?;
        let mut text = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(claims));
        let signature = self.key.sign(self.options.algorithm, text.as_bytes())?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        Ok(text)
    }
}

impl From<Unspecified> for SignError {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

/// Bytes as lower-case digits.
struct Hex([u8; 16]);

impl fmt::Display for Hex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}
