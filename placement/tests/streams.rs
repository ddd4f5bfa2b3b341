//! Streams over a real connection: orders, refusals, ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may fail loudly"
)]

mod common;

use std::time::Duration;

use common::{Client, PATIENCE, Server, host, sample};
use futures::StreamExt;
use http::StatusCode;
use placement::Role;
use prost::Message;
use proto::placement::v1::{Host, HostOperation};
use rstest::rstest;
use serde_json::json;
use tokio::time::timeout;
use tonic::Code;
use tower::ServiceExt;

const BUDGET: Duration = Duration::from_secs(8);
const SHORT: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_host_gets_its_table_and_is_listed() {
    let server = Server::start(BUDGET).await;
    let mut client = server.join(host("1.2.3.4:5", &["b", "a"])).await;
    client.expect("lock", 1).await;
    client.answer(HostOperation::Lock, 1).await;
    let update = client.expect("update", 1).await;
    let tables = update.tables.unwrap();
    assert_eq!(tables.entries.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(tables.entries["a"].load_map["1.2.3.4:5"].id, "app");
    client.answer(HostOperation::Update, 1).await;
    client.expect("unlock", 1).await;
    let host = json!({"name": "1.2.3.4:5", "entities": ["a", "b"], "id": "app",
                      "namespace": "default", "operation": 1});
    let table = json!({"hosts": [host], "version": 1});
    assert_eq!(server.state().await, json!({"tables": {"default": table}}));
}

#[tokio::test]
async fn a_silent_dialect_is_understood() {
    let server = Server::start(BUDGET).await;
    let report = Host {
        operation: 0,
        ..host("a", &["x"])
    };
    let mut client = server.join(report.clone()).await;
    for operation in ["lock", "update", "unlock"] {
        client.expect(operation, 1).await;
        client.say(report.clone()).await;
    }
    server.lists(&["a"]).await;
}

#[tokio::test]
async fn namespaces_know_nothing_of_each_other() {
    let server = Server::start(BUDGET).await;
    let mut one = server.join(host("a", &["x"])).await;
    let mut other = server
        .join(Host {
            namespace: "other".into(),
            ..host("b", &[])
        })
        .await;
    assert_eq!(one.unlocked(1).await.tables.unwrap().entries.len(), 1);
    assert_eq!(other.unlocked(0).await.tables.unwrap().entries.len(), 0);
    assert_eq!(server.state().await["tables"]["other"], json!({}));
}

#[rstest]
#[case::nobody(Host { id: String::new(), ..host("a", &[]) }, Code::InvalidArgument, "app ID")]
#[case::no_operation(Host { operation: 0, version: Some(1), ..host("a", &[]) },
    Code::InvalidArgument, "needs an operation")]
#[case::odd_operation(Host { operation: 77, ..host("a", &[]) }, Code::InvalidArgument, "77")]
#[case::internal_type(host("a", &["dapr.internal.default.other.workflow"]), Code::PermissionDenied,
    "entity dapr.internal.default.other.workflow is not allowed for app ID app in namespace default")]
#[tokio::test]
async fn what_is_not_allowed_is_refused(
    #[case] message: Host,
    #[case] code: Code,
    #[case] text: &str,
) {
    let server = Server::start(BUDGET).await;
    let refused = Client::open(&mut server.connect().await, message.clone()).await;
    let status = refused.err().expect("a refusal of the first message");
    assert_eq!(status.code(), code);
    assert!(status.message().contains(text), "{status:?}");
    assert_eq!(
        server.state().await,
        json!({}),
        "a refused stream opens no namespace"
    );

    let mut client = server.join(host("a", &["x"])).await;
    client.expect("lock", 1).await;
    client.say(message).await;
    let status = client
        .next()
        .await
        .expect_err("a refusal of a later one, and no order before");
    assert_eq!(status.code(), code);
    assert!(status.message().contains(text), "{status:?}");
    server.lists(&[]).await;
}

