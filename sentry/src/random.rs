//! The one source of randomness.

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    error::Unspecified,
    rand,
    rsa::{KeyPair, KeySize},
};
use sentry_core::{generate::Entropy, rotation::Randomness};
use zeroize::Zeroizing;

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the system gave no random bytes")]
pub struct RandomError(#[from] Unspecified);

/// A serial number of a certificate, or the id of a token.
///
/// # Errors
/// If the system gives no random bytes.
pub fn serial() -> Result<[u8; 16], RandomError> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes)?;
    Ok(bytes)
}

/// The seed of a private key, wiped when dropped.
///
/// # Errors
/// If the system gives no random bytes.
pub fn seed() -> Result<Zeroizing<[u8; 32]>, RandomError> {
    let mut bytes = Zeroizing::new([0; 32]);
    rand::fill(bytes.as_mut())?;
    Ok(bytes)
}

/// A new RSA key of 2048 bits as PKCS#8 in DER; takes some 100 ms of CPU.
///
/// # Errors
/// If the system gives no random bytes.
pub fn rsa_key() -> Result<Zeroizing<Vec<u8>>, RandomError> {
    let der: Pkcs8V1Der<'_> = KeyPair::generate(KeySize::Rsa2048)?.as_der()?;
    Ok(Zeroizing::new(der.as_ref().to_vec()))
}

/// What a new authority needs.
///
/// # Errors
/// If the system gives no random bytes.
pub fn entropy() -> Result<Entropy, RandomError> {
    Ok(Entropy {
        root_seed: seed()?,
        issuer_seed: seed()?,
        root_serial: serial()?,
        issuer_serial: serial()?,
    })
}

/// What a step of a rotation needs.
///
/// # Errors
/// If the system gives no random bytes.
pub fn rotation() -> Result<Randomness, RandomError> {
    Ok(Randomness {
        entropy: entropy()?,
        serial: serial()?,
    })
}
