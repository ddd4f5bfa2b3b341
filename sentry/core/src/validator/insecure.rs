//! The validator that believes everything, for machines where only trusted processes reach
//! sentry.

use super::{Claim, Grant, Refusal, common};

/// Grants what was asked for, the trust domain included.
///
/// # Errors
/// Only if the claim is flawed by itself.
pub fn validate(claim: &Claim<'_>) -> Result<Grant, Refusal> {
    let trust_domain = common::check(claim)?;
    Ok(Grant {
        trust_domain,
        images: Vec::new(),
    })
}
