//! A bundle on its way to the next, step by step.

use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::CertificateDer;

use super::{
    Change, Fingerprint, Kept, KnownRoots, Next, Outcome, Randomness, Retired, RotationError,
    Settings, State, Wishes,
    lineage::{Crossing, Lineage},
    state,
};
use crate::{
    bundle::{Bundle, Parts},
    generate::Profile,
    x509::chain,
};

/// So long after the last signature all replicas of sentry have heard of it.
const SLACK: SignedDuration = SignedDuration::from_mins(5);

/// More authorities than any chain can hold.
const MOST_RETIRED: usize = 32;

/// A bundle on its way to the next.
pub(super) struct Plan {
    pub(super) before: Parts,
    pub(super) lineage: Lineage,
    pub(super) state: State,
    had_state: bool,
    now: Timestamp,
    pub(super) changes: Vec<Change>,
}

// === impl Plan ===

impl Plan {
    pub(super) fn new(stored: Kept, now: Timestamp) -> Result<Self, RotationError> {
        Ok(Self {
            lineage: Lineage::read(&stored.parts)?,
            before: stored.parts,
            had_state: stored.state.is_some(),
            state: stored.state.unwrap_or_default(),
            now,
            changes: Vec::new(),
        })
    }

    pub(super) fn crossing(&self, profile: &Profile, serial: [u8; 16]) -> Crossing {
        Crossing {
            serial,
            skew_nanos: profile.skew.as_nanos(),
            now: self.now,
        }
    }

    pub(super) fn unchanged(self) -> Outcome {
        let state = self.had_state.then_some(self.state);
        let parts = self.before;
        Outcome {
            kept: Kept { parts, state },
            changes: self.changes,
        }
    }

    pub(super) fn finish(mut self) -> Outcome {
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

    pub(super) fn activated(&self) -> bool {
        let activated = |change: &Change| matches!(change, Change::Activated { .. });
        self.changes.iter().any(activated)
    }

    /// Nothing before the present authority counts any longer.
    pub(super) fn forget(&mut self) {
        self.state.next = None;
        self.state.retired.clear();
        if let Some((_, own)) = self.lineage.active(self.now) {
            self.lineage.chain.truncate(own);
        }
    }

    /// The same authority, with less or more around it than there was.
    pub(super) fn complete(&mut self, old: &Lineage) {
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

    pub(super) fn was_rotated_away(&self) -> bool {
        let issuer = self.lineage.issuer_fingerprint();
        let mut retired = self.state.retired.iter();
        retired.any(|retired| retired.rotated && retired.issuer == issuer)
    }

    pub(super) fn restore(&mut self, kept: Parts, old: Lineage) {
        self.changes.push(Change::Restored);
        self.lineage = old;
        // Its texts are the ones to keep, to the byte.
        self.before = kept;
    }

    pub(super) fn adopt(&mut self, old: &Lineage, crossing: Crossing) -> Result<(), RotationError> {
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
    pub(super) fn prune(
        &mut self,
        wishes: &Wishes,
        settings: &Settings,
        known: Option<&[KnownRoots]>,
    ) {
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

    pub(super) fn rotate(
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

pub(super) fn began(lineage: &Lineage) -> Option<Timestamp> {
    lineage.issuer().map(|issuer| chain::not_before(&issuer))
}

/// When two thirds of the issuer's life are over.
pub(super) fn late(lineage: &Lineage) -> Option<Timestamp> {
    let issuer = lineage.issuer()?;
    let (begins, ends) = (chain::not_before(&issuer), chain::not_after(&issuer));
    let life = ends.duration_since(begins);
    begins.checked_add(life / 3 * 2).ok()
}
