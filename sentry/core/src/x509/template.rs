//! A certificate before its signature.
//!
//! rcgen could write these too, but it rebuilds the issuer's name from its parts and loses
//! repeated ones (`DC=corp,DC=example`), after which no chain of such a user's own CA verifies.
//! Here the issuer's name and the public key are copied byte by byte.

use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::CertificateDer;
use yasna::{
    DERWriter, DERWriterSeq, Tag, construct_der,
    models::{GeneralizedTime, ObjectIdentifier, UTCTime},
};

use super::extension::Extension;
use crate::key::{KeyError, PrivateKey};

const ORGANISATION: &[u64] = &[2, 5, 4, 10];

/// From 2050 on, and before 1950, times take the longer form (RFC 5280 4.1.2.5).
const SHORT_YEARS: std::ops::Range<i16> = 1950..2050;

/// Why a certificate could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A lifetime leaves the years that X.509 can express.
    #[error("{0} can't be written in a certificate")]
    Time(Timestamp),
    /// The signature failed.
    #[error("the certificate could not be signed")]
    Key(#[from] KeyError),
}

/// A certificate before its signature.
pub(crate) struct Template<'a> {
    /// Big-endian and positive.
    pub(crate) serial: [u8; 16],
    /// The issuer's name as DER.
    pub(crate) issuer: &'a [u8],
    /// The subject's name as DER.
    pub(crate) subject: &'a [u8],
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    /// The public key with its algorithm as DER.
    pub(crate) public_key: &'a [u8],
    pub(crate) extensions: Vec<Extension>,
}

/// The name without any part.
pub(crate) fn empty_name() -> Vec<u8> {
    construct_der(|writer| writer.write_sequence(|_| ()))
}

/// A name of one organisation. Go writes a `PrintableString` where the characters allow it.
pub(crate) fn organisation(name: &str) -> Vec<u8> {
    construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_set(|writer| {
                writer.next().write_sequence(|writer| {
                    writer
                        .next()
                        .write_oid(&ObjectIdentifier::from_slice(ORGANISATION));
                    write_text(writer.next(), name);
                });
            });
        });
    })
}

fn write_text(writer: DERWriter<'_>, text: &str) {
    let printable = |byte: u8| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte);
    if text.bytes().all(printable) {
        writer.write_printable_string(text);
    } else {
        writer.write_utf8_string(text);
    }
}

// === impl Template ===

impl Template<'_> {
    /// Signs with the issuer's key.
    pub(crate) fn sign(&self, key: &PrivateKey) -> Result<CertificateDer<'static>, WriteError> {
        let unsigned = self.unsigned(key)?;
        let signature = key.sign(&unsigned)?;
        let signed = construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_der(&unsigned);
                write_algorithm(writer.next(), key);
                writer
                    .next()
                    .write_bitvec_bytes(&signature, signature.len() * 8);
            });
        });
        Ok(signed.into())
    }

    fn unsigned(&self, key: &PrivateKey) -> Result<Vec<u8>, WriteError> {
        let (not_before, not_after) = (time(self.not_before)?, time(self.not_after)?);
        Ok(construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer
                    .next()
                    .write_tagged(Tag::context(0), |writer| writer.write_u8(2));
                writer.next().write_bigint_bytes(&self.serial, true);
                write_algorithm(writer.next(), key);
                writer.next().write_der(self.issuer);
                writer.next().write_sequence(|writer| {
                    writer.next().write_der(&not_before);
                    writer.next().write_der(&not_after);
                });
                writer.next().write_der(self.subject);
                writer.next().write_der(self.public_key);
                writer.next().write_tagged(Tag::context(3), |writer| {
                    writer.write_sequence(|writer| self.write_extensions(writer));
                });
            });
        }))
    }

    fn write_extensions(&self, writer: &mut DERWriterSeq<'_>) {
        for extension in &self.extensions {
            writer.next().write_sequence(|writer| {
                writer
                    .next()
                    .write_oid(&ObjectIdentifier::from_slice(extension.oid));
                if extension.critical {
                    writer.next().write_bool(true);
                }
                writer.next().write_bytes(&extension.value);
            });
        }
    }
}

/// Whole seconds in UTC; fractions are cut off.
fn time(at: Timestamp) -> Result<Vec<u8>, WriteError> {
    let utc = at.to_zoned(jiff::tz::TimeZone::UTC);
    let short = SHORT_YEARS.contains(&utc.year());
    let text = utc
        .strftime(if short {
            "%y%m%d%H%M%SZ"
        } else {
            "%Y%m%d%H%M%SZ"
        })
        .to_string();
    let written = if short {
        UTCTime::parse(text.as_bytes())
            .map(|time| construct_der(|writer| writer.write_utctime(&time)))
    } else {
        GeneralizedTime::parse(text.as_bytes())
            .map(|time| construct_der(|writer| writer.write_generalized_time(&time)))
    };
    written.ok_or(WriteError::Time(at))
}

/// The identifier of the signature algorithm that is natural to the key.
fn write_algorithm(writer: DERWriter<'_>, key: &PrivateKey) {
    let algorithm = key.algorithm();
    let is = |known: &rcgen::SignatureAlgorithm| algorithm == known;
    let oid: &[u64] = match () {
        () if is(&rcgen::PKCS_ED25519) => &[1, 3, 101, 112],
        () if is(&rcgen::PKCS_ECDSA_P256_SHA256) => &[1, 2, 840, 10045, 4, 3, 2],
        () if is(&rcgen::PKCS_ECDSA_P384_SHA384) => &[1, 2, 840, 10045, 4, 3, 3],
        () if is(&rcgen::PKCS_ECDSA_P521_SHA512) => &[1, 2, 840, 10045, 4, 3, 4],
        () => &[1, 2, 840, 113_549, 1, 1, 11],
    };
    writer.write_sequence(|writer| {
        writer.next().write_oid(&ObjectIdentifier::from_slice(oid));
        if is(&rcgen::PKCS_RSA_SHA256) {
            writer.next().write_null();
        }
    });
}

/// `at` moved by so many nanoseconds.
pub(crate) fn shifted(at: Timestamp, nanos: i64) -> Result<Timestamp, WriteError> {
    at.checked_add(SignedDuration::from_nanos(nanos))
        .map_err(|_| WriteError::Time(at))
}
