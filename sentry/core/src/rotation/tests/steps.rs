//! Rotations step by step.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rstest::rstest;

use super::*;

#[test]
fn takes_over_at_two_thirds_of_a_life_at_the_latest() {
    let mut world = World::new(settings(365 * DAY, 3650 * DAY));
    assert_eq!(world.step(0), ["RootPublished"]);
    assert!(world.step(243 * DAY).is_empty());
    let steps = world.step(244 * DAY);
    let expected = ["RootPublished", "RootActivated", "RootPublished"];
    assert_eq!(steps, expected, "the next one was late itself");
    assert!(world.step(245 * DAY).is_empty());
}

#[test]
fn replaces_what_ended_while_nobody_looked() {
    let mut world = World::new(settings(30, 10));
    world.step(0);
    let older = world.anchors();
    world.step(10);
    let younger = world.anchors();
    assert!(is_late(&world.kept.parts, at(25)));
    world.step(35);
    assert!(world.serves(&younger, 35), "they know the next root");
    assert!(!world.serves(&older, 35), "they know none that lives");
}

#[test]
fn tells_how_near_the_end_of_an_authority_is() {
    let parts = original(&settings(365 * DAY, DAY)).parts;
    assert_eq!(nearness(&parts, at(300 * DAY)), None);
    assert_eq!(nearness(&parts, at(360 * DAY)), Some(Nearness::Days7));
    assert_eq!(nearness(&parts, at(366 * DAY)), Some(Nearness::Ended));
}

#[test]
fn waits_for_sidecars_to_learn_the_next_root() {
    let mut world = World::new(settings(365 * DAY, 120 * DAY));
    assert_eq!(
        world.step(130 * DAY),
        ["RootPublished"],
        "old enough, but not yet known"
    );
    assert!(world.step(189 * DAY).is_empty());
    assert_eq!(world.step(190 * DAY), ["RootActivated", "RootPublished"]);
}

