//! Who calls, and what of it is allowed. Only the certificate is believed.

/// Why a call is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Denied {
    /// The certificate names no workload.
    #[error("the identity of the caller could not be determined")]
    Anonymous,
    /// The request is for another namespace than the caller's. Clients look for this phrase.
    #[error("identity does not match requested namespace exp={requested} got={own}")]
    Foreign {
        /// The namespace in the request.
        requested: String,
        /// The namespace in the certificate.
        own: String,
    },
}

/// Allows a call for the caller's own namespace only.
///
/// # Errors
///
/// If the request names another namespace, or none.
pub fn authorize(own: &str, requested: &str) -> Result<(), Denied> {
    if !requested.is_empty() && requested == own {
        return Ok(());
    }
    Err(Denied::Foreign {
        requested: requested.to_owned(),
        own: own.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("shop", "shop", true)]
    #[case("shop", "", false)]
    #[case("", "", false)]
    #[case("shop", "shop-2", false)]
    #[case("shop", "Shop", false)]
    fn only_the_own_namespace(#[case] own: &str, #[case] requested: &str, #[case] allowed: bool) {
        assert_eq!(authorize(own, requested).is_ok(), allowed);
    }

    #[test]
    fn refusal_has_the_phrase_clients_look_for() {
        let message = authorize("shop", "bank").unwrap_err().to_string();
        assert!(
            message.contains("identity does not match requested namespace"),
            "{message}"
        );
    }
}
