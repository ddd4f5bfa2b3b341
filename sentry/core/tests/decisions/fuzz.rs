//! Good inputs, damaged in so many ways: whatever comes out, nothing panics, and
//! what is accepted is still right.

use std::thread;

use sentry_core::{
    Bundle, Parts, PublicKey,
    rotation::{KnownRoots, State},
    validator::kubernetes,
};
use zeroize::Zeroizing;

use crate::common::{TERMS, issue, now, parts, public_key, request};

/// About a second of each test.
const ROUNDS: u64 = 10_000;

/// Tells which input made a test panic.
struct Source {
    state: u64,
    round: u64,
}

impl Source {
    fn next(&mut self, below: usize) -> usize {
        // Marsaglia's xorshift: any spread will do here.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state % (below.max(1) as u64)).unwrap()
    }

    /// Some places changed, left out, doubled or cut off.
    fn damage(&mut self, good: &[u8]) -> Vec<u8> {
        let mut bytes = good.to_vec();
        for _ in 0..=self.next(4) {
            let at = self.next(bytes.len());
            let length = self.next(bytes.len() - at).min(40);
            match self.next(6) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..at + length)),
                2 => {
                    let again = bytes[at..at + length].to_vec();
                    bytes.splice(at..at, again);
                }
                3 => bytes.insert(at, u8::try_from(self.next(256)).unwrap()),
                _ if bytes.is_empty() => {}
                _ => bytes[at] ^= 1 << self.next(8),
            }
            if bytes.is_empty() {
                break;
            }
        }
        bytes
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the input of round {} made it panic", self.round);
        }
    }
}

/// The same inputs each time.
fn for_a_while(mut check: impl FnMut(&mut Source)) {
    let mut source = Source {
        state: 0x9e37_79b9_7f4a_7c15,
        round: 0,
    };
    while source.round < ROUNDS {
        check(&mut source);
        source.round += 1;
    }
}

#[test]
fn damaged_requests() {
    let good = [
        &rcgen::PKCS_ED25519,
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P521_SHA512,
    ]
    .map(|kind| request(kind).into_bytes());
    let keys = good
        .each_ref()
        .map(|text| PublicKey::from_request(text).unwrap());
    for_a_while(|source| {
        let at = source.next(good.len());
        let bytes = source.damage(&good[at]);
        if let Ok(key) = PublicKey::from_request(&bytes) {
            assert_eq!(key, keys[at], "its signature holds for no other key");
        }
    });
}

#[test]
fn damaged_bundles() {
    let (good, key) = (parts(), public_key());
    for_a_while(|source| {
        let mut bad = good.clone();
        match source.next(3) {
            0 => bad.anchors = source.damage(&good.anchors),
            1 => bad.issuer_chain = source.damage(&good.issuer_chain),
            _ => bad.issuer_key = Zeroizing::new(source.damage(&good.issuer_key)),
        }
        let _ = KnownRoots::from_pem(&String::from_utf8_lossy(&bad.anchors));
        if let Ok(bundle) = Bundle::load(&bad, now()) {
            let good = Bundle::load(&good, now()).unwrap();
            assert_eq!(bundle.path_not_after(), good.path_not_after());
            issue(&bundle, &key, TERMS);
        }
    });
}

/// Damage below the PEM: the certificates themselves.
#[test]
fn damaged_certificates() {
    let good = parts();
    let ders = [&good.anchors, &good.issuer_chain]
        .map(|text| sentry_core::pem::certificates(text).unwrap().remove(0));
    for_a_while(|source| {
        let at = source.next(ders.len());
        let bytes = source.damage(&ders[at]);
        let text = sentry_core::pem::encode("CERTIFICATE", &bytes).into_bytes();
        let mut bad = good.clone();
        if at == 0 {
            bad.anchors = text;
        } else {
            bad.issuer_chain = text;
        }
        let accepted = Bundle::load(&bad, now()).is_ok();
        assert!(
            !accepted || bytes == *ders[at],
            "a signature held for other bytes"
        );
    });
}

#[test]
fn damaged_tokens_and_states() {
    let token = br#"{"kubernetes.io":{"pod":{"name":"pod-1","uid":"1"},"namespace":"shop"}}"#;
    let state = State {
        kept: Some(Parts::clone(&parts())),
        ..State::default()
    };
    let state = state.write().unwrap();
    for_a_while(|source| {
        let _ = kubernetes::pod_name(&String::from_utf8_lossy(&source.damage(token)));
        if let Ok(state) = State::read(&source.damage(&state)) {
            state.write().unwrap();
        }
    });
}
