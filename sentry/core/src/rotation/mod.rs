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

mod fingerprint;
mod known;
mod lineage;
mod state;
#[cfg(test)]
mod tests;
pub mod window;

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::CertificateDer;

pub use fingerprint::Fingerprint;
pub use known::{KnownRoots, Nearness};
use lineage::{Crossing, Lineage};
pub use state::{KEY, Next, Retired, State, StateError};

use crate::{
    bundle::{Bundle, BundleError, Parts},
    generate::{Entropy, Profile},
    issue::WriteError,
    x509::chain,
};

/// So long after the last signature all replicas of sentry have heard of it.
const SLACK: SignedDuration = SignedDuration::from_mins(5);

/// More authorities than any chain can hold.
const MOST_RETIRED: usize = 32;

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

/// What happened to a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A root was made and published; it does not sign yet.
    Published(Fingerprint),
    /// A published root took over.
    Activated {
        /// The root.
        root: Fingerprint,
        /// Whether sidecars that know only earlier roots follow.
        bridged: bool,
    },
    /// Somebody put another authority in place.
    Adopted {
        /// Its root.
        root: Fingerprint,
        /// Whether sidecars that know only earlier roots follow.
        bridged: bool,
    },
    /// Roots, or the chain to them, had been taken out of the bundle and were put back.
    Completed,
    /// An authority that sentry had taken over from was put back, and was replaced again.
    Restored,
    /// A root left the bundle.
    Removed {
        /// The root.
        root: Fingerprint,
        /// Whether it had ended; if not, nobody needed it.
        ended: bool,
    },
    /// A rotation was asked for, but the authority is somebody else's to rotate.
    Refused,
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

// === impl Change ===

