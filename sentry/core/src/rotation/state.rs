//! What sentry remembers of rotations, beside the bundle and in the same Secret.
//!
//! Under one key of its own: Dapr's sentry leaves keys alone that it does not know, and finds
//! its own three as it wrote them. In the same object, so that one write changes both or none.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Fingerprint;
use crate::bundle::Parts;

/// Name of the key in the Secret.
pub const KEY: &str = "trilby-rotation.json";

/// What sentry remembers of rotations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct State {
    /// The bundle as it was last written or found right: taken if the Secret loses it, and what
    /// a new one succeeds.
    #[serde(with = "parts")]
    pub kept: Option<Parts>,
    /// The authority that takes over next; its root is published already.
    pub next: Option<Next>,
    /// When the present authority took over, if it took over from another.
    pub activated_at: Option<Timestamp>,
    /// Authorities that were taken over from, the oldest first.
    pub retired: Vec<Retired>,
    /// The last request for a rotation that was obeyed.
    pub request: Option<String>,
}

/// The authority that takes over next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Next {
    /// One root, one issuer and its key.
    #[serde(with = "some_parts")]
    pub parts: Parts,
    /// Since when sidecars get the root.
    pub published_at: Timestamp,
}

/// An authority that was taken over from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retired {
    /// Its root.
    pub root: Fingerprint,
    /// Its issuer.
    pub issuer: Option<Fingerprint>,
    /// When it signed for the last time.
    pub at: Timestamp,
    /// Whether sentry had made the one that took over. Then the old one is never taken up again,
    /// even if a tool that does not know of the rotation puts it back.
    pub rotated: bool,
    /// Its issuer with its key, as long as its root is kept: each later authority has itself
    /// certified by it again, since those in between may end sooner.
    #[serde(with = "parts", default)]
    pub bridge: Option<Parts>,
}

/// The state can't be read.
#[derive(Debug, thiserror::Error)]
#[error("read {KEY} of the trust bundle")]
pub struct StateError(#[source] serde_json::Error);

// === impl State ===

impl State {
    /// Reads what [`State::write`] wrote.
    ///
    /// # Errors
    /// If it is something else.
    pub fn read(text: &[u8]) -> Result<Self, StateError> {
        serde_json::from_slice(text).map_err(StateError)
    }

    /// As text; it holds private keys.
    ///
    /// # Errors
    /// None is known.
    pub fn write(&self) -> Result<Zeroizing<Vec<u8>>, StateError> {
        serde_json::to_vec(self)
            .map(Zeroizing::new)
            .map_err(StateError)
    }
}

/// The three texts as they are stored.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Text {
    anchors: String,
    issuer_chain: String,
    issuer_key: Zeroized,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Zeroized(String);

impl Drop for Zeroized {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

impl fmt::Debug for Zeroized {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("..")
    }
}

impl From<&Parts> for Text {
    fn from(parts: &Parts) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            anchors: text(&parts.anchors),
            issuer_chain: text(&parts.issuer_chain),
            issuer_key: Zeroized(text(&parts.issuer_key)),
        }
    }
}

impl From<Text> for Parts {
    fn from(text: Text) -> Self {
        Self {
            anchors: text.anchors.into_bytes(),
            issuer_chain: text.issuer_chain.into_bytes(),
            issuer_key: Zeroizing::new(text.issuer_key.0.as_bytes().to_vec()),
        }
    }
}

/// As it comes back after it was written. Comments in a bundle may be of any encoding.
pub(super) fn as_text(parts: &Parts) -> Parts {
    Text::from(parts).into()
}

mod some_parts {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::{Parts, Text};

    pub(super) fn serialize<S: Serializer>(parts: &Parts, to: S) -> Result<S::Ok, S::Error> {
        Text::from(parts).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Parts, D::Error> {
        Text::deserialize(from).map(Parts::from)
    }
}

mod parts {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::{Parts, Text};

    #[expect(clippy::ref_option, reason = "serde asks for this shape")]
    pub(super) fn serialize<S: Serializer>(
        parts: &Option<Parts>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        parts.as_ref().map(Text::from).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Parts>, D::Error> {
        Option::<Text>::deserialize(from).map(|text| text.map(Parts::from))
    }
}
