//! What to do about the places that hold the bundle.
//!
//! A bundle that somebody put in place is never overwritten. A store that holds only a part of
//! one is an error that names what is missing; only an empty store gets a new authority.

use zeroize::Zeroizing;

use crate::{
    bundle::Parts,
    jwt, pem,
    rotation::{State, Wishes},
};

/// A store's contents; an empty text counts as missing.
#[derive(Default)]
pub struct Stored {
    /// Trust anchors.
    pub anchors: Option<Vec<u8>>,
    /// Issuer chain.
    pub issuer_chain: Option<Vec<u8>>,
    /// Issuer key.
    pub issuer_key: Option<Zeroizing<Vec<u8>>>,
    /// Signing key of tokens; unlike the three above, an empty one is there, and wrong.
    pub jwt_key: Option<Zeroizing<Vec<u8>>>,
    /// Key set of tokens; an empty one is there, and wrong.
    pub key_set: Option<Vec<u8>>,
    /// What sentry remembers about the bundle.
    pub state: Option<State>,
    /// What people ask for.
    pub wishes: Wishes,
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
    /// Name of the signing key of tokens.
    pub jwt_key: String,
    /// Name of the key set of tokens.
    pub key_set: String,
}

/// The keys under which Kubernetes itself, and cert-manager, keep a certificate and its key.
const TLS_CHAIN: &str = "tls.crt";
const TLS_KEY: &str = "tls.key";

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

/// What to do about the parts of tokens in a store.
#[derive(Debug, PartialEq, Eq)]
pub enum TokenDecision {
    /// There are none, and none are needed.
    Nothing,
    /// Use, or where tokens are off only check, what the store holds.
    Use(jwt::Parts),
    /// Only a key is there. Check it; where tokens are on, write its key set.
    Complete(Zeroizing<Vec<u8>>),
    /// Write back what this process has been signing with.
    Restore(jwt::Parts),
    /// Generate a key and write it.
    Generate,
}

