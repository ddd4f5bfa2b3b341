//! The validator that believes the tokens of a known key set.
//!
//! The shell brings the key set; what it says, and what a token says, is judged here.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use identity_core::{SpiffeId, Workload};
use jiff::Timestamp;
use jsonwebtoken::{
    DecodingKey, Header, Validation,
    errors::ErrorKind,
    jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

use super::{Claim, Grant, Refusal, common};

/// How far the clock of a token's issuer may be off, in seconds.
const LEEWAY: f64 = 300.0;

/// Base64 as people paste it, with padding or without.
const PASTED: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a text is no key set.
#[derive(Debug, thiserror::Error)]
#[error("the text is no JSON Web Key Set")]
pub struct KeySetError(#[from] serde_json::Error);

/// Why a token is refused. The texts are those of the JWT library that Dapr uses, since callers
/// match on them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// No key of the set made the signature, or the token is no JWT.
    #[error("could not verify message using any of the signatures or keys")]
    Signature,
    /// The signature is right, but the payload holds no claims.
    #[error("failed to parse token: {0}")]
    Payload(String),
    /// A claim is not as it must be.
    #[error("\"{0}\" not satisfied")]
    Claim(&'static str),
}

/// The keys of trusted issuers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet(JwkSet);

/// What of a token counts.
#[derive(Debug, Deserialize)]
struct Claims {
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Grants what was asked for, if a token of the key set was made for this caller and for the
/// sentry of the id `sentry`.
///
/// The granted trust domain is the wished one: the token's subject contains it.
///
/// # Errors
/// Says what is wrong with the claim or the token.
pub fn validate(
    claim: &Claim<'_>,
    token: &str,
    keys: &KeySet,
    sentry: &SpiffeId,
    now: Timestamp,
) -> Result<Grant, Refusal> {
    if token.is_empty() {
        return Err(Refusal::NoToken);
    }
    let trust_domain = common::check(claim)?;
    let subject = Workload::new(trust_domain.clone(), claim.namespace, claim.app_id)
        .spiffe_id()
        .map_err(|error| Refusal::Subject(error.to_string()))?;
    let claims = keys.verify(token).map_err(Refusal::Jwt)?;
    claims
        .check(&subject.to_string(), &sentry.to_string(), now)
        .map_err(|name| Refusal::Jwt(Flaw::Claim(name)))?;
    Ok(Grant {
        trust_domain,
        images: Vec::new(),
    })
}

// === impl KeySet ===

impl KeySet {
    /// Reads a set, or a single key as a set of one.
    ///
    /// # Errors
    /// If the text is neither.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        let value: Value = serde_json::from_slice(json)?;
        let keys = if value.get("kty").is_some() {
            vec![serde_json::from_value(value)?]
        } else {
            serde_json::from_value::<JwkSet>(value)?.keys
        };
        Ok(Self(JwkSet { keys }))
    }

    /// Reads a set that stands in the Configuration itself, as JSON or as base64 of it.
    ///
    /// # Errors
    /// If the text is neither.
    pub fn inline(text: &str) -> Result<Self, KeySetError> {
        match PASTED.decode(text) {
            Ok(json) => Self::parse(&json),
            Err(_) => Self::parse(text.as_bytes()),
        }
    }

    fn verify(&self, token: &str) -> Result<Claims, Flaw> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Flaw::Signature)?;
        let key = self.key(&header).ok_or(Flaw::Signature)?;
        let key = DecodingKey::from_jwk(key).map_err(|_| Flaw::Signature)?;
        let verified = jsonwebtoken::decode(token, &key, &signature_only(&header));
        match verified {
            Ok(token) => Ok(token.claims),
            Err(error) => Err(match error.kind() {
                ErrorKind::Json(error) => Flaw::Payload(error.to_string()),
                _ => Flaw::Signature,
            }),
        }
    }

    /// The key that the header names, if it is made for such signatures. A token without a key
    /// id, or with extensions that must be understood, has none.
    fn key(&self, header: &Header) -> Option<&Jwk> {
        let id = header.kid.as_deref().filter(|_| header.crit.is_none())?;
        let key = self.0.keys.iter().find(|key| {
            let common = &key.common;
            let signs = common.public_key_use.as_ref();
            common.key_id.as_deref() == Some(id)
                && signs.is_none_or(|found| *found == PublicKeyUse::Signature)
        })?;
        let algorithm = KeyAlgorithm::from(header.alg);
        let fits = key.common.key_algorithm.is_none_or(|own| own == algorithm);
        fits.then_some(key)
    }
}

/// The claims are judged here, by the time that is passed in.
fn signature_only(header: &Header) -> Validation {
    let mut validation = Validation::new(header.alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

// === impl Claims ===

impl Claims {
    /// Names the first claim that is not as it must be; times count only where they are given.
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds since 1970 are far below 2^52"
    )]
    fn check(&self, subject: &str, audience: &str, now: Timestamp) -> Result<(), &'static str> {
        let now = now.as_second() as f64;
        let meant = match &self.aud {
            None => false,
            Some(Audience::One(one)) => one == audience,
            Some(Audience::Many(many)) => many.iter().any(|one| one == audience),
        };
        let checks = [
            ("iat", self.iat.is_none_or(|at| at <= now + LEEWAY)),
            ("exp", self.exp.is_none_or(|at| now < at + LEEWAY)),
            ("nbf", self.nbf.is_none_or(|at| at <= now + LEEWAY)),
            ("aud", meant),
            ("sub", self.sub.as_deref() == Some(subject)),
        ];
        match checks.into_iter().find(|(_, holds)| !holds) {
            Some((name, _)) => Err(name),
            None => Ok(()),
        }
    }
}