#[tokio::test]
async fn who_does_not_lead_says_so_before_reading() {
    let server = Server::start(BUDGET).await;
    server.role.send_replace(Role::Follower);
    let refused = Client::open(&mut server.connect().await, Host::default()).await;
    let status = refused.err().expect("a refusal");
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(status.message(), "node id=replica-1 is not a leader");
    assert_eq!(server.state().await, json!(null));
}

#[tokio::test]
async fn a_client_that_ends_its_side_ends_the_stream() {
    let server = Server::start(BUDGET).await;
    let mut client = server.join(host("a", &["x"])).await;
    client.close();
    assert_eq!(client.end().await, (Code::Unknown, "EOF".into()));
    server.lists(&[]).await;
    assert_eq!(
        server.state().await,
        json!({}),
        "the last stream takes the namespace along"
    );
    server.join(host("b", &["x"])).await.expect("lock", 1).await;
}

#[tokio::test]
async fn a_client_that_vanishes_leaves_the_table() {
    let server = Server::start(BUDGET).await;
    let mut stays = server.join(host("a", &["x"])).await;
    stays.unlocked(1).await;
    let goes = server.join(host("b", &["x"])).await;
    stays.expect("lock", 2).await;
    drop(goes);
    stays.answer(HostOperation::Lock, 2).await;
    let table = stays.unlocked(3).await.tables.unwrap();
    assert_eq!(
        table.entries["x"].load_map.keys().collect::<Vec<_>>(),
        ["a"]
    );
    server.lists(&["a"]).await;
}

#[tokio::test]
async fn a_queued_client_that_vanishes_is_forgotten() {
    let server = Server::start(BUDGET).await;
    let mut first = server.join(host("a", &["x"])).await;
    let mut connection = server.connect().await;
    let open = Client::open(&mut connection, host("b", &["y"]));
    assert!(
        timeout(Duration::from_millis(100), open).await.is_err(),
        "it is not answered yet"
    );
    drop(connection);
    let mut connection = server.connect().await;
    let last = async {
        let mut last = Client::open(&mut connection, host("c", &["z"]))
            .await
            .unwrap();
        last.settled(&["x", "z"]).await;
    };
    tokio::join!(first.settled(&["x", "z"]), last);
    server.lists(&["a", "c"]).await;
}

#[tokio::test]
async fn one_connection_carries_many_streams() {
    const STREAMS: usize = 300;
    let server = Server::start(BUDGET).await;
    let mut connection = server.connect().await;
    let mut clients = Vec::new();
    for n in 0..STREAMS {
        let host = Host {
            namespace: format!("ns-{n}"),
            ..host("a", &[])
        };
        clients.push(Client::open(&mut connection, host).await.unwrap());
    }
    assert_eq!(
        server.state().await["tables"].as_object().unwrap().len(),
        STREAMS
    );
}

#[tokio::test]
async fn a_stop_ends_all_streams_at_once_and_lets_none_in() {
    let mut server = Server::start(BUDGET).await;
    let mut registered = server.join(host("a", &["x"])).await;
    registered.expect("lock", 1).await;
    let mut connection = server.connect().await;
    let queued = Client::open(&mut connection, host("b", &["x"]));
    let stop = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.namespaces.stop(&tonic::Status::unknown("the end"));
        Client::open(&mut server.connect().await, host("c", &[]))
            .await
            .err()
            .unwrap()
            .code()
    };
    let (queued, late) = timeout(SHORT, async { tokio::join!(queued, stop) })
        .await
        .unwrap();
    assert_eq!(queued.err().unwrap().code(), Code::Unknown);
    assert_eq!(late, Code::Unavailable);
    assert_eq!(registered.end().await.0, Code::Unknown);

    server.stopping.cancel();
    let all = async { while server.tasks.join_next().await.is_some() {} };
    timeout(PATIENCE, all)
        .await
        .expect("server and namespaces end");
}

