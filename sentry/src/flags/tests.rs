//! What flags mean together.

use super::*;

fn flags(args: &[&str]) -> Flags {
    let args = ["sentry"].iter().chain(args).map(Into::into);
    config::args::parse_from(args).unwrap()
}

#[test]
fn takes_what_the_harness_passes() {
    let flags = flags(&[
        "-log-level=info",
        "-port=1",
        "-issuer-ca-filename=ca.crt",
        "-issuer-certificate-filename=issuer.crt",
        "-issuer-key-filename=issuer.key",
        "-metrics-port=2",
        "-metrics-listen-address=127.0.0.1",
        "-healthz-port=3",
        "-healthz-listen-address=127.0.0.1",
        "-listen-address=127.0.0.1",
        "-issuer-credentials=/tmp/x",
        "-trust-domain=integration.test.dapr.io",
        "-mode=kubernetes",
        "-kubeconfig=/tmp/kubeconfig",
        "-config=/tmp/config.yaml",
        "-oidc-allowed-hosts=a,b",
    ]);
    flags.check().unwrap();
    assert_eq!(flags.mode().unwrap(), Mode::Kubernetes);
    assert_eq!(flags.paths().anchors, Path::new("/tmp/x/ca.crt"));
    assert_eq!(flags.paths().names().unwrap().issuer_key, "issuer.key");
    assert_eq!(flags.oidc.oidc_allowed_hosts, ["a", "b"]);
}

#[test]
fn obeys_absolute_names() {
    let flags = flags(&["--issuer-key-filename", "/keys/tls.key"]);
    assert_eq!(flags.paths().issuer_key, Path::new("/keys/tls.key"));
    assert_eq!(flags.paths().names().unwrap().issuer_key, "tls.key");
}

#[test]
fn obeys_names_of_tokens_only_if_absolute() {
    let flags = flags(&["-jwt-key-filename=/keys/k", "-jwks-filename=other.json"]);
    assert_eq!(flags.paths().jwt_key, Path::new("/keys/k"));
    let key_set = flags.paths().key_set;
    assert_eq!(key_set, flags.issuer_credentials.join("jwks.json"));
    assert!(flags.tokens(GoDuration::default()).unwrap().is_none());
}

#[test]
fn tells_no_issuer_from_an_empty_one() {
    let options = |args: &[&str]| flags(args).tokens(GoDuration::default()).unwrap();
    let none = options(&["-jwt-enabled"]).unwrap();
    assert_eq!((none.issuer, none.algorithm), (None, jwt::Algorithm::Rs256));
    let empty = options(&["-jwt-enabled=true", "-jwt-issuer=", "-jwt-ttl=2h"]).unwrap();
    assert_eq!(empty.issuer.as_deref(), Some(""));
    assert_eq!(empty.ttl, GoDuration::from_secs(7200));
    let unknown = flags(&["-jwt-enabled", "-jwt-signing-algorithm=HS256"]);
    let error = unknown.tokens(GoDuration::default()).unwrap_err();
    assert!(matches!(error, FlagError::Algorithm(_)));
}

#[test]
fn serves_oidc_only_with_tokens() {
    let tls = [
        "-oidc-enabled",
        "-oidc-server-tls-cert-file=c",
        "-oidc-server-tls-key-file=k",
    ];
    assert!(flags(&tls).oidc().unwrap().is_none());
    let args = [
        &tls[..],
        &["-jwt-enabled", "-oidc-server-tls-enabled=false"],
    ]
    .concat();
    assert!(flags(&args).oidc().unwrap().unwrap().tls);
    let plain = [
        "-oidc-enabled",
        "-jwt-enabled",
        "-oidc-server-tls-enabled=false",
    ];
    flags(&plain).check().unwrap();
    assert!(!flags(&plain).oidc().unwrap().unwrap().tls);
    let prefix = [&plain[..], &["-oidc-path-prefix=auth"]].concat();
    assert!(matches!(flags(&prefix).oidc(), Err(FlagError::Prefix(_))));
}

#[test]
fn refuses_what_does_not_fit() {
    assert!(matches!(
        flags(&["-mode=docker"]).mode(),
        Err(FlagError::Mode(_))
    ));
    let no_certificate = flags(&["-oidc-enabled"]);
    assert!(matches!(
        no_certificate.check(),
        Err(FlagError::OidcCertificate)
    ));
    let no_jwt = flags(&["-jwt-issuer="]);
    assert!(matches!(no_jwt.check(), Err(FlagError::JwtIssuer)));
    let half = flags(&["-oidc-server-tls-key-file=x"]);
    assert!(matches!(half.check(), Err(FlagError::OidcPair)));
}

#[test]
fn wants_a_root_to_outlive_its_turn() {
    for (lifetime, interval, fits) in [
        ("8760h", "2920h", true),
        ("30m", "10m", true),
        ("20m", "10m", true),
        ("20m", "11m", false),
        ("20m", "0s", false),
        ("-1h", "-2h", false),
    ] {
        let lifetime = format!("-root-lifetime={lifetime}");
        let interval = format!("-root-rotation-interval={interval}");
        let checked = flags(&[&lifetime, &interval, "-root-rotation=false"]).check();
        assert_eq!(checked.is_ok(), fits, "{lifetime} {interval}");
    }
    flags(&[]).check().unwrap();
}
