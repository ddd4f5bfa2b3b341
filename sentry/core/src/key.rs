//! Private keys: read, made from a seed, used for signatures, wiped when dropped.

use std::fmt;

use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use zeroize::{Zeroize as _, Zeroizing};

use crate::pem;

/// PKCS#8 of an Ed25519 key up to its 32 secret bytes (RFC 8410, without the public key).
const ED25519_PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// Why a private key can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// No block of type `PRIVATE KEY`, `EC PRIVATE KEY` or `RSA PRIVATE KEY`.
    #[error("the PEM text holds no private key")]
    Pem(#[source] rustls_pki_types::pem::Error),
    /// Neither RSA nor ECDSA (P-256, P-384, P-521) nor Ed25519, or damaged.
    #[error("the private key is of no supported kind")]
    Unsupported(#[source] rcgen::Error),
    /// The library refused to sign.
    #[error("the signature could not be made")]
    Sign(#[source] rcgen::Error),
}

/// A private key that never shows itself: no `Debug` output, and its bytes are wiped on drop.
pub struct PrivateKey {
    pair: KeyPair,
}

/// Writes an Ed25519 private key as PKCS#8 in DER.
pub fn ed25519_pkcs8(seed: &[u8; 32]) -> Zeroizing<Vec<u8>> {
    let mut der = Zeroizing::new(Vec::with_capacity(ED25519_PKCS8_PREFIX.len() + seed.len()));
    der.extend_from_slice(&ED25519_PKCS8_PREFIX);
    der.extend_from_slice(seed);
    der
}

/// Writes an Ed25519 private key as PKCS#8 in PEM.
pub fn ed25519_pem(seed: &[u8; 32]) -> Zeroizing<String> {
    Zeroizing::new(pem::encode("PRIVATE KEY", &ed25519_pkcs8(seed)))
}

// === impl PrivateKey ===

impl PrivateKey {
    /// The Ed25519 key of a seed, which must come from a secure source of randomness.
    ///
    /// # Errors
    /// If the library refuses the key, which no seed is known to cause.
    pub fn ed25519(seed: &[u8; 32]) -> Result<Self, KeyError> {
        Self::from_der(&PrivateKeyDer::Pkcs8(ed25519_pkcs8(seed).as_slice().into()))
    }

    /// The first private key of a PEM text.
    ///
    /// # Errors
    /// If there is none, or it is of a kind that sentry can't sign with.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let mut der = PrivateKeyDer::from_pem_slice(pem).map_err(KeyError::Pem)?;
        let key = Self::from_der(&der);
        der.zeroize();
        key
    }

    fn from_der(der: &PrivateKeyDer<'_>) -> Result<Self, KeyError> {
        KeyPair::try_from(der)
            .map(|pair| Self { pair })
            .map_err(KeyError::Unsupported)
    }

    /// The public key with its algorithm, as DER.
    pub fn public_key_info(&self) -> Vec<u8> {
        self.pair.subject_public_key_info()
    }

    /// The bits of the public key alone.
    pub(crate) fn public_key_bits(&self) -> &[u8] {
        self.pair.der_bytes()
    }

    /// The signature algorithm natural to the key, for [`crate::x509`].
    pub(crate) fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        self.pair.algorithm()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.pair.sign(message).map_err(KeyError::Sign)
    }
}

impl Drop for PrivateKey {
    fn drop(&mut self) {
        self.pair.zeroize();
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PrivateKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_nothing_in_debug() {
        let key = PrivateKey::ed25519(&[7; 32]).unwrap();
        assert_eq!(format!("{key:?}"), "PrivateKey(..)");
    }

    #[test]
    fn reads_back_what_it_writes() {
        let key = PrivateKey::from_pem(ed25519_pem(&[7; 32]).as_bytes()).unwrap();
        let same = PrivateKey::ed25519(&[7; 32]).unwrap();
        assert_eq!(key.public_key_info(), same.public_key_info());
    }

    #[test]
    fn refuses_what_is_no_key() {
        assert!(PrivateKey::from_pem(b"hello").is_err());
        let garbage = pem::encode("PRIVATE KEY", b"hello");
        assert!(matches!(
            PrivateKey::from_pem(garbage.as_bytes()),
            Err(KeyError::Unsupported(_))
        ));
    }
}
