//! A bundle as certificates: roots, and a chain that leads from the issuer to each of them.
//!
//! ```text
//!  chain:   issuer 3 <- cross 3 <- issuer 2 <- cross 2 <- issuer 1
//!              |                      |                      |
//!  signed by root 3                root 2                 root 1
//! ```
//!
//! A long-lived root comes before the short-lived ones, whatever came first: each link of the path
//! to a root then lives as long as that root.
//!
//! `cross 3` says with the key of `issuer 2` what `root 3` says of itself. Whoever knows any one
//! of the roots accepts what issuer 3 signs, as long as that root lives.

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use zeroize::Zeroizing;

use super::{Fingerprint, KnownRoots};
use crate::{
    bundle::{BundleError, Parts},
    generate,
    issue::WriteError,
    key::PrivateKey,
    pem,
    x509::{
        chain,
        extension::{Extension, KeyUsage},
        template::{self, Template},
    },
};

/// Peers limit the size of a handshake; the oldest roots are given up first.
const LONGEST_CHAIN: usize = 16;

/// A bundle as certificates.
#[derive(Clone)]
pub(crate) struct Lineage {
    pub(crate) anchors: Vec<CertificateDer<'static>>,
    /// Issuer first, each signed by the next, without a root.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    key: Zeroizing<Vec<u8>>,
}

/// What a cross certificate needs beside the two authorities.
#[derive(Clone, Copy)]
pub(crate) struct Crossing {
    pub(crate) serial: [u8; 16],
    pub(crate) skew_nanos: i64,
    pub(crate) now: Timestamp,
}

fn parse<'a>(certificates: &'a [CertificateDer<'static>]) -> Vec<X509Certificate<'a>> {
    certificates.iter().filter_map(chain::parse).collect()
}

/// Adds what is not there yet.
fn union(into: &mut Vec<CertificateDer<'static>>, more: &[CertificateDer<'static>]) {
    for certificate in more {
        if !into.contains(certificate) {
            into.push(certificate.clone());
        }
    }
}

// === impl Lineage ===

impl Lineage {
    pub(crate) fn read(parts: &Parts) -> Result<Self, BundleError> {
        let anchors = pem::certificates(&parts.anchors).map_err(BundleError::AnchorsPem)?;
        let mut chain = pem::certificates(&parts.issuer_chain).map_err(BundleError::ChainPem)?;
        let last = chain.last().and_then(chain::parse);
        if last.is_some_and(|last| chain::self_signed(&last)) {
            chain.pop();
        }
        Ok(Self {
            anchors,
            chain,
            key: parts.issuer_key.clone(),
        })
    }

    /// As texts. What did not change stays as it was written, comments and all.
    pub(crate) fn write(&self, before: &Parts) -> Parts {
        let same = Self::read(before).ok();
        let anchors = same.as_ref().filter(|same| same.anchors == self.anchors);
        let chain = same.as_ref().filter(|same| same.chain == self.chain);
        let encode = |certificates| pem::encode_certificates(certificates).into_bytes();
        Parts {
            anchors: anchors.map_or_else(|| encode(&self.anchors), |_| before.anchors.clone()),
            issuer_chain: chain
                .map_or_else(|| encode(&self.chain), |_| before.issuer_chain.clone()),
            issuer_key: self.key.clone(),
        }
    }

