//! Keys that sign tokens. Read once, used for every token.

use std::fmt;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
        ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
        KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
        RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, EllipticCurveKeyParameters, EllipticCurveKeyType,
    OctetKeyPairParameters, OctetKeyPairType, RSAKeyParameters, RSAKeyType,
};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use zeroize::Zeroize as _;

use super::{Algorithm, JwtError, SignError};

/// Why a key can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SigningKeyError {
    /// No block of type `PRIVATE KEY`, `EC PRIVATE KEY` or `RSA PRIVATE KEY`.
    #[error("the PEM text holds no private key")]
    Pem(#[source] rustls_pki_types::pem::Error),
    /// Damaged, or of another kind.
    #[error("the private key is neither RSA nor ECDSA (P-256, P-384, P-521) nor Ed25519")]
    Unsupported,
}

/// A private key that signs tokens and never shows itself.
pub struct SigningKey {
    pair: Pair,
    public: AlgorithmParameters,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair, &'static Curve),
    Ed25519(Ed25519KeyPair),
}

/// A curve, with the one algorithm that is used on it.
struct Curve {
    kind: &'static str,
    name: EllipticCurve,
    algorithm: Algorithm,
    signing: &'static EcdsaSigningAlgorithm,
}

static CURVES: [Curve; 3] = [
    Curve {
        kind: "ECDSA (P-256)",
        name: EllipticCurve::P256,
        algorithm: Algorithm::Es256,
        signing: &ECDSA_P256_SHA256_FIXED_SIGNING,
    },
    Curve {
        kind: "ECDSA (P-384)",
        name: EllipticCurve::P384,
        algorithm: Algorithm::Es384,
        signing: &ECDSA_P384_SHA384_FIXED_SIGNING,
    },
    Curve {
        kind: "ECDSA (P-521)",
        name: EllipticCurve::P521,
        algorithm: Algorithm::Es512,
        signing: &ECDSA_P521_SHA512_FIXED_SIGNING,
    },
];

// === impl SigningKey ===

impl SigningKey {
    /// The first private key of a PEM text.
    ///
    /// # Errors
    /// If there is none, or it can't sign tokens.
    pub fn from_pem(pem: &[u8]) -> Result<Self, SigningKeyError> {
        let mut der = PrivateKeyDer::from_pem_slice(pem).map_err(SigningKeyError::Pem)?;
        let pair = Pair::from_der(&der);
        der.zeroize();
        let pair = pair.ok_or(SigningKeyError::Unsupported)?;
        let public = pair.public().ok_or(SigningKeyError::Unsupported)?;
        Ok(Self { pair, public })
    }

    /// The public half, as verifiers read it.
    pub fn public(&self) -> &AlgorithmParameters {
        &self.public
    }

    /// Whether it can make signatures of this kind.
    ///
    /// # Errors
    /// If not.
    pub fn check(&self, algorithm: Algorithm) -> Result<(), JwtError> {
        let (kind, fits) = match &self.pair {
            Pair::Rsa(_) => ("RSA", rsa(algorithm).is_some()),
            Pair::Ec(_, curve) => (curve.kind, curve.algorithm == algorithm),
            Pair::Ed25519(_) => ("Ed25519", algorithm == Algorithm::EdDsa),
        };
        if fits {
            Ok(())
        } else {
            Err(JwtError::Unfit { kind, algorithm })
        }
    }

    /// Signs; the algorithm counts only for RSA, which knows several.
    pub(super) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let encoding = rsa(algorithm).ok_or(SignError)?;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature)?;
                Ok(signature)
            }
            Pair::Ec(pair, _) => Ok(pair.sign(&random, message)?.as_ref().to_vec()),
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey(..)")
    }
}

fn rsa(algorithm: Algorithm) -> Option<&'static dyn RsaEncoding> {
    match algorithm {
        Algorithm::Rs256 => Some(&RSA_PKCS1_SHA256),
        Algorithm::Rs384 => Some(&RSA_PKCS1_SHA384),
        Algorithm::Rs512 => Some(&RSA_PKCS1_SHA512),
        Algorithm::Ps256 => Some(&RSA_PSS_SHA256),
        Algorithm::Ps384 => Some(&RSA_PSS_SHA384),
        Algorithm::Ps512 => Some(&RSA_PSS_SHA512),
        _ => None,
    }
}

// === impl Pair ===

impl Pair {
    fn from_der(der: &PrivateKeyDer<'_>) -> Option<Self> {
        let bytes = der.secret_der();
        let ec = || {
            CURVES.iter().find_map(|curve| {
                let pair = EcdsaKeyPair::from_private_key_der(curve.signing, bytes).ok()?;
                Some(Self::Ec(pair, curve))
            })
        };
        match der {
            PrivateKeyDer::Pkcs1(_) => RsaKeyPair::from_der(bytes).ok().map(Self::Rsa),
            PrivateKeyDer::Sec1(_) => ec(),
            _ => RsaKeyPair::from_pkcs8(bytes)
                .map(Self::Rsa)
                .or_else(|_| Ed25519KeyPair::from_pkcs8(bytes).map(Self::Ed25519))
                .ok()
                .or_else(ec),
        }
    }

    fn public(&self) -> Option<AlgorithmParameters> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Some(match self {
            Self::Rsa(pair) => {
                let key = pair.public_key();
                AlgorithmParameters::RSA(RSAKeyParameters {
                    key_type: RSAKeyType::RSA,
                    n: text(key.modulus().big_endian_without_leading_zero()),
                    e: text(key.exponent().big_endian_without_leading_zero()),
                })
            }
            Self::Ec(pair, curve) => {
                // An uncompressed point: one byte 4, then both coordinates.
                let point = pair.public_key().as_ref().get(1..)?;
                let (x, y) = point.split_at(point.len() / 2);
                AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters {
                    key_type: EllipticCurveKeyType::EC,
                    curve: curve.name.clone(),
                    x: text(x),
                    y: text(y),
                })
            }
            Self::Ed25519(pair) => AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
                key_type: OctetKeyPairType::OctetKeyPair,
                curve: EllipticCurve::Ed25519,
                x: text(pair.public_key().as_ref()),
            }),
        })
    }
}
