//! Whether a chain of certificates leads to a trust anchor.

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_parser::{
    certificate::X509Certificate,
    extensions::{KeyUsage, ParsedExtension},
    prelude::FromDer as _,
    x509::X509Version,
};
use yasna::{ASN1Error, ASN1ErrorKind, ASN1Result, Tag};

use super::signature::{self, SignatureError};

/// Why a certificate may not stand where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The name of the issuer is another one.
    #[error("it names another issuer")]
    Name,
    /// The issuer is not marked as a certificate authority.
    #[error("its issuer is not a certificate authority")]
    NotAuthority,
    /// The issuer's key usage leaves out the signing of certificates.
    #[error("its issuer may not sign certificates")]
    KeyUsage,
    /// The signature does not fit.
    #[error("its signature does not verify")]
    Signature(#[source] SignatureError),
}

/// Why no path leads from a certificate to a trust anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// No anchor signed any certificate of the chain.
    #[error("no trust anchor signed it")]
    NoAnchor,
    /// A certificate of the path is not valid at the time of the check.
    #[error("a certificate of its path is expired or not yet valid")]
    Time,
    /// A certificate of the path allows fewer certificates below itself.
    #[error("a certificate of its path limits the path's length")]
    Length,
    /// A certificate of the path is restricted to purposes other than server authentication.
    #[error("a certificate of its path does not allow server authentication")]
    Purpose,
}

/// Parses one certificate; trailing bytes are an error, and so is a frame around the signed part
/// that peers would refuse.
pub(crate) fn parse<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) if is_framed(der).unwrap_or_default() => Some(certificate),
        _ => None,
    }
}

/// Whether the parts that no signature covers are written as they must be. The parser itself is
/// lenient about tags, and about an algorithm that differs from the signed one.
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the method itself has a lifetime too few"
)]
fn is_framed(der: &[u8]) -> ASN1Result<bool> {
    let (signed, algorithm) = yasna::parse_der(der, |reader| {
        reader.read_sequence(|reader| {
            let parts = (reader.next().read_der()?, reader.next().read_der()?);
            let (_, bits) = reader.next().read_bitvec_bytes()?;
            if bits % 8 == 0 {
                Ok(parts)
            } else {
                Err(ASN1Error::new(ASN1ErrorKind::Invalid))
            }
        })
    })?;
    yasna::parse_der(&signed, |reader| {
        reader.read_sequence(|reader| {
            let version = Tag::context(0);
            reader
                .read_optional(|reader| reader.read_tagged(version, |reader| reader.read_der()))?;
            reader.next().read_der()?;
            let same = reader.next().read_der()? == algorithm;
            while reader.read_optional(|reader| reader.read_der())?.is_some() {}
            Ok(same)
        })
    })
}

/// Whether the certificate was signed with its own key. The name alone does not tell: some
/// authorities give root and issuer the same one.
pub(crate) fn self_signed(certificate: &X509Certificate<'_>) -> bool {
    link(certificate, certificate).is_ok()
}

/// Checks that `issuer` signed `certificate` and was allowed to.
pub(crate) fn link(
    issuer: &X509Certificate<'_>,
    certificate: &X509Certificate<'_>,
) -> Result<(), LinkError> {
    if issuer.subject().as_raw() != certificate.issuer().as_raw() {
        return Err(LinkError::Name);
    }
    if issuer.version() == X509Version::V3 && !issuer.is_ca() {
        return Err(LinkError::NotAuthority);
    }
    if key_usage(issuer).is_some_and(|usage| !usage.key_cert_sign()) {
        return Err(LinkError::KeyUsage);
    }
    signature::verify(
        issuer.public_key(),
        &certificate.signature_algorithm,
        &certificate.signature_value,
        certificate.tbs_certificate.as_ref(),
    )
    .map_err(LinkError::Signature)
}

pub(crate) fn key_usage<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a KeyUsage> {
    certificate
        .key_usage()
        .ok()
        .flatten()
        .map(|extension| extension.value)
}

/// The identifier of the certificate's key, if it carries one.
pub(crate) fn subject_key_id(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    certificate
        .iter_extensions()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        })
}

/// The end of the certificate's validity, which belongs to it.
pub(crate) fn not_after(certificate: &X509Certificate<'_>) -> Timestamp {
    let seconds = certificate.validity().not_after.timestamp();
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

/// The begin of the certificate's validity, which belongs to it.
pub(crate) fn not_before(certificate: &X509Certificate<'_>) -> Timestamp {
    let seconds = certificate.validity().not_before.timestamp();
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MIN)
}

/// Finds the path of the first certificate of a linked chain that lasts longest, and says when
/// its first certificate ends.
pub(crate) fn path_end(
    chain: &[X509Certificate<'_>],
    anchors: &[X509Certificate<'_>],
    now: Timestamp,
) -> Result<Timestamp, PathError> {
    let mut failure = PathError::NoAnchor;
    let mut best = None;
    for (index, last) in chain.iter().enumerate() {
        for anchor in anchors.iter().filter(|anchor| link(anchor, last).is_ok()) {
            let path = chain.iter().take(index + 1).chain([anchor]);
            match path_ends(path, now) {
                Ok(end) => best = best.max(Some(end)),
                Err(error) => failure = error,
            }
        }
    }
    best.ok_or(failure)
}

/// How many certificates of a linked chain lead to the anchor, if any do: its first certificate
/// is accepted now by whoever knows that anchor alone.
pub(crate) fn reach(
    chain: &[X509Certificate<'_>],
    anchor: &X509Certificate<'_>,
    now: Timestamp,
) -> Option<usize> {
    let leads = |length: &usize| {
        let last = chain.get(length - 1);
        last.is_some_and(|last| link(anchor, last).is_ok())
            && path_ends(chain.iter().take(*length).chain([anchor]), now).is_ok()
    };
    (1..=chain.len()).find(leads)
}

fn path_ends<'a>(
    path: impl Iterator<Item = &'a X509Certificate<'a>>,
    now: Timestamp,
) -> Result<Timestamp, PathError> {
    let mut end = Timestamp::MAX;
    for (below, certificate) in path.enumerate() {
        if certificate.validity().not_before.timestamp() > now.as_second()
            || not_after(certificate) < now
        {
            return Err(PathError::Time);
        }
        if path_length(certificate).is_some_and(|limit| (limit as usize) < below) {
            return Err(PathError::Length);
        }
        if !serves(certificate) {
            return Err(PathError::Purpose);
        }
        end = end.min(not_after(certificate));
    }
    Ok(end)
}

fn path_length(certificate: &X509Certificate<'_>) -> Option<u32> {
    certificate
        .basic_constraints()
        .ok()
        .flatten()?
        .value
        .path_len_constraint
}

/// Verifiers refuse a path whose authorities are restricted to other purposes.
fn serves(certificate: &X509Certificate<'_>) -> bool {
    let purposes = certificate.extended_key_usage().ok().flatten();
    purposes.is_none_or(|purposes| purposes.value.any || purposes.value.server_auth)
}