impl Change {
    /// In one word, as Events want it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Published(_) => "RootPublished",
            Self::Activated { .. } => "RootActivated",
            Self::Adopted { .. } => "RootAdopted",
            Self::Completed => "TrustBundleCompleted",
            Self::Restored => "TrustBundleRestored",
            Self::Removed { .. } => "RootRemoved",
            Self::Refused => "RotationRefused",
        }
    }

    /// Whether somebody should look at it.
    pub fn is_warning(&self) -> bool {
        match self {
            Self::Activated { bridged, .. } | Self::Adopted { bridged, .. } => !bridged,
            Self::Restored | Self::Completed | Self::Refused => true,
            Self::Published(_) | Self::Removed { .. } => false,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut_off = |bridged: &bool| {
            if *bridged {
                ""
            } else {
                "; sidecars that know only earlier roots do not follow and must be restarted"
            }
        };
        match self {
            Self::Published(root) => write!(formatter, "root {root} was made and is published; it takes over later"),
            Self::Activated { root, bridged } => {
                write!(formatter, "root {root} took over{}", cut_off(bridged))
            }
            Self::Adopted { root, bridged } => {
                write!(formatter, "root {root} was put in place by hand{}", cut_off(bridged))
            }
            Self::Completed => formatter.write_str(
                "roots that running sidecars need were missing and were put back; annotate the Secret with trilby.dev/forget-roots to give them up",
            ),
            Self::Restored => formatter.write_str(
                "an authority was put back that had been rotated away, probably by a Helm release with old values; the present one stays",
            ),
            Self::Removed { root, ended: true } => write!(formatter, "root {root} has ended and was removed"),
            Self::Removed { root, ended: false } => {
                write!(formatter, "root {root} was removed; no running sidecar needs it")
            }
            Self::Refused => formatter.write_str(
                "a rotation was asked for, but the authority was supplied; put the new one in its place instead",
            ),
        }
    }
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

/// A bundle on its way to the next.
struct Plan {
    before: Parts,
    lineage: Lineage,
    state: State,
    had_state: bool,
    now: Timestamp,
    changes: Vec<Change>,
}

// === impl Plan ===

impl Plan {
    fn new(stored: Kept, now: Timestamp) -> Result<Self, RotationError> {
        Ok(Self {
            lineage: Lineage::read(&stored.parts)?,
            before: stored.parts,
            had_state: stored.state.is_some(),
            state: stored.state.unwrap_or_default(),
            now,
            changes: Vec::new(),
        })
    }

    fn crossing(&self, profile: &Profile, serial: [u8; 16]) -> Crossing {
        Crossing {
            serial,
            skew_nanos: profile.skew.as_nanos(),
            now: self.now,
        }
    }

    fn unchanged(self) -> Outcome {
        let state = self.had_state.then_some(self.state);
        let parts = self.before;
        Outcome {
            kept: Kept { parts, state },
            changes: self.changes,
        }
    }

    fn finish(mut self) -> Outcome {
        let parts = self.lineage.write(&self.before);
        self.state.kept = Some(state::as_text(&parts));
        let surplus = self.state.retired.len().saturating_sub(MOST_RETIRED);
        self.state.retired.drain(..surplus);
        let state = Some(self.state);
        Outcome {
            kept: Kept { parts, state },
            changes: self.changes,
        }
    }

    fn activated(&self) -> bool {
        let activated = |change: &Change| matches!(change, Change::Activated { .. });
        self.changes.iter().any(activated)
    }

    /// Nothing before the present authority counts any longer.
    fn forget(&mut self) {
        self.state.next = None;
        self.state.retired.clear();
        if let Some((_, own)) = self.lineage.active(self.now) {
            self.lineage.chain.truncate(own);
        }
    }

    /// The same authority, with less or more around it than there was.
    fn complete(&mut self, old: &Lineage) {
        let ended = old.ended(self.now);
        let before = self.lineage.clone();
        self.lineage.keep_roots(old);
        self.lineage.drop_roots(&ended);
        if old.chain.starts_with(&self.lineage.chain) {
            self.lineage.chain.clone_from(&old.chain);
        }
        if before.anchors.len() < self.lineage.anchors.len()
            || before.chain.len() < self.lineage.chain.len()
        {
            self.changes.push(Change::Completed);
        }
    }

    fn was_rotated_away(&self) -> bool {
        let issuer = self.lineage.issuer_fingerprint();
        let mut retired = self.state.retired.iter();
        retired.any(|retired| retired.rotated && retired.issuer == issuer)
    }

    fn restore(&mut self, kept: Parts, old: Lineage) {
        self.changes.push(Change::Restored);
        self.lineage = old;
        // Its texts are the ones to keep, to the byte.
        self.before = kept;
    }

    fn adopt(&mut self, old: &Lineage, crossing: Crossing) -> Result<(), RotationError> {
        let bridged = self.take_over(self.lineage.clone(), old, crossing, false)?;
        if !self.lineage.is_self_made() {
            self.abandon_next();
        }
        if let Some(root) = self.lineage.anchors.first() {
            let root = Fingerprint::of(root);
            self.changes.push(Change::Adopted { root, bridged });
        }
        Ok(())
    }

    /// The next root will never sign: what sidecars know of it is of no use to them.
    fn abandon_next(&mut self) {
        let next = self.state.next.take();
        let Some(next) = next.and_then(|next| Lineage::read(&next.parts).ok()) else {
            return;
        };
        self.lineage.drop_roots(&next.anchors);
    }

    fn take_over(
        &mut self,
        mut new: Lineage,
        old: &Lineage,
        crossing: Crossing,
        rotated: bool,
    ) -> Result<bool, RotationError> {
        let bridged = new.succeed(old, self.bridges(), crossing)?;
        let root = old.active(self.now).map(|(root, _)| root);
        if let Some(root) = root.or(old.anchors.first()) {
            self.state.retired.push(Retired {
                root: Fingerprint::of(root),
                issuer: old.issuer_fingerprint(),
                at: self.now,
                rotated,
                bridge: old.own(self.now).map(|own| own.write(&self.before)),
            });
        }
        self.state.activated_at = Some(self.now);
        self.lineage = new;
        Ok(bridged)
    }

    /// Earlier authorities, the last one first, that can still lead to their roots.
    fn bridges(&self) -> Vec<Lineage> {
        let retired = self.state.retired.iter().rev();
        let bridges = retired.filter_map(|retired| retired.bridge.as_ref());
        bridges
            .filter_map(|bridge| Lineage::read(bridge).ok())
            .collect()
    }

    /// Takes out the roots that ended, and those that nobody needs.
    fn prune(&mut self, wishes: &Wishes, settings: &Settings, known: Option<&[KnownRoots]>) {
        let ended = self.lineage.ended(self.now);
        let mut gone: Vec<_> = ended.into_iter().map(|root| (root, true)).collect();
        let unneeded = match known {
            _ if wishes.forget => self.retired(SignedDuration::ZERO),
            Some(known) => self.unneeded(settings, known),
            None => Vec::new(),
        };
        gone.extend(unneeded.into_iter().map(|root| (root, false)));
        let active = self.lineage.active(self.now).map(|(root, _)| root.clone());
        for (root, ended) in gone {
            // Without an active root there would be nothing to keep.
            if active.is_some() && active.as_ref() != Some(&root) {
                self.lineage.drop_roots(std::slice::from_ref(&root));
                let root = Fingerprint::of(&root);
                self.changes.push(Change::Removed { root, ended });
            }
        }
        self.lineage.cut(self.now);
        self.forget_keys();
    }

    /// The key of an authority is kept as long as its root is.
    fn forget_keys(&mut self) {
        let roots = self.lineage.anchors.iter();
        let roots: Vec<_> = roots.map(|root| Fingerprint::of(root)).collect();
        for retired in &mut self.state.retired {
            if !roots.contains(&retired.root) {
                retired.bridge = None;
            }
        }
    }

    /// Retired roots that no certificate still in use leads to alone, and no sidecar needs.
    fn unneeded(&self, settings: &Settings, known: &[KnownRoots]) -> Vec<CertificateDer<'static>> {
        let needed = |root: &CertificateDer<'static>| {
            let mut known = known.iter();
            known.any(|known| self.lineage.is_needed_by(root, known, self.now))
        };
        let mut roots = self.retired(settings.leaf_life.saturating_add(SLACK));
        roots.retain(|root| !needed(root));
        roots
    }

    /// Roots that were retired at least so long ago.
    fn retired(&self, ago: SignedDuration) -> Vec<CertificateDer<'static>> {
        let is_over = |root: &CertificateDer<'static>| {
            let name = Fingerprint::of(root);
            let mut retired = self.state.retired.iter().rev();
            let last = retired.find(|retired| retired.root == name);
            last.is_some_and(|last| self.now.duration_since(last.at) >= ago)
        };
        let mut roots = self.lineage.anchors.clone();
        roots.retain(is_over);
        roots
    }

    fn rotate(
        &mut self,
        settings: &Settings,
        asks: bool,
        randomness: &Randomness,
    ) -> Result<(), RotationError> {
        if !settings.by_age && !asks {
            return Ok(());
        }
        let Some(next) = self.usable_next() else {
            return self.publish(settings, randomness);
        };
        if asks || self.is_due(settings, next.published_at) {
            let new = Lineage::read(&next.parts)?;
            let old = self.lineage.clone();
            let crossing = self.crossing(&settings.profile, randomness.serial);
            let bridged = self.take_over(new, &old, crossing, true)?;
            if let Some(root) = self.lineage.anchors.first() {
                let root = Fingerprint::of(root);
                self.changes.push(Change::Activated { root, bridged });
            }
            self.publish(settings, randomness)?;
        }
        Ok(())
    }

    /// The next authority, unless it waited so long that it would be replaced at once.
    fn usable_next(&mut self) -> Option<Next> {
        let next = self.state.next.clone()?;
        let lineage = Lineage::read(&next.parts).ok()?;
        let is_last_resort = self.lineage.active(self.now).is_none();
        let is_fresh = Bundle::load(&next.parts, self.now).is_ok()
            && (is_last_resort || late(&lineage).is_some_and(|late| self.now < late));
        if !is_fresh {
            self.abandon_next();
            return None;
        }
        for root in &lineage.anchors {
            self.lineage.announce(root);
        }
        Some(next)
    }

    fn publish(
        &mut self,
        settings: &Settings,
        randomness: &Randomness,
    ) -> Result<(), RotationError> {
        let parts = settings.profile.generate(self.now, &randomness.entropy)?;
        for root in &Lineage::read(&parts)?.anchors {
            self.lineage.announce(root);
            self.changes.push(Change::Published(Fingerprint::of(root)));
        }
        self.state.next = Some(Next {
            parts,
            published_at: self.now,
        });
        Ok(())
    }

    /// By age, once the next root is with the sidecars that were started meanwhile; or because
    /// the issuer is late in its life.
    fn is_due(&self, settings: &Settings, published_at: Timestamp) -> bool {
        let Some((began, late)) = began(&self.lineage).zip(late(&self.lineage)) else {
            return false;
        };
        let began = self.state.activated_at.unwrap_or(began);
        let aged = self.now.duration_since(began) >= settings.interval;
        let known = self.now.duration_since(published_at) >= settings.interval / 2;
        (aged && known) || self.now >= late
    }
}

fn began(lineage: &Lineage) -> Option<Timestamp> {
    lineage.issuer().map(|issuer| chain::not_before(&issuer))
}

/// When two thirds of the issuer's life are over.
fn late(lineage: &Lineage) -> Option<Timestamp> {
    let issuer = lineage.issuer()?;
    let (begins, ends) = (chain::not_before(&issuer), chain::not_after(&issuer));
    let life = ends.duration_since(begins);
    begins.checked_add(life / 3 * 2).ok()
}

/// All roots of a bundle: what a sidecar that starts now learns.
///
/// # Errors
/// None; a bundle that can't be read has no roots.
pub fn roots(parts: &Parts) -> KnownRoots {
    KnownRoots::from_pem(&String::from_utf8_lossy(&parts.anchors))
}
