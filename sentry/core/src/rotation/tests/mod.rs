//! Rotations as sidecars see them.

mod steps;

use config::GoDuration;
use identity_core::{TrustDomain, Workload};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::*;
use crate::{
    issue::{Order, Terms},
    pem,
    request::PublicKey,
    x509::chain,
};

const MINUTE: i64 = 60;
const SKEW: GoDuration = GoDuration::from_secs(2 * MINUTE);

fn at(minutes: i64) -> Timestamp {
    let start: Timestamp = "2026-02-03T04:05:06Z".parse().unwrap();
    start
        .checked_add(SignedDuration::from_mins(minutes))
        .unwrap()
}

fn settings(lifetime: i64, interval: i64) -> Settings {
    Settings {
        profile: Profile {
            trust_domain: TrustDomain::new("cluster.local").unwrap(),
            namespace: "dapr-system".to_owned(),
            skew: SKEW,
            lifetime: GoDuration::from_secs(lifetime * MINUTE),
        },
        by_age: true,
        interval: SignedDuration::from_mins(interval),
        leaf_life: SignedDuration::from_hours(24),
    }
}

fn randomness(seed: u8) -> Randomness {
    Randomness {
        entropy: Entropy {
            root_seed: Zeroizing::new([seed; 32]),
            issuer_seed: Zeroizing::new([seed ^ 0x80; 32]),
            root_serial: [seed; 16],
            issuer_serial: [seed ^ 0x80; 16],
        },
        serial: [seed ^ 0x40; 16],
    }
}

fn original(settings: &Settings) -> Kept {
    let parts = settings
        .profile
        .generate(at(0), &randomness(127).entropy)
        .unwrap();
    Kept { parts, state: None }
}

/// What a store and a sentry do with each other, minute by minute.
struct World {
    settings: Settings,
    wishes: Wishes,
    kept: Kept,
    known: Vec<KnownRoots>,
    seed: u8,
    changes: Vec<Change>,
}

impl World {
    fn new(settings: Settings) -> Self {
        Self {
            kept: original(&settings),
            settings,
            wishes: Wishes::default(),
            known: Vec::new(),
            seed: 0,
            changes: Vec::new(),
        }
    }

    /// As sentry does it: what is stored is reconciled, then advanced until nothing changes.
    fn step(&mut self, minute: i64) -> Vec<&'static str> {
        let first = self.changes.len();
        self.reconcile(minute);
        for _ in 0..4 {
            self.seed = (self.seed + 1) % 64;
            let outcome = advance(
                self.kept.clone(),
                &self.wishes,
                &self.settings,
                Some(&self.known),
                at(minute),
                &randomness(self.seed),
            );
            let outcome = outcome.unwrap();
            let settled = outcome.kept == self.kept;
            self.kept = outcome.kept;
            self.changes.extend(outcome.changes);
            if settled {
                Bundle::load(&self.kept.parts, at(minute)).unwrap();
                return self.changes[first..].iter().map(Change::reason).collect();
            }
        }
        unreachable!("it never settles: {:?}", self.changes);
    }

    fn reconcile(&mut self, minute: i64) {
        self.seed = (self.seed + 1) % 64;
        let serial = [self.seed; 16];
        let profile = &self.settings.profile;
        let outcome = reconcile(self.kept.clone(), &self.wishes, profile, at(minute), serial);
        let outcome = outcome.unwrap();
        self.kept = outcome.kept;
        self.changes.extend(outcome.changes);
    }

    fn anchors(&self) -> Vec<CertificateDer<'static>> {
        pem::certificates(&self.kept.parts.anchors).unwrap()
    }

    fn put(&mut self, parts: Parts) {
        self.kept.parts = parts;
    }

    /// Whether somebody who knows these roots alone accepts what is signed now.
    fn serves(&self, anchors: &[CertificateDer<'static>], minute: i64) -> bool {
        let parts = Parts {
            anchors: pem::encode_certificates(anchors).into_bytes(),
            ..self.kept.parts.clone()
        };
        Bundle::load(&parts, at(minute)).is_ok()
    }
}

/// A sidecar: the roots it was started with, and a certificate that it renews at half its life.
struct Sidecar {
    anchors: Vec<CertificateDer<'static>>,
    last_root_ends: Timestamp,
    chain: Vec<CertificateDer<'static>>,
    renew_at: Timestamp,
}

impl Sidecar {
    fn new(anchors: Vec<CertificateDer<'static>>) -> Self {
        let ends = |der| chain::not_after(&chain::parse(der).unwrap());
        Self {
            last_root_ends: anchors.iter().map(ends).max().unwrap(),
            anchors,
            chain: Vec::new(),
            renew_at: Timestamp::MIN,
        }
    }

