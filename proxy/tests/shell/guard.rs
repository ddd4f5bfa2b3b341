use std::time::Duration;

use proxy::guard::{self, OwnToken, TokenFile};
use rstest::rstest;
use tokio_util::sync::CancellationToken;

use crate::{
    backend::{Backend, nobody},
    client::{Caller, Http},
    setup::{before, guarding, no_end, open_guard, until},
};

const GRPC: (&str, &str) = ("content-type", "application/grpc");
const PUBLISH: &str = "/dapr.proto.runtime.v1.Dapr/PublishEvent";

/// A guard that wants the tokens of a file, before a daprd that wants `own`.
async fn tokens(text: &str, own: &str) -> (Backend, Caller, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let tokens = TokenFile::new(vec![file.path().into()], Duration::from_mins(1));
    tokio::spawn(tokens.clone().follow(CancellationToken::new()));
    let settings = guard::Settings {
        tokens: Some(tokens),
        own: OwnToken::default(),
        ..open_guard()
    };
    settings.own.set(own);
    let daprd = Backend::echo().await;
    let address = guarding(settings, daprd.address, no_end()).await;
    let caller = Caller::new(address, Http::Two);
    let first = text.lines().next().unwrap_or_default().to_owned();
    until("reading the tokens", async || {
        caller
            .call("GET", "/probe", &[("dapr-api-token", &first)], "")
            .await
            .status
            == 207
    })
    .await;
    (daprd, caller, file)
}

#[tokio::test]
async fn nobody_passes_without_a_token() {
    let (daprd, caller, _file) = tokens("right", "").await;
    let before = daprd.asked().len();
    for headers in [
        &[][..],
        &[("dapr-api-token", "wrong")],
        &[("dapr-api-token", "")],
    ] {
        assert_eq!(
            caller
                .call("POST", "/v1.0/publish/a/b", headers, "")
                .await
                .status,
            401
        );
        let headers = [headers, &[GRPC]].concat();
        let answer = caller.call("POST", PUBLISH, &headers, "").await;
        assert_eq!(
            (answer.status.as_u16(), &answer.headers["grpc-status"]),
            (200, &"16".parse().unwrap())
        );
    }
    assert_eq!(daprd.asked().len(), before, "daprd saw nothing of it");
}

#[tokio::test]
async fn health_needs_no_token() {
    let (_daprd, caller, _file) = tokens("right", "").await;
    assert_eq!(caller.get("/v1.0/healthz").await.status, 207);
    assert_eq!(caller.get("/v1.0/healthz/outbound").await.status, 207);
    assert_eq!(caller.get("/v1.0/metadata").await.status, 401);
}

#[rstest]
#[case::its_own("of daprd", Some("of daprd"))]
#[case::none("", None)]
#[tokio::test]
async fn daprd_sees_its_own_token_or_none(#[case] own: &str, #[case] seen: Option<&str>) {
    let (daprd, caller, _file) = tokens("right", own).await;
    caller
        .call("POST", PUBLISH, &[GRPC, ("dapr-api-token", "right")], "")
        .await;
    let asked = daprd.asked();
    let token = asked.last().unwrap().headers.get("dapr-api-token");
    assert_eq!(token.map(|token| token.to_str().unwrap()), seen);
}

#[tokio::test]
async fn a_guard_without_tokens_leaves_them_alone() {
    let daprd = Backend::echo().await;
    let address = guarding(open_guard(), daprd.address, no_end()).await;
    let caller = Caller::new(address, Http::One);
    caller
        .call("GET", "/v1.0/metadata", &[("dapr-api-token", "x")], "")
        .await;
    assert_eq!(daprd.asked()[0].headers["dapr-api-token"], "x");
}

#[tokio::test]
async fn during_a_rotation_both_tokens_are_good() {
    let (_daprd, caller, file) = tokens("old", "").await;
    let status = async |token: &str| {
        let headers = [("dapr-api-token", token)];
        caller
            .call("GET", "/v1.0/metadata", &headers, "")
            .await
            .status
    };
    std::fs::write(file.path(), "new").unwrap();
    until("the new token", async || status("new").await == 207).await;
    assert_eq!(status("old").await, 207);
    assert_eq!(status("other").await, 401);
}