#[test]
fn keeps_a_root_as_long_as_a_sidecar_needs_it() {
    let mut world = World::new(settings(365 * DAY, 120 * DAY));
    let old = world.anchors();
    world.step(0);
    let learned = world.anchors();
    let needs_old = KnownRoots::from_pem(&pem::encode_certificates(&old));
    let knows_next = KnownRoots::from_pem(&pem::encode_certificates(&learned));
    world.known = vec![needs_old, knows_next.clone()];
    assert_eq!(world.step(120 * DAY), ["RootActivated", "RootPublished"]);
    assert!(world.step(122 * DAY).is_empty(), "needed");
    assert!(world.serves(&old, 122 * DAY));
    world.known = vec![knows_next];
    assert_eq!(world.step(123 * DAY), ["RootRemoved"]);
    assert!(!world.serves(&old, 123 * DAY) && world.serves(&learned, 123 * DAY));
    assert_eq!(
        pem::certificates(&world.kept.parts.issuer_chain)
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn keeps_a_root_until_the_last_certificate_under_it_has_ended() {
    let mut world = World::new(settings(365 * DAY, 120 * DAY));
    world.step(0);
    world.step(120 * DAY);
    assert!(
        world.step(121 * DAY).is_empty(),
        "a certificate of yesterday is in use"
    );
    assert_eq!(world.step(121 * DAY + 10), ["RootRemoved"]);
}

#[test]
fn obeys_each_request_once() {
    let mut world = World::new(settings(365 * DAY, 120 * DAY));
    world.wishes.rotate = Some("1".to_owned());
    let steps = world.step(1);
    assert_eq!(steps, ["RootPublished", "RootActivated", "RootPublished"]);
    assert!(world.step(2).is_empty());
    world.wishes.rotate = Some("2".to_owned());
    assert_eq!(world.step(3), ["RootActivated", "RootPublished"]);
    world.wishes.rotate = None;
    assert!(world.step(4).is_empty());
}

#[test]
fn only_asks_and_age_rotate() {
    let mut world = World::new(settings(365 * DAY, 120 * DAY));
    world.settings.by_age = false;
    assert!(world.step(300 * DAY).is_empty());
    world.wishes.rotate = Some("now".to_owned());
    assert_eq!(world.step(300 * DAY + 1).last(), Some(&"RootPublished"));
}

/// An authority as somebody's own tools make it.
fn supplied(name: &str) -> Parts {
    let params = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
    };
    let key = || KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let root = CertifiedIssuer::self_signed(params(name), key()).unwrap();
    // Root and issuer of one name, as the tool of Dapr's documentation makes them.
    let issuer = CertifiedIssuer::signed_by(params(name), key(), &root).unwrap();
    Parts {
        anchors: root.pem().into_bytes(),
        issuer_chain: issuer.pem().into_bytes(),
        issuer_key: Zeroizing::new(issuer.key().serialize_pem().into_bytes()),
    }
}

/// `dapr mtls renew-certificate` replaces all three texts at once.
#[rstest]
#[case::generated(None)]
#[case::brought(Some("corp"))]
fn succeeds_an_authority_that_was_replaced_by_hand(#[case] name: Option<&str>) {
    let mut world = World::new(settings(365 * DAY, 120 * DAY));
    let old = world.anchors();
    world.step(0);
    let generated = || {
        world
            .settings
            .profile
            .generate(at(1), &randomness(90).entropy)
            .unwrap()
    };
    let new = name.map_or_else(generated, supplied);
    world.put(new.clone());
    let steps = world.step(5);
    assert_eq!(steps.first(), Some(&"RootAdopted"), "{steps:?}");
    let new_root = pem::certificates(&new.anchors).unwrap();
    assert_eq!(
        world.anchors()[..1],
        new_root[..],
        "tools look at the first root"
    );
    assert!(world.serves(&new_root, 5) && world.serves(&old, 5));
    assert_eq!(world.kept.parts.issuer_key, new.issuer_key);
    assert!(
        !world.changes.iter().any(Change::is_warning),
        "{:?}",
        world.changes
    );
    let (before, anchors) = (world.kept.parts.clone(), world.anchors().len());
    assert!(world.step(6).is_empty());
    assert_eq!(world.kept.parts, before);
    assert_eq!(
        anchors,
        if name.is_some() { 2 } else { 3 },
        "nobody makes the next root of another's authority"
    );
}

#[test]
fn completes_what_a_release_with_the_same_values_reset() {
    let mut world = World::new(settings(365 * DAY, 120 * DAY));
    let old = world.anchors();
    world.step(0);
    let new = supplied("corp");
    world.put(new.clone());
    world.step(5);
    let complete = world.kept.parts.clone();
    world.put(new);
    assert_eq!(world.step(6), ["TrustBundleCompleted"]);
    assert_eq!(
        world.anchors(),
        pem::certificates(&complete.anchors).unwrap()
    );
    assert!(world.serves(&old, 6));
}

#[test]
fn stays_with_the_new_when_old_values_come_back() {
    let mut world = World::new(settings(365 * DAY, 120 * DAY));
    let old = world.kept.parts.clone();
    world.step(0);
    world.step(120 * DAY);
    let new = world.kept.parts.clone();
    world.put(old);
    assert_eq!(world.step(121 * DAY), ["TrustBundleRestored"]);
    assert_eq!(world.kept.parts, new);
}

#[test]
fn goes_back_where_somebody_wants_to() {
    let mut world = World::new(settings(365 * DAY, 120 * DAY));
    world.step(0);
    let (first, second) = (supplied("one"), supplied("two"));
    for (minute, parts) in [(1, &first), (2, &second), (3, &first), (4, &second)] {
        world.put(parts.clone());
        assert_eq!(world.step(minute), ["RootAdopted"]);
        let root = pem::certificates(&first.anchors).unwrap();
        assert!(world.serves(&root, minute), "{minute}");
    }
}

#[test]
fn never_grows_without_end() {
    let mut world = World::new(settings(365 * DAY, 120 * DAY));
    world.step(0);
    for minute in 1..40 {
        world.put(supplied(&format!("authority {minute}")));
        world.step(minute);
        assert!(
            pem::certificates(&world.kept.parts.issuer_chain)
                .unwrap()
                .len()
                <= 17
        );
    }
    assert!(world.kept.state.unwrap().retired.len() <= 32);
}

#[test]
fn forgets_when_told_to() {
    let mut world = World::new(settings(365 * DAY, 120 * DAY));
    let old = world.anchors();
    world.step(0);
    world.wishes.forget = true;
    let new = supplied("clean");
    world.put(new.clone());
    assert!(world.step(1).is_empty());
    assert_eq!(world.kept.parts, new);
    assert!(!world.serves(&old, 1));
    world.wishes.forget = false;
    world.step(2);
    assert_eq!(world.kept.parts, new, "what was forgotten stays forgotten");
}

#[test]
fn leaves_the_authority_of_others_alone() {
    let mut world = World::new(settings(365 * DAY, 120 * DAY));
    let mut parts = supplied("corp");
    parts.anchors.splice(..0, *b"# ours\n");
    world.put(parts.clone());
    assert!(world.step(0).is_empty());
    world.wishes.rotate = Some("now".to_owned());
    assert_eq!(world.step(1), ["RotationRefused"]);
    assert!(world.step(2).is_empty());
    assert_eq!(world.kept.parts, parts, "to the byte");
}

#[test]
fn remembers_in_text_and_shows_no_key() {
    let mut world = World::new(settings(365 * DAY, 120 * DAY));
    world.step(0);
    world.step(120 * DAY);
    let state = world.kept.state.unwrap();
    let text = state.write().unwrap();
    assert_eq!(State::read(&text).unwrap(), state);
    let shown = format!("{state:?}");
    assert!(
        !shown.contains("PRIVATE") && shown.contains("Parts(..)"),
        "{shown}"
    );
    assert_eq!(State::read(b"{}").unwrap(), State::default());
    assert!(State::read(b"garbage").is_err());
}

#[rstest]
#[case::fresh(0, None)]
#[case::far(304, None)]
#[case::days60(305, Some(Nearness::Days60))]
#[case::days30(335, Some(Nearness::Days30))]
#[case::days7(358, Some(Nearness::Days7))]
#[case::ended(365, Some(Nearness::Ended))]
fn announces_an_end(#[case] day: i64, #[case] expected: Option<Nearness>) {
    let of = |unit| Nearness::of(at(0), at(365 * unit), at(day * unit));
    assert_eq!(of(DAY), expected);
    assert_eq!(
        of(30),
        expected,
        "a short life is measured by its own length"
    );
    let ten_years = Nearness::of(at(0), at(3650 * DAY), at((3285 + day) * DAY));
    assert_eq!(ten_years, expected, "a long one in days");
}
