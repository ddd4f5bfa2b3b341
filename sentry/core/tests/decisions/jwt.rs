//! JWT SVIDs: keys, key sets, tokens.

use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use config::GoDuration;
use jsonwebtoken::{
    DecodingKey, Validation,
    jwk::{Jwk, JwkSet, ThumbprintHash},
};
use rcgen::{KeyPair, PublicKeyData as _, SignatureAlgorithm};
use rstest::rstest;
use sentry_core::jwt::{
    Algorithm, JwtError, KeySetError, Options, Parts, Signer, SigningKeyError, Token, check,
    complete, generate,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::common::now;

const SUBJECT: &str = "spiffe://public/ns/default/myapp";

fn options(algorithm: &str) -> Options {
    Options {
        algorithm: algorithm.parse().unwrap(),
        key_id: None,
        issuer: None,
        ttl: GoDuration::from_secs(7200),
        skew: GoDuration::from_secs(900),
    }
}

fn pem(key: &KeyPair) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(key.serialize_pem().into_bytes())
}

fn parts(key: &KeyPair, algorithm: &str) -> Parts {
    complete(pem(key), &options(algorithm)).unwrap()
}

fn sign(signer: &Signer, audiences: &[&str]) -> String {
    let token = Token {
        subject: SUBJECT,
        audiences,
        id: [0xab; 16],
    };
    signer.sign(&token, now()).unwrap()
}

fn section(token: &str, index: usize) -> Value {
    let text = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

fn only(signer: &Signer) -> Value {
    let set: Value = serde_json::from_str(signer.key_set()).unwrap();
    assert_eq!(set["keys"].as_array().unwrap().len(), 1);
    set["keys"][0].clone()
}

#[rstest]
#[case::rs256(&rcgen::PKCS_RSA_SHA256, "RS256")]
#[case::rs384(&rcgen::PKCS_RSA_SHA256, "RS384")]
#[case::rs512(&rcgen::PKCS_RSA_SHA256, "RS512")]
#[case::ps256(&rcgen::PKCS_RSA_SHA256, "PS256")]
#[case::ps384(&rcgen::PKCS_RSA_SHA256, "PS384")]
#[case::ps512(&rcgen::PKCS_RSA_SHA256, "PS512")]
#[case::es256(&rcgen::PKCS_ECDSA_P256_SHA256, "ES256")]
#[case::es384(&rcgen::PKCS_ECDSA_P384_SHA384, "ES384")]
#[case::eddsa(&rcgen::PKCS_ED25519, "EdDSA")]
fn verifiers_accept_its_tokens(#[case] kind: &'static SignatureAlgorithm, #[case] algorithm: &str) {
    let key = KeyPair::generate_for(kind).unwrap();
    let signer = Signer::load(&parts(&key, algorithm), options(algorithm)).unwrap();
    let token = sign(&signer, &["public"]);
    let set: JwkSet = serde_json::from_str(signer.key_set()).unwrap();
    let header = jsonwebtoken::decode_header(&token).unwrap();
    let found = set.find(header.kid.as_ref().unwrap()).unwrap();
    let mut validation = Validation::new(algorithm.parse().unwrap());
    validation.validate_exp = false;
    validation.set_audience(&["public"]);
    let verifier = DecodingKey::from_jwk(found).unwrap();
    jsonwebtoken::decode::<Value>(&token, &verifier, &validation).unwrap();
    let foreign = KeyPair::generate_for(kind).unwrap();
    let foreign = Signer::load(&parts(&foreign, algorithm), options(algorithm)).unwrap();
    let forged = sign(&foreign, &["public"]);
    assert!(jsonwebtoken::decode::<Value>(&forged, &verifier, &validation).is_err());
}

#[test]
fn verifiers_accept_its_es512_tokens() {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
    let signer = Signer::load(&parts(&key, "ES512"), options("ES512")).unwrap();
    let token = sign(&signer, &["public"]);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, key.der_bytes())
        .verify(message.as_bytes(), &signature)
        .unwrap();
}

#[rstest]
#[case::rsa(&rcgen::PKCS_RSA_SHA256, &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])]
#[case::p256(&rcgen::PKCS_ECDSA_P256_SHA256, &["ES256"])]
#[case::p384(&rcgen::PKCS_ECDSA_P384_SHA384, &["ES384"])]
#[case::p521(&rcgen::PKCS_ECDSA_P521_SHA512, &["ES512"])]
#[case::ed25519(&rcgen::PKCS_ED25519, &["EdDSA"])]
fn each_kind_of_key_has_its_algorithms(
    #[case] kind: &'static SignatureAlgorithm,
    #[case] fitting: &[&str],
) {
    let key = KeyPair::generate_for(kind).unwrap();
    let parts = parts(&key, fitting[0]);
    for algorithm in [
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
    ] {
        let loaded = Signer::load(&parts, options(algorithm));
        assert_eq!(loaded.is_ok(), fitting.contains(&algorithm), "{algorithm}");
        if let Err(error) = loaded {
            assert!(matches!(error, JwtError::Unfit { .. }), "{error}");
        }
    }
    assert!("HS256".parse::<Algorithm>().is_err() && "none".parse::<Algorithm>().is_err());
}

#[test]
fn says_what_dapr_says() {
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let signer = Signer::load(&parts(&key, "EdDSA"), options("EdDSA")).unwrap();
    let (token, jwk) = (sign(&signer, &["public", "a", "a"]), only(&signer));
    let header = json!({"alg": "EdDSA", "typ": "JWT", "kid": jwk["kid"]});
    assert_eq!(section(&token, 0), header);
    let at = now().as_second();
    let claims = json!({
        "sub": SUBJECT, "aud": ["public", "a", "a"], "use": "sig", "jti": "ab".repeat(16),
        "iat": at, "nbf": at - 900, "exp": at + 7200,
    });
    assert_eq!(section(&token, 1), claims);
    assert_eq!(section(&sign(&signer, &["one"]), 1)["aud"], json!(["one"]));
}

