//! What every validator checks first.

use std::fmt::Write as _;

use identity_core::TrustDomain;

use super::{Claim, Refusal};
use crate::trust_domain;

/// Longest app id, in bytes.
const MAX_APP_ID: usize = 64;

/// What is wrong with a claim by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// No app id.
    #[error("parameter app-id cannot be empty")]
    NoAppId,
    /// Dots are kept for names that daprd resolves.
    #[error("parameter app-id cannot contain dots")]
    DottedAppId,
    /// More than 64 bytes.
    #[error("app ID must be 64 characters or less")]
    LongAppId,
    /// No signing request.
    #[error("CSR is required")]
    NoRequest,
    /// No namespace.
    #[error("namespace is required")]
    NoNamespace,
}

/// Checks the claim by itself and reads the wished trust domain, `public` if none is wished.
///
/// # Errors
/// All flaws at once, else an illegal trust domain.
pub fn check(claim: &Claim<'_>) -> Result<TrustDomain, Refusal> {
    let found = [
        (claim.app_id.is_empty(), Flaw::NoAppId),
        (claim.app_id.contains('.'), Flaw::DottedAppId),
        (claim.app_id.len() > MAX_APP_ID, Flaw::LongAppId),
        (claim.signing_request.is_empty(), Flaw::NoRequest),
        (claim.namespace.is_empty(), Flaw::NoNamespace),
    ];
    let flaws: Vec<_> = found
        .into_iter()
        .filter(|(is, _)| *is)
        .map(|(_, flaw)| flaw)
        .collect();
    if !flaws.is_empty() {
        return Err(Refusal::Malformed(flaws));
    }
    trust_domain::parse_or_public(claim.trust_domain).map_err(Refusal::TrustDomain)
}

/// One flaw on each line.
pub(super) fn lines(flaws: &[Flaw]) -> String {
    let mut text = String::new();
    for (index, flaw) in flaws.iter().enumerate() {
        let separator = if index == 0 { "" } else { "\n" };
        // Writing into a String can't fail.
        let _ = write!(text, "{separator}{flaw}");
    }
    text
}
