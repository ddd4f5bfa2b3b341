//! The extensions that sentry puts into certificates.

use aws_lc_rs::digest;
use yasna::{Tag, construct_der, models::ObjectIdentifier};

const SUBJECT_KEY_ID: &[u64] = &[2, 5, 29, 14];
const KEY_USAGE: &[u64] = &[2, 5, 29, 15];
const SUBJECT_ALT_NAME: &[u64] = &[2, 5, 29, 17];
const BASIC_CONSTRAINTS: &[u64] = &[2, 5, 29, 19];
const AUTHORITY_KEY_ID: &[u64] = &[2, 5, 29, 35];
const EXTENDED_KEY_USAGE: &[u64] = &[2, 5, 29, 37];
const SERVER_AUTH: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 3, 1];
const CLIENT_AUTH: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 3, 2];

/// Tags of the alternatives of a general name (RFC 5280 4.2.1.6).
const DNS_NAME: u64 = 2;
const URI: u64 = 6;

/// What a key may be used for; the value is its bit, counted from the left.
#[derive(Clone, Copy)]
pub(crate) enum KeyUsage {
    DigitalSignature = 0,
    KeyCertSign = 5,
    CrlSign = 6,
}

/// An extension, ready to be written.
pub(crate) struct Extension {
    pub(crate) oid: &'static [u64],
    pub(crate) critical: bool,
    pub(crate) value: Vec<u8>,
}

// === impl Extension ===

impl Extension {
    pub(crate) fn key_usage(usages: &[KeyUsage]) -> Self {
        let bits = usages
            .iter()
            .fold(0_u8, |bits, usage| bits | 0x80 >> (*usage as u8));
        let length = 8 - bits.trailing_zeros() as usize;
        let value = construct_der(|writer| writer.write_bitvec_bytes(&[bits], length));
        Self {
            oid: KEY_USAGE,
            critical: true,
            value,
        }
    }

    pub(crate) fn server_and_client() -> Self {
        let value = construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer
                    .next()
                    .write_oid(&ObjectIdentifier::from_slice(SERVER_AUTH));
                writer
                    .next()
                    .write_oid(&ObjectIdentifier::from_slice(CLIENT_AUTH));
            });
        });
        Self {
            oid: EXTENDED_KEY_USAGE,
            critical: false,
            value,
        }
    }

    /// A certificate authority without limit on the length of the path below it.
    pub(crate) fn authority() -> Self {
        let value = construct_der(|writer| {
            writer.write_sequence(|writer| writer.next().write_bool(true));
        });
        Self {
            oid: BASIC_CONSTRAINTS,
            critical: true,
            value,
        }
    }

    pub(crate) fn subject_key_id(public_key_bits: &[u8]) -> Self {
        Self::known_key_id(&key_id(public_key_bits))
    }

    /// The identifier that [`Extension::subject_key_id`] gives the signer.
    pub(crate) fn signer_key_id(public_key_bits: &[u8]) -> Self {
        Self::authority_key_id(&key_id(public_key_bits))
    }

    /// The identifier by which another certificate of the same key is known already.
    pub(crate) fn known_key_id(id: &[u8]) -> Self {
        let value = construct_der(|writer| writer.write_bytes(id));
        Self {
            oid: SUBJECT_KEY_ID,
            critical: false,
            value,
        }
    }

    pub(crate) fn authority_key_id(id: &[u8]) -> Self {
        let value = construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer
                    .next()
                    .write_tagged_implicit(Tag::context(0), |writer| writer.write_bytes(id));
            });
        });
        Self {
            oid: AUTHORITY_KEY_ID,
            critical: false,
            value,
        }
    }

    /// Critical, because the subject of a workload's certificate is empty (RFC 5280 4.2.1.6).
    pub(crate) fn alternative_names(dns: &[String], uri: &str) -> Self {
        let names = dns
            .iter()
            .map(|name| (DNS_NAME, name.as_str()))
            .chain([(URI, uri)]);
        let value = construct_der(|writer| {
            writer.write_sequence(|writer| {
                for (tag, name) in names {
                    writer
                        .next()
                        .write_tagged_implicit(Tag::context(tag), |writer| {
                            writer.write_ia5_string(name);
                        });
                }
            });
        });
        Self {
            oid: SUBJECT_ALT_NAME,
            critical: true,
            value,
        }
    }

    /// Bytes in an octet string, not critical.
    pub(crate) fn octets(oid: &'static [u64], bytes: &[u8]) -> Self {
        Self {
            oid,
            critical: false,
            value: construct_der(|writer| writer.write_bytes(bytes)),
        }
    }
}

/// The leftmost 160 bits of SHA-256 over the bits of the public key (RFC 7093, method 1).
fn key_id(public_key_bits: &[u8]) -> Vec<u8> {
    let hash = digest::digest(&digest::SHA256, public_key_bits);
    hash.as_ref().iter().take(20).copied().collect()
}
