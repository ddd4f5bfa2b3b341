//! Which of several names a key belongs to, so that every proxy gives the same answer and the
//! loss or gain of one name moves only the keys that must move.

use std::hash::Hasher;

use fnv::FnvHasher;

/// A text as a number that is the same in every process and release.
pub fn hash(parts: &[&str]) -> u64 {
    let mut hasher = FnvHasher::default();
    for part in parts {
        hasher.write(part.as_bytes());
        // No part can end with this byte, which UTF-8 does not use; ("ab", "c") is not ("a", "bc").
        hasher.write_u8(0xff);
    }
    hasher.finish()
}

/// How much `key` wants to be at `name`, both as [`hash`]es: the highest of all names wins.
pub fn weight(key: u64, name: u64) -> u64 {
    // FNV alone leaves the high bits of short texts alike; the finaliser of SplitMix64 spreads
    // them.
    let mut mixed = key ^ name.rotate_left(32);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
