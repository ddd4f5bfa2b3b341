//! What to do about the places that hold the bundle.
//!
//! A bundle that somebody put in place is never overwritten. A store that holds only a part of
//! one is an error that names what is missing; only an empty store gets a new authority.

use crate::bundle::Parts;
use zeroize::Zeroizing;

/// A store's contents; an empty text counts as missing.
#[derive(Default)]
pub struct Stored {
    /// Trust anchors.
    pub anchors: Option<Vec<u8>>,
    /// Issuer chain.
    pub issuer_chain: Option<Vec<u8>>,
    /// Issuer key.
    pub issuer_key: Option<Zeroizing<Vec<u8>>>,
}

/// What the parts are called where they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Name of the trust anchors.
    pub anchors: String,
    /// Name of the issuer chain.
    pub issuer_chain: String,
    /// Name of the issuer key.
    pub issuer_key: String,
}

/// A store holds some parts of a bundle and lacks others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the trust bundle is incomplete: {} missing; a bundle is only generated where all of it is missing", .missing.join(" and "))]
pub struct Incomplete {
    /// Names of the missing parts.
    pub missing: Vec<String>,
}

/// What to do about a store.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// Use what it holds.
    Use(Parts),
    /// Write back the bundle that this process has been signing with: the store was emptied
    /// while sidecars trust that bundle's root.
    Restore(Parts),
    /// Generate a bundle and write it.
    Generate,
}

/// Decides about a store, given the bundle that this process has been signing with, if any.
///
/// # Errors
/// If the store holds a part of a bundle only.
pub fn decide(stored: Stored, names: &Names, kept: Option<&Parts>) -> Result<Decision, Incomplete> {
    let Stored {
        anchors,
        issuer_chain,
        issuer_key,
    } = stored;
    let anchors = anchors.filter(|text| !text.is_empty());
    let issuer_chain = issuer_chain.filter(|text| !text.is_empty());
    let issuer_key = issuer_key.filter(|text| !text.is_empty());
    match (anchors, issuer_chain, issuer_key) {
        (Some(anchors), Some(issuer_chain), Some(issuer_key)) => Ok(Decision::Use(Parts {
            anchors,
            issuer_chain,
            issuer_key,
        })),
        (None, None, None) => Ok(kept.cloned().map_or(Decision::Generate, Decision::Restore)),
        (anchors, issuer_chain, issuer_key) => {
            let parts = [
                (anchors.is_none(), &names.anchors),
                (issuer_chain.is_none(), &names.issuer_chain),
                (issuer_key.is_none(), &names.issuer_key),
            ];
            let missing = parts
                .into_iter()
                .filter(|(is, _)| *is)
                .map(|(_, name)| name.clone());
            Err(Incomplete {
                missing: missing.collect(),
            })
        }
    }
}

/// Whether the public copy of the trust anchors must be written again. The private store is the
/// truth: sidecars get their anchors from the copy and must get those that sentry signs under.
pub fn copy_is_stale(copy: Option<&str>, anchors: &[u8]) -> bool {
    copy.map(str::as_bytes) != Some(anchors)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names() -> Names {
        Names {
            anchors: "ca.crt".to_owned(),
            issuer_chain: "issuer.crt".to_owned(),
            issuer_key: "issuer.key".to_owned(),
        }
    }

    fn parts(text: &str) -> Parts {
        Parts {
            anchors: text.into(),
            issuer_chain: text.into(),
            issuer_key: Zeroizing::new(text.into()),
        }
    }

    fn stored(text: [Option<&str>; 3]) -> Stored {
        let [anchors, issuer_chain, issuer_key] = text.map(|text| text.map(Vec::from));
        Stored {
            anchors,
            issuer_chain,
            issuer_key: issuer_key.map(Zeroizing::new),
        }
    }

    #[test]
    fn names_the_missing_parts() {
        let error = decide(stored([Some("a"), None, Some("")]), &names(), None).unwrap_err();
        assert_eq!(error.missing, ["issuer.crt", "issuer.key"]);
    }

    #[test]
    fn generates_only_where_nothing_is_and_nothing_was() {
        let empty = || stored([None, Some(""), None]);
        assert_eq!(decide(empty(), &names(), None), Ok(Decision::Generate));
        let kept = parts("kept");
        let restored = decide(empty(), &names(), Some(&kept));
        assert_eq!(restored, Ok(Decision::Restore(kept)));
    }

    #[test]
    fn says_when_the_copy_differs() {
        assert!(copy_is_stale(None, b"a"));
        assert!(copy_is_stale(Some("a\n"), b"a"));
        assert!(!copy_is_stale(Some("a"), b"a"));
    }

    proptest! {
        /// Whatever a store holds, a part of a bundle that somebody put there is never replaced.
        #[test]
        fn never_replaces_what_is_there(
            text in proptest::array::uniform3(proptest::option::of("[a-z]{0,2}")),
            keeps in any::<bool>(),
        ) {
            let kept = keeps.then(|| parts("kept"));
            let holds_any = text.iter().flatten().any(|text| !text.is_empty());
            let decision = decide(stored(text.each_ref().map(Option::as_deref)), &names(), kept.as_ref());
            match decision {
                Ok(Decision::Use(used)) => {
                    prop_assert_eq!(used.anchors, text[0].clone().unwrap_or_default().into_bytes());
                }
                Ok(_) => prop_assert!(!holds_any),
                Err(Incomplete { missing }) => prop_assert!(holds_any && !missing.is_empty()),
            }
        }
    }
}
