//! Tokens of a known key set, good and bad.

use base64::{Engine, engine::general_purpose::STANDARD};
use identity_core::SpiffeId;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use proptest::prelude::*;
use rstest::rstest;
use sentry_core::{
    key,
    validator::{
        Claim, Grant, Refusal,
        jwks::{Flaw, KeySet, validate},
    },
};
use serde_json::{Value, json};

use crate::common::now;

const CLAIM: Claim<'_> = Claim {
    app_id: "myapp",
    namespace: "default",
    trust_domain: "",
    signing_request: b"csr",
};
type Change = fn(&mut Value);

const SUBJECT: &str = "spiffe://public/ns/default/myapp";
const SENTRY: &str = "spiffe://localhost/ns/default/dapr-sentry";

fn signing_key(seed: u8) -> EncodingKey {
    EncodingKey::from_ed_der(&key::ed25519_pkcs8(&[seed; 32]))
}

fn set(change: impl FnOnce(&mut Value)) -> Value {
    let jwk = Jwk::from_encoding_key(&signing_key(1), Algorithm::EdDSA).unwrap();
    let mut jwk = serde_json::to_value(jwk).unwrap();
    jwk["kid"] = json!("mykey");
    change(&mut jwk);
    json!({"keys": [jwk]})
}

fn keys(change: impl FnOnce(&mut Value)) -> KeySet {
    KeySet::parse(set(change).to_string().as_bytes()).unwrap()
}

fn claims() -> Value {
    let at = now().as_second();
    json!({"sub": SUBJECT, "aud": [SENTRY], "iat": at, "exp": at + 3600})
}

fn token(header: &Header, claims: &Value, seed: u8) -> String {
    encode(header, claims, &signing_key(seed)).unwrap()
}

fn header() -> Header {
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some("mykey".to_owned());
    header
}

fn ask(claim: &Claim<'_>, token: &str, keys: &KeySet) -> Result<Grant, Refusal> {
    validate(claim, token, keys, &SpiffeId::new(SENTRY).unwrap(), now())
}

fn with(name: &str, value: Value) -> Result<Grant, Refusal> {
    let mut claims = claims();
    claims[name] = value;
    ask(&CLAIM, &token(&header(), &claims, 1), &keys(|_| ()))
}

#[test]
fn grants_the_domain_that_the_subject_names() {
    let grant = ask(&CLAIM, &token(&header(), &claims(), 1), &keys(|_| ())).unwrap();
    assert_eq!(grant.trust_domain.as_str(), "public");
    assert!(grant.images.is_empty());
    let (mut claims, mut claim) = (claims(), CLAIM);
    claims["sub"] = json!("spiffe://corp/ns/default/myapp");
    claim.trust_domain = "corp";
    let grant = ask(&claim, &token(&header(), &claims, 1), &keys(|_| ())).unwrap();
    assert_eq!(grant.trust_domain.as_str(), "corp");
}

#[rstest]
#[case::audience("aud", json!(["invalid"]), Some("\"aud\""))]
#[case::no_audience("aud", json!(null), Some("\"aud\""))]
#[case::one_audience("aud", json!(SENTRY), None)]
#[case::second_audience("aud", json!(["other", SENTRY]), None)]
#[case::subject("sub", json!("invalid"), Some("\"sub\""))]
#[case::no_subject("sub", json!(null), Some("\"sub\""))]
#[case::expired("exp", json!(now().as_second() - 3600), Some("\"exp\""))]
#[case::just_expired("exp", json!(now().as_second() - 299), None)]
#[case::endless("exp", json!(null), None)]
#[case::early("nbf", json!(now().as_second() + 3600), Some("\"nbf\""))]
#[case::a_little_early("nbf", json!(now().as_second() + 299), None)]
#[case::from_the_future("iat", json!(now().as_second() + 301), Some("\"iat\""))]
#[case::fraction("iat", json!(1.5), None)]
#[case::no_time("exp", json!("soon"), Some("failed to parse token"))]
fn judges_claims(#[case] name: &str, #[case] value: Value, #[case] refused: Option<&str>) {
    match (with(name, value), refused) {
        (Ok(_), None) => (),
        (Err(refusal), Some(text)) => {
            let message = refusal.to_string();
            assert!(message.contains("token validation failed"), "{message}");
            assert!(message.contains(text), "{message}");
        }
        (answer, _) => unreachable!("{answer:?}"),
    }
}

#[test]
fn needs_a_signature_of_a_key_of_the_set() {
    let good = token(&header(), &claims(), 1);
    let nameless = token(&Header::new(Algorithm::EdDSA), &claims(), 1);
    let mut critical = header();
    critical.crit = Some(vec!["b64".to_owned()]);
    let forged = token(&header(), &claims(), 2);
    let (head, _) = good.split_once('.').unwrap();
    let cases: [(&str, Change); 8] = [
        (&forged, |_| ()),
        (&nameless, |_| ()),
        (&token(&critical, &claims(), 1), |_| ()),
        (&good, |key| key["kid"] = json!("other")),
        (&good, |key| key["use"] = json!("enc")),
        (&good, |key| key["alg"] = json!("RS256")),
        ("not.a.token", |_| ()),
        (&format!("{head}.e30."), |_| ()),
    ];
    for (token, change) in cases {
        let refusal = ask(&CLAIM, token, &keys(change)).unwrap_err();
        assert_eq!(refusal, Refusal::Jwt(Flaw::Signature), "{token}");
        assert!(refusal.to_string().contains("could not verify message"));
    }
}

#[test]
fn does_not_confuse_kinds_of_keys() {
    let secret = STANDARD.encode([7; 32]);
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("mykey".to_owned());
    let key = EncodingKey::from_base64_secret(&secret).unwrap();
    let token = encode(&header, &claims(), &key).unwrap();
    assert_eq!(
        ask(&CLAIM, &token, &keys(|_| ())),
        Err(Refusal::Jwt(Flaw::Signature))
    );
}

#[test]
fn looks_at_the_claim_before_the_signature() {
    let mut claim = CLAIM;
    assert_eq!(ask(&claim, "", &keys(|_| ())), Err(Refusal::NoToken));
    claim.app_id = "a.b";
    assert!(matches!(
        ask(&claim, "x", &keys(|_| ())),
        Err(Refusal::Malformed(_))
    ));
    claim.app_id = "a:b";
    assert!(matches!(
        ask(&claim, "x", &keys(|_| ())),
        Err(Refusal::Subject(_))
    ));
}

#[test]
fn reads_a_set_however_it_was_pasted() {
    let (set, alone) = (set(|_| ()), set(|_| ())["keys"][0].to_string());
    let encoded = STANDARD.encode(set.to_string());
    let expected = keys(|_| ());
    for text in [
        &set.to_string(),
        &alone,
        &encoded,
        encoded.trim_end_matches('='),
    ] {
        assert_eq!(KeySet::inline(text).unwrap(), expected, "{text}");
    }
    for text in ["", "{}", "[]", "aGVsbG8="] {
        assert!(KeySet::inline(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn no_token_and_no_set_panics(token in ".{0,80}", set in proptest::collection::vec(any::<u8>(), 0..80)) {
        prop_assert!(ask(&CLAIM, &token, &keys(|_| ())).is_err());
        let _ = KeySet::parse(&set);
    }
}
