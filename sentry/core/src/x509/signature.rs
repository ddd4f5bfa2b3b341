//! Signatures of certificates and signing requests.
//!
//! Wider than what x509-parser verifies by itself: P-521 and SHA-512 with any curve are in use
//! by certificate authorities of users.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1,
    ECDSA_P521_SHA512_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    UnparsedPublicKey, VerificationAlgorithm,
};
use x509_parser::{
    der_parser::asn1_rs::{BitString, Oid},
    oid_registry::{
        OID_EC_P256, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_NIST_HASH_SHA256,
        OID_NIST_HASH_SHA384, OID_NIST_HASH_SHA512, OID_PKCS1_RSASSAPSS, OID_PKCS1_SHA1WITHRSA,
        OID_PKCS1_SHA256WITHRSA, OID_PKCS1_SHA384WITHRSA, OID_PKCS1_SHA512WITHRSA,
        OID_SHA1_WITH_RSA, OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ECDSA_WITH_SHA384,
        OID_SIG_ECDSA_WITH_SHA512, OID_SIG_ED25519,
    },
    signature_algorithm::RsaSsaPssParams,
    x509::{AlgorithmIdentifier, SubjectPublicKeyInfo},
};

type Algorithm = &'static dyn VerificationAlgorithm;

/// Why a signature is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// MD5, DSA, a curve other than P-256, P-384 and P-521, and whatever else is not known.
    #[error("the signature algorithm is not supported")]
    Unsupported,
    /// It was not made over these bytes with this key, or the key is too short.
    #[error("the signature is wrong")]
    Wrong,
}

/// Checks that `signature` was made over `message` by the owner of `key`.
pub(crate) fn verify(
    key: &SubjectPublicKeyInfo<'_>,
    algorithm: &AlgorithmIdentifier<'_>,
    signature: &BitString<'_>,
    message: &[u8],
) -> Result<(), SignatureError> {
    let algorithm = choose(key, algorithm).ok_or(SignatureError::Unsupported)?;
    UnparsedPublicKey::new(algorithm, &key.subject_public_key.data)
        .verify(message, &signature.data)
        .map_err(|_| SignatureError::Wrong)
}

fn choose(key: &SubjectPublicKeyInfo<'_>, used: &AlgorithmIdentifier<'_>) -> Option<Algorithm> {
    let oid = &used.algorithm;
    match () {
        () if *oid == OID_SIG_ED25519 => Some(&ED25519),
        () if *oid == OID_PKCS1_SHA256WITHRSA => Some(&RSA_PKCS1_2048_8192_SHA256),
        () if *oid == OID_PKCS1_SHA384WITHRSA => Some(&RSA_PKCS1_2048_8192_SHA384),
        () if *oid == OID_PKCS1_SHA512WITHRSA => Some(&RSA_PKCS1_2048_8192_SHA512),
        () if *oid == OID_PKCS1_SHA1WITHRSA || *oid == OID_SHA1_WITH_RSA => {
            Some(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY)
        }
        () if *oid == OID_PKCS1_RSASSAPSS => pss(used),
        () => ecdsa(key, oid),
    }
}

fn pss(used: &AlgorithmIdentifier<'_>) -> Option<Algorithm> {
    let parameters = RsaSsaPssParams::try_from(used.parameters.as_ref()?).ok()?;
    match parameters.hash_algorithm_oid() {
        hash if *hash == OID_NIST_HASH_SHA256 => Some(&RSA_PSS_2048_8192_SHA256),
        hash if *hash == OID_NIST_HASH_SHA384 => Some(&RSA_PSS_2048_8192_SHA384),
        hash if *hash == OID_NIST_HASH_SHA512 => Some(&RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}

fn ecdsa(key: &SubjectPublicKeyInfo<'_>, oid: &Oid<'_>) -> Option<Algorithm> {
    let hashes = [
        OID_SIG_ECDSA_WITH_SHA256,
        OID_SIG_ECDSA_WITH_SHA384,
        OID_SIG_ECDSA_WITH_SHA512,
    ];
    let hash = hashes.iter().position(|known| known == oid)?;
    let curve = key.algorithm.parameters.as_ref()?.as_oid().ok()?;
    let by_hash: [Algorithm; 3] = match () {
        () if curve == OID_EC_P256 => [
            &ECDSA_P256_SHA256_ASN1,
            &ECDSA_P256_SHA384_ASN1,
            &ECDSA_P256_SHA512_ASN1,
        ],
        () if curve == OID_NIST_EC_P384 => [
            &ECDSA_P384_SHA256_ASN1,
            &ECDSA_P384_SHA384_ASN1,
            &ECDSA_P384_SHA512_ASN1,
        ],
        () if curve == OID_NIST_EC_P521 => [
            &ECDSA_P521_SHA256_ASN1,
            &ECDSA_P521_SHA384_ASN1,
            &ECDSA_P521_SHA512_ASN1,
        ],
        () => return None,
    };
    by_hash.get(hash).copied()
}
