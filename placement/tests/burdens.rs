//! Clients that are silent, deaf, greedy or too many.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may fail loudly"
)]

mod common;

use std::time::{Duration, Instant};

use common::{Client, PATIENCE, Server, host, sample};
use placement::Stay;
use proto::placement::v1::{
    Host, HostOperation, PlacementOrder, placement_client::PlacementClient,
};
use serde_json::json;
use tokio::{io::AsyncReadExt, net::TcpStream, task::JoinSet, time::timeout};
use tonic::Code;

const BUDGET: Duration = Duration::from_secs(8);
const SHORT: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_silent_client_is_dropped_and_the_others_go_on() {
    let server = Server::start(SHORT).await;
    let mut silent = server.join(host("a", &["x"])).await;
    silent.unlocked(1).await;
    let mut lively = server.join(host("b", &["x"])).await;
    silent.expect("lock", 2).await;
    lively.unlocked(3).await;
    let timeout = "dissemination timeout after 1s for version 2".to_owned();
    assert_eq!(silent.end().await, (Code::DeadlineExceeded, timeout));
    server.lists(&["b"]).await;
}

/// A registered stream of a narrow connection, which is not read from now on; and one more with
/// a table of a megabyte, far beyond what that connection takes unread.
async fn deaf_and_big(server: &Server) -> (Client, Client) {
    let types: Vec<_> = (0..20_000)
        .map(|n| format!("a-type-with-a-long-name-{n:06}"))
        .collect();
    let types: Vec<_> = types.iter().map(String::as_str).collect();
    let narrow = server.endpoint().initial_stream_window_size(65_535);
    let mut narrow = PlacementClient::new(narrow.connect().await.unwrap());
    let mut deaf = Client::open(&mut narrow, host("deaf", &["x"]))
        .await
        .unwrap();
    deaf.unlocked(1).await;
    let big = server.join(host("big", &types)).await;
    // It answers the LOCK unread, so that it is sent the table.
    deaf.answer(HostOperation::Lock, 2).await;
    (deaf, big)
}

#[tokio::test]
async fn a_client_that_does_not_read_delays_nobody_beyond_the_budget() {
    let server = Server::start(SHORT).await;
    let (_deaf, mut big) = deaf_and_big(&server).await;
    let table = timeout(SHORT * 3, big.unlocked(3))
        .await
        .expect("the others go on");
    assert_eq!(table.tables.unwrap().entries.len(), 20_000);
    server.lists(&["big"]).await;
    assert!(table_size(&server) > 1 << 20, "{}", table_size(&server));
}

