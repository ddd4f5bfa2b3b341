//! Numbers nobody has to be unable to guess.

use std::hash::{BuildHasher, Hasher, RandomState};

/// The standard library seeds its hash tables anew each time; that is random enough for jitter.
pub(crate) fn number() -> u64 {
    RandomState::new().build_hasher().finish()
}
