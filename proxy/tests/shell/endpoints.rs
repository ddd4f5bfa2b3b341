use futures::StreamExt;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use proxy::endpoints;
use proxy_core::pool::Counts;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;

use crate::{
    backend::{Backend, Reply, nobody, reply},
    setup::{before, until},
};

const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices";

fn slice(pods: &Value, version: u32) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": { "name": "orders-1", "resourceVersion": version.to_string() },
        "addressType": "IPv4",
        "ports": [{ "port": 8080 }],
        "endpoints": pods,
    })
}

/// An API server with one slice at first, and with what `events` says later.
async fn api_server(first: Value, events: watch::Receiver<Value>) -> Backend {
    Backend::start(move |request: Request<Incoming>| {
        let (first, events) = (first.clone(), events.clone());
        async move {
            if !request
                .uri()
                .query()
                .unwrap_or_default()
                .contains("watch=true")
            {
                let list = json!({
                    "apiVersion": "discovery.k8s.io/v1",
                    "kind": "EndpointSliceList",
                    "metadata": { "resourceVersion": "1" },
                    "items": [first],
                });
                return reply(200, list.to_string());
            }
            watched(events)
        }
    })
    .await
}

fn watched(events: watch::Receiver<Value>) -> Reply {
    let told = WatchStream::from_changes(events);
    let lines = told.map(|event| Ok(Frame::data(format!("{event}\n").into())));
    Response::new(BodyExt::boxed(StreamBody::new(lines)))
}

#[tokio::test]
async fn follows_the_slices_of_a_service() {
    identity::install_crypto_provider();
    let both = json!([
        { "addresses": ["10.0.0.1"], "conditions": { "ready": true } },
        { "addresses": ["10.0.0.2"], "conditions": { "ready": false } },
    ]);
    let (event, events) = watch::channel(Value::Null);
    let server = api_server(slice(&both, 1), events).await;
    let config = kube::Config::new(format!("http://{}", server.address).parse().unwrap());
    let client = kube::Client::try_from(config).unwrap();
    let proxy = before(&[]).await;
    let (namespace, service) = ("shop".into(), "orders".into());
    let stopping = CancellationToken::new();
    let following = endpoints::follow_service(
        proxy.forwarder.clone(),
        client,
        namespace,
        service,
        None,
        stopping.clone(),
    );
    let following = tokio::spawn(following);
    let counts = async |ready, unready, terminating| {
        let counts = Counts {
            ready,
            unready,
            terminating,
        };
        until("the endpoints", async || proxy.forwarder.counts() == counts).await;
    };
    counts(1, 1, 0).await;
    assert!(
        server
            .paths()
            .iter()
            .all(|path| path == &format!("GET {SLICES}"))
    );

    let changed = json!([
        { "addresses": ["10.0.0.1"], "conditions": { "ready": false, "terminating": true } },
        { "addresses": ["10.0.0.2"], "conditions": { "ready": true } },
        { "addresses": ["10.0.0.3"] },
    ]);
    until("the watch", async || server.asked().len() >= 2).await;
    event.send_replace(json!({ "type": "MODIFIED", "object": slice(&changed, 2) }));
    counts(2, 0, 1).await;
    event.send_replace(json!({ "type": "DELETED", "object": slice(&changed, 3) }));
    counts(0, 0, 0).await;
    stopping.cancel();
    following.await.unwrap();
}

#[tokio::test]
async fn resolves_a_host() {
    let proxy = before(&[]).await;
    let host = format!("localhost:{}", nobody().await.port());
    let pause = std::time::Duration::from_secs(1);
    let stopping = CancellationToken::new();
    let following = endpoints::follow_host(
        proxy.forwarder.clone(),
        host.parse().unwrap(),
        pause,
        stopping,
    );
    tokio::spawn(following);
    until("an address", async || proxy.forwarder.counts().ready > 0).await;
}

#[rstest::rstest]
#[case::scheme("http://orders:80")]
#[case::no_port("orders")]
#[case::port_zero("orders:0")]
#[case::no_host(":80")]
fn other_text_is_no_host(#[case] text: &str) {
    assert!(text.parse::<endpoints::Host>().is_err());
}