#[tokio::test]
async fn without_its_token_file_nobody_passes() {
    let tokens = TokenFile::new(vec!["/nowhere/token".into()], Duration::ZERO);
    tokio::spawn(tokens.clone().follow(CancellationToken::new()));
    let settings = guard::Settings {
        tokens: Some(tokens),
        ..open_guard()
    };
    let address = guarding(settings, Backend::echo().await.address, no_end()).await;
    let caller = Caller::new(address, Http::One);
    assert_eq!(
        caller
            .call("GET", "/v1.0/metadata", &[("dapr-api-token", "")], "")
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn shutdown_is_answered_and_harms_nobody() {
    let (daprd, caller, _file) = tokens("right", "").await;
    let before = daprd.asked().len();
    let token = ("dapr-api-token", "right");
    let path = "/dapr.proto.runtime.v1.Dapr/Shutdown";
    assert_eq!(
        caller
            .call("POST", "/v1.0/shutdown", &[token], "")
            .await
            .status,
        204
    );
    let answer = caller.call("POST", path, &[token, GRPC], vec![0; 5]).await;
    assert_eq!(
        (&answer.body[..], &answer.trailers["grpc-status"]),
        (&[0; 5][..], &"0".parse().unwrap())
    );
    assert_eq!(
        caller.call("POST", "/v1.0/shutdown", &[], "").await.status,
        401
    );
    assert_eq!(daprd.asked().len(), before);
}

#[tokio::test]
async fn grpc_shutdown_is_a_success_for_a_real_client() {
    let address = guarding(open_guard(), nobody().await, no_end()).await;
    let mut client = tonic::client::Grpc::new(crate::grpc::channel(address).await);
    client.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    let path = "/dapr.proto.runtime.v1.Dapr/Shutdown".parse().unwrap();
    client
        .unary(tonic::Request::new(()), path, codec)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_daprd_that_is_away_is_unavailable() {
    let address = guarding(open_guard(), nobody().await, no_end()).await;
    let caller = Caller::new(address, Http::Two);
    assert_eq!(caller.get("/v1.0/metadata").await.status, 503);
    let answer = caller.call("POST", PUBLISH, &[GRPC], "").await;
    assert_eq!(answer.headers["grpc-status"], "14");
}

#[rstest]
#[case::inside("127.0.0.0/8", true)]
#[case::outside("10.0.0.0/8", false)]
#[tokio::test]
async fn only_sources_that_are_let_in_connect(#[case] range: &str, #[case] lets_in: bool) {
    let settings = guard::Settings {
        sources: vec![range.parse().unwrap()],
        ..open_guard()
    };
    let address = guarding(settings, Backend::echo().await.address, no_end()).await;
    assert_eq!(is_served(address).await, lets_in);
}

#[tokio::test]
async fn the_apps_pods_can_be_the_only_ones_let_in() {
    let app = before(&[]).await;
    let settings = guard::Settings {
        app: Some(app.forwarder.clone()),
        ..open_guard()
    };
    let address = guarding(settings, Backend::echo().await.address, no_end()).await;
    assert!(!is_served(address).await);
    app.forwarder
        .set_endpoints(crate::setup::bare(&["127.0.0.1:80".parse().unwrap()]));
    assert!(is_served(address).await);
}

/// Whether a request gets any answer.
async fn is_served(address: std::net::SocketAddr) -> bool {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    stream.read(&mut [0; 1]).await.is_ok_and(|read| read == 1)
}

/// So that daprd's own call of the app is not taken for an event.
#[rstest]
#[case("/v1.0/invoke/orders/method/tick", &[], true)]
#[case("/tick", &[("dapr-app-id", "orders")], true)]
#[case("/dapr.proto.runtime.v1.Dapr/InvokeService", &[GRPC], true)]
#[case("/v1.0/publish/broker/orders", &[], false)]
#[tokio::test]
async fn calls_of_apps_are_marked(
    #[case] path: &str,
    #[case] headers: &[(&str, &str)],
    #[case] expected: bool,
) {
    let daprd = Backend::echo().await;
    let address = guarding(open_guard(), daprd.address, no_end()).await;
    Caller::new(address, Http::Two)
        .call("POST", path, headers, "")
        .await;
    let asked = daprd.asked().pop().unwrap();
    assert_eq!(asked.headers.contains_key("trilby-invoked"), expected);
}
