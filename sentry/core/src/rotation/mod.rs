//! Rotations that no sidecar notices: from the bundle as it is stored to the next one.
//!
//! ```text
//!  Secret: bundle, state, wishes --> reconcile --> the bundle to sign with
//!  running sidecars, the clock ----> advance ----> the bundle to write
//! ```
//!
//! A sidecar learns its roots once, when its pod is made, so the root that takes over next is
//! made and published ahead. When it takes over, the issuer before it signs a certificate of it,
//! which ends the chain handed out: sidecars that know older roots only follow that (see
//! [`lineage`]). A root leaves when it has ended, or when nobody needs it.

mod change;
mod fingerprint;
mod known;
mod lineage;
mod plan;
mod state;
#[cfg(test)]
mod tests;
pub mod window;

use jiff::{SignedDuration, Timestamp};

pub use change::Change;
pub use fingerprint::Fingerprint;
pub use known::{KnownRoots, Nearness};
use lineage::Lineage;
use plan::{Plan, began, late};
pub use state::{KEY, Next, Retired, State, StateError};

use crate::{
    bundle::{Bundle, BundleError, Parts},
    generate::{Entropy, Profile},
    issue::WriteError,
};

/// How rotations are done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What new authorities are like.
    pub profile: Profile,
    /// Whether authorities that sentry made are replaced by age.
    pub by_age: bool,
    /// How long an authority signs before the next takes over; never longer than two thirds of
    /// its issuer's life.
    pub interval: SignedDuration,
    /// How long workload certificates live: so long an authority's root is needed after its
    /// last signature.
    pub leaf_life: SignedDuration,
}

/// What people ask for, by annotations of the Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// `trilby.dev/rotate`: a text that was not there before asks for a rotation now.
    pub rotate: Option<String>,
    /// `trilby.dev/forget-roots`: the bundle counts as it stands, earlier roots are given up.
    pub forget: bool,
}

/// A bundle with what is remembered about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The bundle.
    pub parts: Parts,
    /// `None` where nothing was remembered yet.
    pub state: Option<State>,
}

/// What is to be used, and what happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The bundle and the state; to be written if they differ from what is stored.
    pub kept: Kept,
    /// What to tell people.
    pub changes: Vec<Change>,
}

/// Why there is no next bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotationError {
    /// The bundle can't be read.
    #[error("read the trust bundle for a rotation")]
    Bundle(#[from] BundleError),
    /// A certificate could not be made.
    #[error("make the certificates of a rotation")]
    Write(#[from] WriteError),
}

/// What must be unpredictable.
pub struct Randomness {
    /// For the authority that takes over after the next.
    pub entropy: Entropy,
    /// Serial number of a cross certificate.
    pub serial: [u8; 16],
}

/// What to sign with, given what is stored: an authority that somebody put in place succeeds the
/// one before it, and what a tool took out that sidecars need is put back.
///
/// # Errors
/// If what is stored can't be read, or a certificate can't be made.
pub fn reconcile(
    stored: Kept,
    wishes: &Wishes,
    profile: &Profile,
    now: Timestamp,
    serial: [u8; 16],
) -> Result<Outcome, RotationError> {
    let mut plan = Plan::new(stored, now)?;
    let crossing = plan.crossing(profile, serial);
    let Some(kept) = plan.state.kept.clone().filter(|kept| *kept != plan.before) else {
        return Ok(plan.unchanged());
    };
    let Ok(old) = Lineage::read(&kept) else {
        return Ok(plan.unchanged());
    };
    if wishes.forget {
        plan.forget();
    } else if plan.lineage.chain.first() == old.chain.first() {
        plan.complete(&old);
    } else if plan.was_rotated_away() && Bundle::load(&kept, now).is_ok() {
        plan.restore(kept, old);
    } else {
        plan.adopt(&old, crossing)?;
    }
    Ok(plan.finish())
}

/// The next step of a rotation, if one is due: called again and again until nothing changes.
/// `known` is what each running sidecar knows; `None` as long as that is not known.
///
/// # Errors
/// As [`reconcile`].
pub fn advance(
    stored: Kept,
    wishes: &Wishes,
    settings: &Settings,
    known: Option<&[KnownRoots]>,
    now: Timestamp,
    randomness: &Randomness,
) -> Result<Outcome, RotationError> {
    let mut plan = Plan::new(stored, now)?;
    plan.prune(wishes, settings, known);
    let asks = wishes.rotate.is_some() && wishes.rotate != plan.state.request;
    if plan.lineage.is_self_made() {
        plan.rotate(settings, asks, randomness)?;
    } else if asks {
        plan.changes.push(Change::Refused);
    }
    // Asked for before the next root was there, it takes over in the step after this one.
    let pending = asks
        && plan
            .changes
            .iter()
            .any(|change| matches!(change, Change::Published(_)));
    if !pending || plan.activated() {
        plan.state.request.clone_from(&wishes.rotate);
    }
    Ok(plan.finish())
}

/// Whether a bundle is so late in its life that a rotation can't wait.
pub fn is_late(parts: &Parts, now: Timestamp) -> bool {
    let lineage = Lineage::read(parts).ok();
    let late = lineage.as_ref().and_then(late);
    late.is_some_and(|late| now >= late)
}

/// How near the end of the authority itself is, once it is near. One that is rotated by age never
/// comes that far; one that somebody supplied does, if it is forgotten.
pub fn nearness(parts: &Parts, now: Timestamp) -> Option<Nearness> {
    let lineage = Lineage::read(parts).ok()?;
    let begins = began(&lineage)?;
    lineage.ends(now).map_or(Some(Nearness::Ended), |ends| {
        Nearness::of(begins, ends, now)
    })
}

/// All roots of a bundle: what a sidecar that starts now learns.
///
/// # Errors
/// None; a bundle that can't be read has no roots.
pub fn roots(parts: &Parts) -> KnownRoots {
    KnownRoots::from_pem(&String::from_utf8_lossy(&parts.anchors))
}
