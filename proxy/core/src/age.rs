//! How long a connection may live, so that clients spread over instances again.

use std::time::Duration;

/// The life of one connection: `longest` give or take a tenth, by a number of any randomness, so
/// that connections of one moment do not all end in one moment. Nothing means for ever.
pub fn lifetime(longest: Duration, random: u64) -> Option<Duration> {
    const STEPS: u32 = 1_000;
    let step = u32::try_from(random % u64::from(STEPS)).unwrap_or(0);
    (!longest.is_zero()).then(|| longest * 9 / 10 + longest / 5 * step / STEPS)
}
