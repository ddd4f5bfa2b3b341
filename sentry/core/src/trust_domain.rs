//! Trust domains as callers write them.

use identity_core::{SpiffeIdError, TrustDomain};

/// Where workloads live that ask for nothing else.
pub const PUBLIC: &str = "public";

/// Reads a trust domain, also from a whole SPIFFE ID; capital letters are refused as Dapr's
/// SPIFFE library does, rather than folded, so that one domain has one spelling.
///
/// # Errors
/// If the text is empty or has characters that no trust domain has.
pub fn parse(text: &str) -> Result<TrustDomain, SpiffeIdError> {
    let domain = TrustDomain::new(text)?;
    let name = text.strip_prefix("spiffe://").unwrap_or(text);
    match name.strip_prefix(domain.as_str()) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => Ok(domain),
        _ => Err(SpiffeIdError::BadTrustDomainChar),
    }
}

/// Reads a trust domain; an empty one means [`PUBLIC`].
///
/// # Errors
/// As [`parse`].
pub fn parse_or_public(text: &str) -> Result<TrustDomain, SpiffeIdError> {
    parse(if text.is_empty() { PUBLIC } else { text })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("cluster.local", Some("cluster.local"))]
    #[case::underscore("a_b-c.1", Some("a_b-c.1"))]
    #[case::id("spiffe://cluster.local/ns/a/b", Some("cluster.local"))]
    #[case::empty("", Some("public"))]
    #[case::capital("Cluster.local", None)]
    #[case::space("a b", None)]
    #[case::slash("a/b", None)]
    #[case::scheme("https://a", None)]
    fn reads(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(
            parse_or_public(text).ok().as_ref().map(TrustDomain::as_str),
            expected
        );
    }
}