/// Decides about a store, given the bundle that this process has been signing with, if any. What
/// the store itself remembers may be newer, written by another replica.
///
/// # Errors
/// If the store holds a part of a bundle only.
pub fn decide(
    stored: &mut Stored,
    names: &Names,
    kept: Option<&Parts>,
) -> Result<Decision, Incomplete> {
    let anchors = stored.anchors.take().filter(|text| !text.is_empty());
    let issuer_chain = stored.issuer_chain.take().filter(|text| !text.is_empty());
    let issuer_key = stored.issuer_key.take().filter(|text| !text.is_empty());
    match (anchors, issuer_chain, issuer_key) {
        (Some(anchors), Some(issuer_chain), Some(issuer_key)) => Ok(Decision::Use(Parts {
            anchors,
            issuer_chain,
            issuer_key,
        })),
        (None, None, None) => {
            let remembered = stored.state.as_ref().and_then(|state| state.kept.as_ref());
            let kept = remembered.or(kept).cloned();
            Ok(kept.map_or(Decision::Generate, Decision::Restore))
        }
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

/// Decides about the parts of tokens, given whether tokens are made and what this process has
/// been signing them with, if it has.
///
/// # Errors
/// If tokens are made and there is a key set without its key.
pub fn decide_tokens(
    stored: &mut Stored,
    names: &Names,
    enabled: bool,
    kept: Option<&jwt::Parts>,
) -> Result<TokenDecision, Incomplete> {
    Ok(match (stored.jwt_key.take(), stored.key_set.take()) {
        (Some(key), Some(key_set)) => TokenDecision::Use(jwt::Parts { key, key_set }),
        (Some(key), None) => TokenDecision::Complete(key),
        _ if !enabled => TokenDecision::Nothing,
        (None, None) => kept
            .cloned()
            .map_or(TokenDecision::Generate, TokenDecision::Restore),
        (None, Some(_)) => {
            return Err(Incomplete {
                missing: vec![names.jwt_key.clone()],
            });
        }
    })
}

/// Whether a public copy tells of a root that sidecars may trust already: then a bundle was lost,
/// and a new one would cut them off.
pub fn copy_tells_of_a_root(copy: &str) -> bool {
    pem::certificates(copy.as_bytes()).is_ok()
}

/// Whether a public copy, of the anchors or of the key set, must be written again. The private
/// store is the truth: sidecars get their anchors from the copy and must get those that sentry
/// signs under.
pub fn copy_is_stale(copy: Option<&str>, truth: &str) -> bool {
    copy != Some(truth)
}

// === impl Names ===

impl Names {
    /// The names to use for a store: where something is under both names of a
    /// `kubernetes.io/tls` Secret, nobody but a manager of certificates put it there.
    #[must_use]
    pub fn or_tls(&self, is_filled: impl Fn(&str) -> bool) -> Self {
        let mut names = self.clone();
        if is_filled(TLS_CHAIN) && is_filled(TLS_KEY) {
            TLS_CHAIN.clone_into(&mut names.issuer_chain);
            TLS_KEY.clone_into(&mut names.issuer_key);
        }
        names
    }
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
            jwt_key: "jwt.key".to_owned(),
            key_set: "jwks.json".to_owned(),
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
            ..Stored::default()
        }
    }

    #[test]
    fn names_the_missing_parts() {
        let error = decide(&mut stored([Some("a"), None, Some("")]), &names(), None).unwrap_err();
        assert_eq!(error.missing, ["issuer.crt", "issuer.key"]);
    }

    #[test]
    fn generates_only_where_nothing_is_and_nothing_was() {
        let empty = || stored([None, Some(""), None]);
        assert_eq!(decide(&mut empty(), &names(), None), Ok(Decision::Generate));
        let kept = parts("kept");
        let restored = decide(&mut empty(), &names(), Some(&kept));
        assert_eq!(restored, Ok(Decision::Restore(kept)));
    }

    #[test]
    fn restores_what_the_store_remembers_itself() {
        let mut stored = Stored {
            state: Some(State {
                kept: Some(parts("newer")),
                ..State::default()
            }),
            ..Stored::default()
        };
        let restored = decide(&mut stored, &names(), Some(&parts("older")));
        assert_eq!(restored, Ok(Decision::Restore(parts("newer"))));
    }

    #[test]
    fn takes_the_names_of_a_certificate_manager() {
        let chosen = |keys: &[&str]| names().or_tls(|key| keys.contains(&key)).issuer_chain;
        assert_eq!(chosen(&["tls.crt", "tls.key", "issuer.crt"]), "tls.crt");
        assert_eq!(chosen(&["tls.crt", "issuer.crt"]), "issuer.crt");
    }

    #[test]
    fn says_when_the_copy_differs() {
        assert!(copy_is_stale(None, "a"));
        assert!(copy_is_stale(Some("a\n"), "a"));
        assert!(!copy_is_stale(Some("a"), "a"));
    }

    fn tokens(key: Option<&str>, key_set: Option<&str>) -> Stored {
        Stored {
            jwt_key: key.map(|text| Zeroizing::new(text.into())),
            key_set: key_set.map(Vec::from),
            ..Stored::default()
        }
    }

    #[test]
    fn never_replaces_a_key_of_tokens() {
        let parts = |key: &str| jwt::Parts {
            key: Zeroizing::new(key.into()),
            key_set: b"s".to_vec(),
        };
        let decide = |key, key_set, enabled, kept: Option<&jwt::Parts>| {
            decide_tokens(&mut tokens(key, key_set), &names(), enabled, kept)
        };
        let kept = parts("kept");
        for enabled in [true, false] {
            let both = decide(Some("k"), Some("s"), enabled, Some(&kept));
            assert_eq!(both, Ok(TokenDecision::Use(parts("k"))));
            let key = decide(Some(""), None, enabled, Some(&kept));
            assert_eq!(key, Ok(TokenDecision::Complete(Zeroizing::default())));
        }
        assert_eq!(
            decide(None, Some("s"), false, None),
            Ok(TokenDecision::Nothing)
        );
        assert_eq!(decide(None, None, false, None), Ok(TokenDecision::Nothing));
        assert_eq!(decide(None, None, true, None), Ok(TokenDecision::Generate));
        assert_eq!(
            decide(None, None, true, Some(&kept)),
            Ok(TokenDecision::Restore(kept.clone()))
        );
        let error = decide(None, Some("s"), true, Some(&kept)).unwrap_err();
        assert_eq!(error.missing, ["jwt.key"]);
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
            let decision = decide(&mut stored(text.each_ref().map(Option::as_deref)), &names(), kept.as_ref());
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
