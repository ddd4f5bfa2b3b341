//! Tokens beside certificates: JWT SVIDs, their signing key, and the key set that is published.
//!
//! ```text
//!  key in PEM --> SigningKey --+
//!                              +--> Signer --> tokens
//!  key set in JSON --> Keys ---+       \-> public key set
//! ```

pub mod algorithm;
pub mod key;
pub mod key_set;
pub mod signer;

use std::fmt;

use zeroize::Zeroizing;

use crate::pem;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use key::{SigningKey, SigningKeyError};
pub use key_set::KeySetError;
pub use signer::{SignError, Signer, Token};

/// The two texts that tokens are made from.
#[derive(Clone, PartialEq, Eq)]
pub struct Parts {
    /// The signing key, PEM.
    pub key: Zeroizing<Vec<u8>>,
    /// The key set that verifiers read, JSON.
    pub key_set: Vec<u8>,
}

/// How tokens are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Signature algorithm.
    pub algorithm: Algorithm,
    /// Name of the key in headers; made from the key if not given.
    pub key_id: Option<String>,
    /// Claim `iss`; an empty one is written too.
    pub issuer: Option<String>,
    /// From now to the end of a token.
    pub ttl: config::GoDuration,
    /// From the beginning of a token to now.
    pub skew: config::GoDuration,
}

/// Why no tokens can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    /// The signing key can't be read.
    #[error("read the JWT signing key")]
    Key(#[from] SigningKeyError),
    /// The key set can't be read, or lacks the signing key.
    #[error("read the JWKS")]
    KeySet(#[from] KeySetError),
    /// The key can't make such signatures.
    #[error("the JWT signing key is {kind}, which can't sign with {algorithm}")]
    Unfit {
        /// What the key is.
        kind: &'static str,
        /// What was asked for.
        algorithm: Algorithm,
    },
}

/// Reads what tokens would be made from, though none are made: a mistake is found when it is
/// made, not when tokens are switched on.
///
/// # Errors
/// Says which of the two is wrong.
pub fn check(parts: &Parts, key_id: Option<&str>) -> Result<(), JwtError> {
    let key = SigningKey::from_pem(&parts.key)?;
    key_set::publish(&parts.key_set, &key, key_id)?;
    Ok(())
}

/// Makes the key set of a key that has none.
///
/// # Errors
/// If the key can't be read, or not sign as asked.
pub fn complete(key: Zeroizing<Vec<u8>>, options: &Options) -> Result<Parts, JwtError> {
    let signing = SigningKey::from_pem(&key)?;
    signing.check(options.algorithm)?;
    let key_set = key_set::of(&signing, options.algorithm, options.key_id.as_deref());
    Ok(Parts { key, key_set })
}

/// Makes the parts of a new key, which must come from a secure source of randomness.
///
/// # Errors
/// If the key can't sign as asked.
pub fn generate(pkcs8: &[u8], options: &Options) -> Result<Parts, JwtError> {
    let key = Zeroizing::new(pem::encode("PRIVATE KEY", pkcs8).into_bytes());
    complete(key, options)
}

// === impl Parts ===

impl fmt::Debug for Parts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Parts(..)")
    }
}