#[tokio::test]
async fn unknown_methods_are_unimplemented() {
    let server = Server::start(BUDGET).await;
    let request = http::Request::post("/dapr.proto.placement.v1.Placement/Config");
    let request = request.body(tonic::body::Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(server.rpc.clone(), request)
        .await
        .unwrap();
    assert_eq!(response.headers()["grpc-status"], "12");
}

#[tokio::test]
async fn streams_are_counted() {
    let server = Server::start(BUDGET).await;
    let mut client = server.join(host("a", &["x"])).await;
    client.expect("lock", 1).await;
    assert_eq!(gauge(&server, "runtimes"), Some("1".into()));
    assert_eq!(gauge(&server, "actor_runtimes"), Some("1".into()));
    drop(client);
    server.lists(&[]).await;
    let zero = async {
        while gauge(&server, "runtimes") != Some("0".into()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, zero)
        .await
        .expect("the gauge stays, at 0");
}

/// Sidecars say that they take gzip; the headers must say that it may come.
#[tokio::test]
async fn who_takes_gzip_is_told_that_it_may_come() {
    let server = Server::start(BUDGET).await;
    for (accepts, expected) in [("identity, gzip", Some("gzip")), ("identity", None)] {
        let report = host("a", &["x"]).encode_to_vec();
        let mut body = vec![0];
        body.extend(u32::try_from(report.len()).unwrap().to_be_bytes());
        body.extend(report);
        let request = http::Request::post("/dapr.proto.placement.v1.Placement/ReportDaprStatus")
            .header("grpc-accept-encoding", accepts);
        // The stream goes on after the message.
        let message = futures::stream::once(async { Ok::<_, std::io::Error>(body) });
        let body = axum::body::Body::from_stream(message.chain(futures::stream::pending()));
        let request = request.body(tonic::body::Body::new(body)).unwrap();
        let response = server.rpc.clone().oneshot(request).await.unwrap();
        let encoding = response.headers().get("grpc-encoding");
        assert_eq!(encoding.map(|value| value.to_str().unwrap()), expected);
    }
}

#[rstest]
#[case::here("127.0.0.1:1", None, StatusCode::OK)]
#[case::here_by_ipv6("[::1]:1", None, StatusCode::OK)]
#[case::here_by_both("[::ffff:127.0.0.1]:1", None, StatusCode::OK)]
#[case::elsewhere("10.0.0.1:1", None, StatusCode::FORBIDDEN)]
#[case::elsewhere_with_the_token("10.0.0.1:1", Some("s3cret"), StatusCode::OK)]
#[case::elsewhere_with_a_part_of_it("10.0.0.1:1", Some("s3"), StatusCode::FORBIDDEN)]
#[case::elsewhere_with_nothing("10.0.0.1:1", Some(""), StatusCode::FORBIDDEN)]
#[tokio::test]
async fn several_tenants_are_shown_to_those_here_or_trusted(
    #[case] address: &str,
    #[case] token: Option<&str>,
    #[case] expected: StatusCode,
) {
    let server = Server::start(BUDGET).await;
    std::fs::write(server.token.path(), "s3cret\n").unwrap();
    let _one = server.join(host("a", &["x"])).await;
    assert_eq!(
        server.state_for("10.0.0.1:1", None).await.0,
        StatusCode::OK,
        "one tenant is shown to all"
    );
    let other = Host {
        namespace: "other".into(),
        ..host("b", &[])
    };
    let _other = server.join(other).await;
    let (status, body) = server.state_for(address, token).await;
    assert_eq!(status, expected);
    assert_eq!(
        String::from_utf8_lossy(&body).contains("\"other\""),
        status == StatusCode::OK
    );
}

fn gauge(server: &Server, name: &str) -> Option<String> {
    sample(server, &format!("dapr_placement_{name}_total"))
}