/// Weak points 6 and 7 of the original: one loop for all, which waits for who does not read.
#[tokio::test]
async fn who_does_not_read_is_of_no_concern_to_other_namespaces() {
    let server = Server::start(BUDGET).await;
    let (_deaf, big) = deaf_and_big(&server).await;
    big.answer(HostOperation::Lock, 2).await;
    let elsewhere = async {
        let other = Host {
            namespace: "other".into(),
            ..host("b", &["x"])
        };
        let mut other = server.join(other).await;
        other.unlocked(1).await;
        assert_eq!(server.state().await["tables"]["other"]["version"], 1);
        other.close();
        other.end().await;
        while server.state().await["tables"].get("other").is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let done = timeout(SHORT, elsewhere).await;
    done.expect("a round, the state and an end meanwhile");
}

/// The others are unlocked within the budget of the one that says nothing.
#[tokio::test]
async fn one_frozen_stream_of_500_holds_up_the_others_for_its_budget() {
    const STREAMS: usize = 500;
    let budget = SHORT * 2;
    let server = Server::start(budget).await;
    let mut frozen = server.join(host("frozen", &["x"])).await;
    frozen.unlocked(1).await;
    let begun = Instant::now();
    let mut lively = JoinSet::new();
    for n in 0..STREAMS {
        let mut connection = server.connect().await;
        lively.spawn(async move {
            let name = format!("host-{n}");
            let mut client = Client::open(&mut connection, host(&name, &["x"]))
                .await
                .unwrap();
            let all = |table: &PlacementOrder| hosts_of(table, "x") == STREAMS;
            client.answer_until(all).await;
            begun.elapsed()
        });
    }
    let last = lively.join_all().await.into_iter().max().unwrap();
    assert!(
        last < budget + SHORT,
        "the last was unlocked after {last:?}"
    );
    assert_eq!(frozen.end().await.0, Code::DeadlineExceeded);
}

fn hosts_of(table: &PlacementOrder, kind: &str) -> usize {
    let tables = table.tables.as_ref();
    let hosts = tables.and_then(|tables| tables.entries.get(kind));
    hosts.map_or(0, |hosts| hosts.load_map.len())
}

#[tokio::test]
async fn a_client_that_does_not_say_who_it_is_is_let_go() {
    let server = Server::start(BUDGET).await;
    let messages = tokio_stream::pending();
    let call = async { server.connect().await.report_dapr_status(messages).await };
    let status = timeout(PATIENCE, call)
        .await
        .expect("an answer in time")
        .unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

/// Half-open connections, and those that sidecars leave behind.
#[tokio::test]
async fn a_connection_without_a_stream_is_closed() {
    let stay = Stay {
        first: Duration::from_millis(300),
        idle: Duration::from_millis(300),
    };
    let server = Server::start_with(BUDGET, stay).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut held = server.join(host("a", &["x"])).await;
    held.expect("lock", 1).await;
    let closed = timeout(PATIENCE, silent.read(&mut [0; 64])).await.unwrap();
    // The server's greeting may come first.
    if closed.is_ok_and(|bytes| bytes > 0) {
        let mut rest = Vec::new();
        let _ = timeout(PATIENCE, silent.read_to_end(&mut rest))
            .await
            .unwrap();
    }
    tokio::time::sleep(stay.first + stay.idle * 3).await;
    held.answer(HostOperation::Lock, 1).await;
    held.expect("update", 1).await;
}

/// Thousands of connections that say nothing take nothing from those that do.
#[tokio::test]
async fn a_flood_of_connections_holds_up_nobody() {
    let server = Server::start(BUDGET).await;
    let mut flood = Vec::new();
    for _ in 0..2_000 {
        flood.push(TcpStream::connect(server.address).await.unwrap());
    }
    let join = async { server.join(host("a", &["x"])).await.unlocked(1).await };
    timeout(SHORT * 3, join).await.expect("served meanwhile");
}

/// Whatever a stream says when it was not asked, others get their table.
#[tokio::test]
async fn messages_out_of_phase_do_no_harm() {
    let server = Server::start(BUDGET).await;
    let odd = server.join(host("a", &["x"])).await;
    for version in [0, 1, 2, u64::MAX] {
        for operation in [
            HostOperation::Unlock,
            HostOperation::Update,
            HostOperation::Lock,
        ] {
            odd.answer(operation, version).await;
        }
    }
    let other = Host {
        namespace: "other".into(),
        ..host("b", &["x"])
    };
    let mut other = server.join(other).await;
    timeout(SHORT, other.unlocked(1))
        .await
        .expect("another namespace is not affected");
    drop(odd);
    let mut next = server.join(host("c", &["x"])).await;
    let table = timeout(SHORT * 3, next.settled(&["x"])).await.unwrap();
    assert_eq!(table.tables.unwrap().entries["x"].load_map.len(), 1);
}

#[tokio::test]
async fn a_host_with_more_types_than_a_table_holds_is_refused() {
    let server = Server::start(BUDGET).await;
    let mut greedy = host("10.0.0.1:50002", &[]);
    greedy.entities = (0..120_000)
        .map(|number| format!("type-{number}"))
        .collect();
    let refused = Client::open(&mut server.connect().await, greedy.clone()).await;
    assert_eq!(refused.err().unwrap().code(), Code::InvalidArgument);
    assert_eq!(server.state().await, json!({}));
    greedy.entities.truncate(10_000);
    let table = server.join(greedy).await.unlocked(1).await;
    assert_eq!(table.tables.unwrap().entries.len(), 10_000);
}

fn table_size(server: &Server) -> usize {
    let bytes = sample(server, "dapr_placement_table_size_bytes");
    bytes.unwrap().parse().unwrap()
}
