//! What tokens are made from: where it comes from, where it goes, and what callers get.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use config::GoDuration;
use proto::sentry::v1::ca_server::Ca as _;
use sentry::{
    authority::{Authority, AuthorityError},
    metrics::Metrics,
    owner::Owner,
    store::StoreError,
};
use sentry_core::{
    jwt::{JwtError, Options},
    settings::Method,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::{Code, Request};

use crate::{
    api::Api,
    authority::{CONFIG_MAP, SECRET, api, empty, files, open_as, owner},
    server::{request, signer_of},
};

pub(crate) fn tokens() -> Owner {
    Owner {
        tokens: Some(Options {
            algorithm: "RS256".parse().unwrap(),
            key_id: None,
            issuer: Some("https://issuer".to_owned()),
            ttl: GoDuration::from_secs(7200),
            skew: GoDuration::from_secs(900),
        }),
        ..owner()
    }
}

async fn open(api: &Api, owner: Owner) -> Result<Authority, AuthorityError> {
    open_as(api, owner).await
}

fn claims(token: &str) -> Value {
    let text = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

#[tokio::test]
async fn fills_a_secret_and_publishes_only_the_set() {
    let api = api(empty(), empty());
    let authority = open(&api, tokens()).await.unwrap();
    let (secret, copy) = (api.get(SECRET), api.get(CONFIG_MAP));
    assert!(secret["data"]["jwt.key"].is_string() && secret["data"]["jwks.json"].is_string());
    assert!(copy["data"].get("jwt.key").is_none());
    let signer = authority.tokens().unwrap();
    assert_eq!(copy["data"]["jwks.json"], signer.key_set());
    let again = open(&api, tokens()).await.unwrap();
    assert_eq!(again.tokens().unwrap().key_set(), signer.key_set());
    assert!(open(&api, owner()).await.unwrap().tokens().is_none());
}

#[tokio::test]
async fn makes_the_set_of_a_key_that_has_none() {
    let api = api(empty(), empty());
    let first = open(&api, tokens()).await.unwrap();
    let mut secret = api.get(SECRET);
    let key = secret["data"]["jwt.key"].clone();
    secret["data"].as_object_mut().unwrap().remove("jwks.json");
    api.put(SECRET, secret);
    let second = open(&api, tokens()).await.unwrap();
    assert_eq!(api.get(SECRET)["data"]["jwt.key"], key);
    assert_eq!(
        first.tokens().unwrap().key_set(),
        second.tokens().unwrap().key_set()
    );
}

#[tokio::test]
async fn names_the_key_that_a_set_lacks() {
    let api = api(empty(), empty());
    open(&api, tokens()).await.unwrap();
    let mut secret = api.get(SECRET);
    secret["data"].as_object_mut().unwrap().remove("jwt.key");
    api.put(SECRET, secret);
    let error = open(&api, tokens()).await.unwrap_err();
    let AuthorityError::Store(StoreError::Incomplete(incomplete)) = error else {
        unreachable!("{error}");
    };
    assert_eq!(incomplete.missing, ["jwt.key"]);
    open(&api, owner()).await.unwrap();
}

#[tokio::test]
async fn restores_a_key_that_was_removed_while_in_use() {
    let api = api(empty(), empty());
    let authority = open(&api, tokens()).await.unwrap();
    let key_set = authority.tokens().unwrap().key_set().to_owned();
    api.put(SECRET, empty());
    assert!(!authority.reload().await.unwrap());
    let restored = open(&api, tokens()).await.unwrap();
    assert_eq!(restored.tokens().unwrap().key_set(), key_set);
}

#[tokio::test]
async fn checks_files_even_where_tokens_are_off() {
    let folder = TempDir::new().unwrap();
    let open =
        async |owner: Owner| Authority::open(files(&folder), owner, Metrics::default()).await;
    open(tokens()).await.unwrap();
    open(owner()).await.unwrap();
    let set = folder.path().join("jwks.json");
    for (text, owner) in [("", owner()), ("{\"keys\":[]}", owner()), ("", tokens())] {
        std::fs::write(&set, text).unwrap();
        let error = open(owner).await.unwrap_err();
        assert!(
            matches!(error, AuthorityError::Jwt(JwtError::KeySet(_))),
            "{error}"
        );
    }
    std::fs::remove_file(&set).unwrap();
    open(owner()).await.unwrap();
    assert!(!set.exists());
    std::fs::write(folder.path().join("jwt.key"), "garbage").unwrap();
    let error = open(owner()).await.unwrap_err();
    assert!(matches!(error, AuthorityError::Jwt(JwtError::Key(_))));
}

#[tokio::test]
async fn refuses_to_generate_a_key_that_could_not_sign() {
    let mut owner = tokens();
    owner.tokens.as_mut().unwrap().algorithm = "ES256".parse().unwrap();
    let api = api(empty(), empty());
    let error = open(&api, owner).await.unwrap_err();
    assert!(matches!(error, AuthorityError::Jwt(JwtError::Unfit { .. })));
    assert!(api.writes().is_empty());
}

#[tokio::test]
async fn answers_with_a_token_for_all_audiences_and_one_for_each() {
    let folder = TempDir::new().unwrap();
    let signer = signer_of(&folder, Some(Method::Insecure), tokens()).await;
    let mut asked = request();
    asked.jwt_audiences = vec!["a".to_owned(), "b".to_owned()];
    let answer = signer.sign_certificate(Request::new(asked)).await.unwrap();
    let answer = answer.into_inner();
    let all = claims(&answer.jwt.unwrap());
    assert_eq!(all["aud"], json!(["public", "a", "b"]));
    assert_eq!(all["sub"], "spiffe://public/ns/default/myapp");
    assert_eq!(all["iss"], "https://issuer");
    assert_eq!(answer.per_audience_jwts.len(), 3);
    for (audience, token) in &answer.per_audience_jwts {
        let one = claims(token);
        assert_eq!(one["aud"], json!([audience]));
        assert_ne!(one["jti"], all["jti"]);
    }
}

#[tokio::test]
async fn refuses_endless_audiences() {
    let folder = TempDir::new().unwrap();
    let signer = signer_of(&folder, Some(Method::Insecure), tokens()).await;
    let mut asked = request();
    asked.jwt_audiences = vec!["a".to_owned(); 101];
    let status = signer.sign_certificate(Request::new(asked)).await;
    assert_eq!(status.unwrap_err().code(), Code::InvalidArgument);
}