    fn renew(&mut self, parts: &Parts, now: Timestamp) {
        if now < self.renew_at {
            return;
        }
        let key = PublicKey::from(&crate::PrivateKey::ed25519(&[9; 32]).unwrap());
        let workload = Workload::new(TrustDomain::new("public").unwrap(), "shop", "cart");
        let order = Order {
            public_key: &key,
            workload: &workload,
            dns: &[],
            images: &[],
        };
        let terms = Terms {
            ttl: GoDuration::from_secs(24 * 60 * MINUTE),
            skew: SKEW,
        };
        let issued = Bundle::load(parts, now)
            .unwrap()
            .issue(&order, terms, now, [7; 16])
            .unwrap();
        self.renew_at = issued.not_before + issued.not_after.duration_since(issued.not_before) / 2;
        self.chain = issued.chain;
    }

    fn accepts(&self, peer: &Self, now: Timestamp) -> bool {
        let chain: Vec<_> = peer
            .chain
            .iter()
            .map(|der| chain::parse(der).unwrap())
            .collect();
        let mut anchors = self.anchors.iter().map(|der| chain::parse(der).unwrap());
        anchors.any(|anchor| chain::reach(&chain, &anchor, now).is_some())
    }
}

/// Those whose last root has not ended renew their certificates, and each of them calls every one;
/// no call may fail. Returns how many calls there were.
fn all_call(sidecars: &mut Vec<Sidecar>, world: &World, minute: i64) -> usize {
    let now = at(minute);
    sidecars.retain(|sidecar| sidecar.last_root_ends > now);
    for sidecar in sidecars.iter_mut() {
        sidecar.renew(&world.kept.parts, now);
    }
    let pairs = sidecars
        .iter()
        .flat_map(|from| sidecars.iter().map(move |to| (from, to)));
    let answered = |(from, to): (&Sidecar, &Sidecar)| {
        assert!(from.accepts(to, now), "a call failed in minute {minute}");
    };
    pairs.map(answered).count()
}

/// Roots that live 30 minutes, one every 10: sidecars of every age call each other, the first of
/// them injected by the original, and whoever knows a living root is answered.
#[test]
fn no_sidecar_notices_a_rotation() {
    let mut world = World::new(settings(30, 10));
    let mut sidecars = vec![Sidecar::new(world.anchors())];
    let mut calls = 0;
    for minute in 0..120 {
        world.known = sidecars.iter().map(known).collect();
        world.step(minute);
        assert!(
            world.anchors().len() >= 2,
            "the next root is published ahead"
        );
        if minute % 3 == 1 {
            sidecars.push(Sidecar::new(world.anchors()));
        }
        calls += all_call(&mut sidecars, &world, minute);
        let chain = pem::certificates(&world.kept.parts.issuer_chain).unwrap();
        assert!(
            chain.len() <= 7 && world.anchors().len() <= 5,
            "minute {minute}"
        );
    }
    let took_over = world
        .changes
        .iter()
        .filter(|change| change.reason() == "RootActivated");
    assert!(took_over.count() >= 11, "{:?}", world.changes);
    assert!(
        !world.changes.iter().any(Change::is_warning),
        "{:?}",
        world.changes
    );
    assert!(calls > 5_000, "{calls}");
}

/// The original's root lives for a year, the next ones for thirty minutes each: those who know
/// only the original's are served all along.
#[test]
fn a_root_outlives_many_that_came_later() {
    let mut world = World::new(settings(365 * DAY, 10));
    let original = Sidecar::new(world.anchors());
    world.settings = settings(30, 10);
    let mut sidecars = vec![original];
    for minute in 0..90 {
        world.known = sidecars.iter().map(known).collect();
        world.step(minute);
        if minute % 10 == 1 {
            sidecars.push(Sidecar::new(world.anchors()));
        }
        all_call(&mut sidecars, &world, minute);
        let chain = pem::certificates(&world.kept.parts.issuer_chain).unwrap();
        assert!(chain.len() <= 9, "minute {minute}");
    }
    let state = world.kept.state.unwrap();
    let keys = state
        .retired
        .iter()
        .filter(|retired| retired.bridge.is_some());
    assert!(keys.count() <= 5, "keys of ended roots are forgotten");
    assert!(
        !world.changes.iter().any(Change::is_warning),
        "{:?}",
        world.changes
    );
}

fn known(sidecar: &Sidecar) -> KnownRoots {
    KnownRoots::from_pem(&pem::encode_certificates(&sidecar.anchors))
}

/// A day in minutes.
const DAY: i64 = 24 * 60;
