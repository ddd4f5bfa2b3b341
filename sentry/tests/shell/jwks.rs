//! Where the key set comes from: a server, a file, the Configuration.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{Router, response::Redirect, routing::get};
use identity::Listener;
use identity_core::SpiffeId;
use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use sentry::{
    jwks::{Jwks, JwksError},
    random,
};
use sentry_core::{
    key,
    key_source::KeySource,
    validator::{Claim, Refusal},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const SENTRY: &str = "spiffe://localhost/ns/default/dapr-sentry";

/// An issuer of tokens and its key set.
struct Issuer {
    token: String,
    set: String,
}

fn issuer() -> Issuer {
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
    let key = EncodingKey::from_ed_der(&key::ed25519_pkcs8(&random::seed().unwrap()));
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some("k".to_owned());
    let claims = json!({"sub": "spiffe://public/ns/default/myapp", "aud": SENTRY,
        "exp": Timestamp::now().as_second() + 60});
    let mut jwk: Value =
        serde_json::to_value(Jwk::from_encoding_key(&key, Algorithm::EdDSA).unwrap()).unwrap();
    jwk["kid"] = json!("k");
    Issuer {
        token: encode(&header, &claims, &key).unwrap(),
        set: json!({"keys": [jwk]}).to_string(),
    }
}

fn options(source: &str, ca_certificate: &str) -> KeySource {
    let options = [("source", source), ("cacertificate", ca_certificate)];
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    KeySource::read(&options.into_iter().map(own).collect::<BTreeMap<_, _>>()).unwrap()
}

fn ask(jwks: &Jwks, token: &str) -> Result<(), Refusal> {
    let claim = Claim {
        app_id: "myapp",
        namespace: "default",
        trust_domain: "",
        signing_request: b"csr",
    };
    jwks.validate(&claim, token).map(|_| ())
}

async fn open(options: KeySource) -> Result<Jwks, JwksError> {
    let opened = Jwks::open(options, SpiffeId::new(SENTRY).unwrap()).await;
    opened.map(|(jwks, _)| jwks)
}

/// Serves on a free port of `localhost`; with TLS if a configuration is given.
pub(crate) async fn serve(routes: Router, tls: Option<Arc<ServerConfig>>) -> u16 {
    let listener = Listener::bind(&["127.0.0.1:0".parse().unwrap()], tls)
        .await
        .unwrap();
    let port = listener.address().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    port
}

/// A certificate of `localhost` under a root of its own, which comes as PEM.
fn certificate() -> (Arc<ServerConfig>, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let leaf = params.signed_by(&key, &root).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    (Arc::new(config), root.pem())
}

fn routes(set: &str) -> Router {
    let set = set.to_owned();
    Router::new()
        .route("/keys", get(async || set))
        .route("/moved", get(async || Redirect::temporary("/keys")))
        .route("/round", get(async || Redirect::temporary("/round")))
        .route("/page", get(async || "hello"))
}

#[tokio::test]
async fn believes_the_set_of_the_configuration_and_no_other() {
    let (own, other) = (issuer(), issuer());
    let jwks = open(options(&own.set, "")).await.unwrap();
    ask(&jwks, &own.token).unwrap();
    let refusal = ask(&jwks, &other.token).unwrap_err();
    assert!(refusal.to_string().contains("could not verify message"));
    assert!(matches!(
        open(options("", "")).await,
        Err(JwksError::NoSource)
    ));
    let nonsense = open(options("/no/such/file", "")).await;
    assert!(matches!(nonsense, Err(JwksError::Inline(_))));
}

#[tokio::test]
async fn fetches_from_servers_it_can_trust() {
    identity::install_crypto_provider();
    let (issuer, (tls, root)) = (issuer(), certificate());
    let port = serve(routes(&issuer.set), Some(tls)).await;
    let url = |path: &str| format!("https://localhost:{port}{path}");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, &root).unwrap();
    for (path, ca) in [
        ("/keys", root.as_str()),
        ("/moved", &root),
        ("/keys", file.to_str().unwrap()),
    ] {
        let jwks = open(options(&url(path), ca)).await.unwrap();
        ask(&jwks, &issuer.token).unwrap();
    }
    let (_, foreign) = certificate();
    for (path, ca) in [
        ("/keys", ""),
        ("/keys", foreign.as_str()),
        ("/keys", "/no/such/file"),
        ("/page", &root),
        ("/lost", &root),
        ("/round", &root),
    ] {
        let answer = open(options(&url(path), ca)).await;
        assert!(
            matches!(answer, Err(JwksError::Fetch(..))),
            "{path} {answer:?}"
        );
    }
}

#[tokio::test]
async fn gives_up_on_a_silent_server() {
    let silent = Router::new().route("/", get(std::future::pending::<()>));
    let port = serve(silent, None).await;
    let mut options = options(&format!("http://localhost:{port}/"), "");
    options.timeout = Duration::from_millis(50);
    let error = open(options).await.unwrap_err();
    let JwksError::Fetch(_, cause) = error else {
        unreachable!("{error}");
    };
    assert!(cause.to_string().contains("within 50ms"), "{cause}");
}

#[tokio::test]
async fn follows_a_file_and_outlives_its_errors() {
    let (old, new, folder) = (issuer(), issuer(), TempDir::new().unwrap());
    let file = folder.path().join("keys.json");
    std::fs::write(&file, &old.set).unwrap();
    let options = options(file.to_str().unwrap(), "");
    let (jwks, refresher) = Jwks::open(options, SpiffeId::new(SENTRY).unwrap())
        .await
        .unwrap();
    let stopping = CancellationToken::new();
    let running = tokio::spawn(refresher.run(stopping.clone()));
    ask(&jwks, &old.token).unwrap();
    std::fs::write(&file, "garbage").unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    ask(&jwks, &old.token).unwrap();
    std::fs::write(&file, &new.set).unwrap();
    let followed = async {
        while ask(&jwks, &new.token).is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), followed)
        .await
        .unwrap();
    assert!(ask(&jwks, &old.token).is_err());
    stopping.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn renews_a_fetched_set() {
    let (old, new) = (issuer(), issuer());
    let served = Arc::new(arc_swap::ArcSwap::from_pointee(old.set.clone()));
    let answer = Arc::clone(&served);
    let routes = Router::new().route("/", get(async move || answer.load().to_string()));
    let port = serve(routes, None).await;
    let mut options = options(&format!("http://localhost:{port}/"), "");
    options.min_refresh = Duration::from_millis(30);
    let (jwks, refresher) = Jwks::open(options, SpiffeId::new(SENTRY).unwrap())
        .await
        .unwrap();
    tokio::spawn(refresher.run(CancellationToken::new()));
    ask(&jwks, &old.token).unwrap();
    served.store(Arc::new(new.set.clone()));
    let renewed = async {
        while ask(&jwks, &new.token).is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), renewed)
        .await
        .unwrap();
}
