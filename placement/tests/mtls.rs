//! Who a client is when TLS is on.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod common;

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use common::{Server, host, sessions};
use identity::Peer;
use placement::{Rpc, Visitor};
use prost::Message;
use proto::placement::v1::Host;
use rstest::rstest;
use tonic::Code;
use tower::ServiceExt;

const OWN: &str = "spiffe://elsewhere/ns/default/app";

#[rstest]
#[case::no_certificate(None, host("a", &[]), Code::Unauthenticated)]
#[case::no_workload(Some("spiffe://elsewhere/other"), host("a", &[]), Code::Unauthenticated)]
#[case::other_app(Some("spiffe://elsewhere/ns/default/b"), host("a", &[]), Code::PermissionDenied)]
#[case::other_namespace(Some("spiffe://elsewhere/ns/b/app"), host("a", &[]), Code::PermissionDenied)]
#[case::no_namespace(Some(OWN), Host { namespace: String::new(), ..host("a", &[]) },
    Code::InvalidArgument)]
#[tokio::test]
async fn refuses_who_is_not_whom_it_claims_to_be(
    #[case] id: Option<&str>,
    #[case] message: Host,
    #[case] code: Code,
) {
    let server = Server::start(Duration::from_secs(8)).await;
    assert_eq!(call(&server, id, &message).await, Some(code));
}

#[tokio::test]
async fn lets_in_who_is_of_whatever_trust_domain() {
    let server = Server::start(Duration::from_secs(8)).await;
    let host = host("a", &["dapr.internal.default.app.x"]);
    // It was served until it ended its side.
    assert_eq!(call(&server, Some(OWN), &host).await, Some(Code::Unknown));
}

/// The status of a call from a client with this SPIFFE ID that sends one message.
async fn call(server: &Server, id: Option<&str>, message: &Host) -> Option<Code> {
    let rpc = Rpc::new(sessions(&server.role, &server.namespaces), true);
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(message.encoded_len().try_into().unwrap());
    message.encode(&mut bytes).unwrap();
    let body = tonic::body::Body::new(axum::body::Body::from(bytes.freeze()));
    let request = http::Request::post("/dapr.proto.placement.v1.Placement/ReportDaprStatus");
    let mut request = request.body(body).unwrap();
    let id = id.map(|id| id.parse().unwrap());
    let peer = Peer::new(([127, 0, 0, 1], 1).into(), id);
    request.extensions_mut().insert(Visitor::new(Some(peer)));
    let response = rpc.oneshot(request).await.unwrap();
    let status = tonic::Status::from_header_map(response.headers());
    status.map(|status| status.code())
}