#[rstest]
#[case::none(None, json!(null))]
#[case::empty(Some(""), json!(""))]
#[case::given(Some("https://a"), json!("https://a"))]
fn names_the_issuer_if_one_is_given(#[case] issuer: Option<&str>, #[case] expected: Value) {
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let options = Options {
        issuer: issuer.map(str::to_owned),
        ..options("EdDSA")
    };
    let signer = Signer::load(&parts(&key, "EdDSA"), options).unwrap();
    let claims = section(&sign(&signer, &["a"]), 1);
    assert_eq!(
        (claims.get("iss").is_some(), &claims["iss"]),
        (issuer.is_some(), &expected)
    );
}

#[test]
fn names_a_key_by_its_thumbprint_in_padded_base64() {
    for (kind, algorithm) in [
        (&rcgen::PKCS_RSA_SHA256, "RS256"),
        (&rcgen::PKCS_ECDSA_P521_SHA512, "ES512"),
        (&rcgen::PKCS_ED25519, "EdDSA"),
    ] {
        let key = KeyPair::generate_for(kind).unwrap();
        let signer = Signer::load(&parts(&key, algorithm), options(algorithm)).unwrap();
        let members = only(&signer);
        let jwk: Jwk = serde_json::from_value(members.clone()).unwrap();
        let expected = jwk.thumbprint(ThumbprintHash::SHA256).unwrap();
        let expected = STANDARD.encode(URL_SAFE_NO_PAD.decode(expected).unwrap());
        assert_eq!(members["kid"], expected);
        assert_eq!(
            (&members["alg"], &members["use"]),
            (&json!(algorithm), &json!("sig"))
        );
    }
}

#[test]
fn generates_a_key_that_it_can_load() {
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let options = Options {
        key_id: Some("mine".to_owned()),
        ..options("RS256")
    };
    let parts = generate(&key.serialize_der(), &options).unwrap();
    assert!(parts.key.starts_with(b"-----BEGIN PRIVATE KEY-----\n"));
    check(&parts, Some("mine")).unwrap();
    let signer = Signer::load(&parts, options).unwrap();
    assert_eq!(only(&signer)["kid"], "mine");
    assert_eq!(section(&sign(&signer, &["a"]), 0)["kid"], "mine");
}

#[test]
fn publishes_nothing_private() {
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let mut parts = parts(&key, "EdDSA");
    let mut set: Value = serde_json::from_slice(&parts.key_set).unwrap();
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        set["keys"][0][name] = json!("secret");
    }
    set["keys"][0]["x5u"] = json!("https://a");
    let shared = json!({"kty": "oct", "kid": "shared", "k": "secret"});
    set["keys"].as_array_mut().unwrap().push(shared);
    parts.key_set = set.to_string().into_bytes();
    let signer = Signer::load(&parts, options("EdDSA")).unwrap();
    assert!(!signer.key_set().contains("secret"), "{}", signer.key_set());
    assert!(signer.key_set().contains("https://a"));
    let shown = format!("{parts:?} {signer:?}");
    assert!(
        shown.contains("SigningKey(..)") && !shown.contains("secret"),
        "{shown}"
    );
}

#[test]
fn refuses_a_set_that_verifiers_could_not_use() {
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let other = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let (own, foreign) = (parts(&key, "EdDSA"), parts(&other, "EdDSA"));
    let refused = |key_set: &[u8], key_id| {
        let parts = Parts {
            key: pem(&key),
            key_set: key_set.to_vec(),
        };
        match check(&parts, key_id).unwrap_err() {
            JwtError::KeySet(error) => error,
            error => unreachable!("{error}"),
        }
    };
    assert!(matches!(refused(b"", None), KeySetError::Malformed(_)));
    assert!(matches!(refused(b"{}", None), KeySetError::Malformed(_)));
    assert!(matches!(
        refused(br#"{"keys":[]}"#, None),
        KeySetError::Empty
    ));
    assert!(matches!(
        refused(&foreign.key_set, None),
        KeySetError::Missing
    ));
    let encrypts = String::from_utf8(own.key_set.clone()).unwrap();
    let encrypts = encrypts.replace("\"sig\"", "\"enc\"");
    assert!(matches!(
        refused(encrypts.as_bytes(), None),
        KeySetError::Missing
    ));
    assert!(matches!(
        refused(&own.key_set, Some("x")),
        KeySetError::NoSuchId(_)
    ));
    let set: Value = serde_json::from_slice(&foreign.key_set).unwrap();
    let id = set["keys"][0]["kid"].as_str();
    assert!(matches!(
        refused(&foreign.key_set, id),
        KeySetError::OtherKey(_)
    ));
}

#[test]
fn refuses_what_is_no_key() {
    for text in ["", "hello"] {
        let parts = Parts {
            key: Zeroizing::new(text.into()),
            key_set: br#"{"keys":[]}"#.to_vec(),
        };
        assert!(matches!(
            check(&parts, None),
            Err(JwtError::Key(SigningKeyError::Pem(_)))
        ));
    }
    let garbage = sentry_core::pem::encode("PRIVATE KEY", b"hello");
    let error = complete(Zeroizing::new(garbage.into()), &options("RS256")).unwrap_err();
    assert!(matches!(error, JwtError::Key(SigningKeyError::Unsupported)));
}