    pub(crate) fn issuer(&self) -> Option<X509Certificate<'_>> {
        self.chain.first().and_then(chain::parse)
    }

    pub(crate) fn issuer_fingerprint(&self) -> Option<Fingerprint> {
        self.chain.first().map(Fingerprint::of)
    }

    pub(crate) fn is_self_made(&self) -> bool {
        self.issuer()
            .is_some_and(|issuer| generate::is_self_made(&issuer))
    }

    /// For each root how many certificates of the chain lead to it, if it is reached.
    fn reached(&self, now: Timestamp) -> Vec<(&CertificateDer<'static>, usize)> {
        let chain = parse(&self.chain);
        let reach = |root| chain::reach(&chain, &chain::parse(root)?, now);
        let reached = |root| reach(root).map(|length| (root, length));
        self.anchors.iter().filter_map(reached).collect()
    }

    /// The root nearest to the issuer, with the length of the chain to it. Of several that are
    /// equally near, as with a root that was made again with the same key, the longest-lived.
    pub(crate) fn active(&self, now: Timestamp) -> Option<(&CertificateDer<'static>, usize)> {
        let end = |root| chain::parse(root).map(|root| chain::not_after(&root));
        self.reached(now)
            .into_iter()
            .min_by_key(|(root, length)| (*length, std::cmp::Reverse(end(root))))
    }

    /// Whether a sidecar that knows these roots would be cut off without this one: of those
    /// that the chain leads to, it knows none that came later.
    pub(crate) fn is_needed_by(
        &self,
        root: &CertificateDer<'_>,
        known: &KnownRoots,
        now: Timestamp,
    ) -> bool {
        let reached = self.reached(now);
        let known = reached
            .iter()
            .filter(|(root, _)| known.contains(&Fingerprint::of(root)));
        known
            .min_by_key(|(_, length)| *length)
            .is_some_and(|(newest, _)| *newest == root)
    }

    /// Adds roots of another lineage behind its own.
    pub(crate) fn keep_roots(&mut self, of: &Self) {
        union(&mut self.anchors, &of.anchors);
    }

    /// Puts the root behind the first one.
    pub(crate) fn announce(&mut self, root: &CertificateDer<'static>) {
        if !self.anchors.contains(root) {
            self.anchors.insert(self.anchors.len().min(1), root.clone());
        }
    }

    /// Makes the root the first: tools look at that one.
    pub(crate) fn put_first(&mut self, root: &CertificateDer<'static>) {
        self.anchors.retain(|other| other != root);
        self.anchors.insert(0, root.clone());
    }

    /// Takes over from `old`: keeps its roots, and leads on to them and to those of earlier
    /// authorities, by certificates of its own root that their issuers sign. Says whether those
    /// who know only the old root follow; nobody can if that has ended.
    pub(crate) fn succeed(
        &mut self,
        old: &Self,
        earlier: Vec<Self>,
        crossing: Crossing,
    ) -> Result<bool, WriteError> {
        let Some((root, own)) = self.active(crossing.now) else {
            return Ok(false);
        };
        let root = root.clone();
        self.chain.truncate(own);
        let bridges = old.own(crossing.now).into_iter().chain(earlier);
        let mut built = self.bridged(&root, bridges, crossing)?;
        let mut appended = self.clone();
        appended.chain.extend(old.tail_for(&root, crossing)?);
        // What there was may lead to roots whose issuers nobody remembers.
        for lineage in [&mut built, &mut appended] {
            lineage.anchors.clone_from(&old.anchors);
        }
        let reach = |lineage: &Self| lineage.reached(crossing.now).len();
        let best = if reach(&appended) > reach(&built) {
            appended
        } else {
            built
        };
        let target = old.active(crossing.now).map(|(target, _)| target);
        let follows = target.is_none_or(|target| best.leads_to(target, crossing.now));
        if reach(&best) > 0 {
            self.chain = best.chain;
        }
        self.keep_roots(old);
        self.put_first(&root);
        Ok(follows)
    }

    /// The authority alone: its root, and the chain to that.
    pub(crate) fn own(&self, now: Timestamp) -> Option<Self> {
        let (root, own) = self.active(now)?;
        Some(Self {
            anchors: vec![root.clone()],
            chain: self.chain.iter().take(own).cloned().collect(),
            key: self.key.clone(),
        })
    }

    fn leads_to(&self, root: &CertificateDer<'_>, now: Timestamp) -> bool {
        let reached = self.reached(now);
        reached.iter().any(|(reached, _)| *reached == root)
    }

    /// The chain to the own root, led on to each of the others. Those that live longest come
    /// first: so what leads to a root lasts as long as that root itself.
    fn bridged(
        &self,
        root: &CertificateDer<'static>,
        bridges: impl Iterator<Item = Self>,
        mut crossing: Crossing,
    ) -> Result<Self, WriteError> {
        let mut bridges: Vec<_> = bridges
            .filter_map(|bridge| Some((bridge.ends(crossing.now)?, bridge)))
            .collect();
        bridges.sort_by_key(|(ends, _)| std::cmp::Reverse(*ends));
        let mut built = self.clone();
        built.anchors = vec![root.clone()];
        for (_, bridge) in bridges {
            let [Some(from), Some(to)] = [built.anchors.last(), bridge.anchors.first()] else {
                continue;
            };
            let Some(cross) = bridge.cross(from, crossing)? else {
                continue;
            };
            let mut longer = built.clone();
            longer.chain.push(cross);
            longer.chain.extend(bridge.chain.iter().cloned());
            if !built.anchors.contains(to) && longer.chain.len() <= LONGEST_CHAIN {
                longer.anchors.push(to.clone());
                if longer.leads_to(to, crossing.now) {
                    built = longer;
                }
            }
            crossing.serial[15] = crossing.serial[15].wrapping_add(1);
        }
        Ok(built)
    }

    /// When the path from the issuer to the nearest root ends; `None` if it has.
    pub(crate) fn ends(&self, now: Timestamp) -> Option<Timestamp> {
        let (root, own) = self.active(now)?;
        let path = self.chain.iter().take(own).chain([root]);
        path.filter_map(chain::parse)
            .map(|certificate| chain::not_after(&certificate))
            .min()
    }

    /// What leads on from a successor's root.
    fn tail_for(
        &self,
        root: &CertificateDer<'static>,
        crossing: Crossing,
    ) -> Result<Vec<CertificateDer<'static>>, WriteError> {
        if let Some((active, own)) = self.active(crossing.now)
            && active == root
        {
            // The same root goes on, and so does what led on from it.
            return Ok(self.chain.iter().skip(own).cloned().collect());
        }
        let cross = self.cross(root, crossing)?;
        Ok(cross
            .into_iter()
            .chain(self.chain.iter().cloned())
            .collect())
    }

    /// What the root says of itself, said by the issuer.
    fn cross(
        &self,
        root: &CertificateDer<'_>,
        crossing: Crossing,
    ) -> Result<Option<CertificateDer<'static>>, WriteError> {
        let (Some(root), Some(issuer)) = (chain::parse(root), self.issuer()) else {
            return Ok(None);
        };
        let key = PrivateKey::from_pem(&self.key)?;
        let mut extensions = vec![
            Extension::key_usage(&[KeyUsage::DigitalSignature, KeyUsage::KeyCertSign]),
            Extension::authority(),
        ];
        let (own, signer) = (chain::subject_key_id(&root), chain::subject_key_id(&issuer));
        extensions.extend(own.as_deref().map(Extension::known_key_id));
        extensions.extend(signer.as_deref().map(Extension::authority_key_id));
        let template = Template {
            serial: crossing.serial,
            issuer: issuer.subject().as_raw(),
            subject: root.subject().as_raw(),
            not_before: template::shifted(crossing.now, -crossing.skew_nanos)?
                .max(chain::not_before(&issuer)),
            not_after: chain::not_after(&root).min(chain::not_after(&issuer)),
            public_key: root.public_key().raw,
            extensions,
        };
        template.sign(&key).map(Some)
    }

    /// Takes these roots out.
    pub(crate) fn drop_roots(&mut self, gone: &[CertificateDer<'static>]) {
        self.anchors.retain(|root| !gone.contains(root));
    }

    /// Cuts off the end of the chain that leads to no root any longer.
    pub(crate) fn cut(&mut self, now: Timestamp) {
        let lengths = self.reached(now).into_iter().map(|(_, length)| length);
        if let Some(needed) = lengths.filter(|length| *length <= LONGEST_CHAIN).max() {
            self.chain.truncate(needed);
        }
    }

    /// Roots that have ended.
    pub(crate) fn ended(&self, now: Timestamp) -> Vec<CertificateDer<'static>> {
        let ended = |root: &&CertificateDer<'static>| {
            chain::parse(root).is_some_and(|root| chain::not_after(&root) < now)
        };
        self.anchors.iter().filter(ended).cloned().collect()
    }
}
