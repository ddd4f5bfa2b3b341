use std::pin::Pin;

use futures::{Stream, StreamExt, stream};
use proto::{
    common::v1::{InvokeRequest, InvokeResponse},
    placement::v1::{
        Host, PlacementOrder,
        placement_client::PlacementClient,
        placement_server::{Placement, PlacementServer},
    },
    runtime::v1::{
        ListInputBindingsResponse, ListTopicSubscriptionsResponse, TopicEventRequest,
        TopicEventResponse,
        app_callback_client::AppCallbackClient,
        app_callback_server::{AppCallback, AppCallbackServer},
    },
};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{
    Code, Request, Response, Status, Streaming,
    transport::{Channel, Server},
};

use crate::setup::{Told, before, forwarding};

/// An app that speaks gRPC.
struct App;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl AppCallback for App {
    async fn on_invoke(&self, request: Request<InvokeRequest>) -> Answer<InvokeResponse> {
        let trace = request.metadata().get("traceparent").cloned();
        let InvokeRequest { method, data, .. } = request.into_inner();
        if method == "fail" {
            let mut status = Status::not_found("no such order");
            status
                .metadata_mut()
                .insert("x-reason", "gone".parse().unwrap());
            return Err(status);
        }
        let mut response = Response::new(InvokeResponse {
            data,
            content_type: method,
        });
        if let Some(trace) = trace {
            response.metadata_mut().insert("traceparent", trace);
        }
        Ok(response)
    }

    async fn list_topic_subscriptions(
        &self,
        _request: Request<()>,
    ) -> Answer<ListTopicSubscriptionsResponse> {
        Ok(Response::new(ListTopicSubscriptionsResponse::default()))
    }

    async fn on_topic_event(
        &self,
        _request: Request<TopicEventRequest>,
    ) -> Answer<TopicEventResponse> {
        Ok(Response::new(TopicEventResponse::default()))
    }

    async fn list_input_bindings(
        &self,
        _request: Request<()>,
    ) -> Answer<ListInputBindingsResponse> {
        Ok(Response::new(ListInputBindingsResponse::default()))
    }
}

/// Any service with a stream both ways will do: this one answers each message.
#[tonic::async_trait]
impl Placement for App {
    type ReportDaprStatusStream =
        Pin<Box<dyn Stream<Item = Result<PlacementOrder, Status>> + Send>>;

    async fn report_dapr_status(
        &self,
        request: Request<Streaming<Host>>,
    ) -> Answer<Self::ReportDaprStatusStream> {
        let orders = request.into_inner().map(|host| {
            let host = host?;
            if host.name == "end" {
                return Err(Status::aborted("as asked"));
            }
            Ok(PlacementOrder {
                operation: host.name,
                ..PlacementOrder::default()
            })
        });
        Ok(Response::new(orders.boxed()))
    }
}

pub(crate) async fn app() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder()
        .add_service(AppCallbackServer::new(App))
        .add_service(PlacementServer::new(App));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

pub(crate) async fn channel(to: std::net::SocketAddr) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{to}")).unwrap();
    endpoint.connect().await.unwrap()
}

fn invoke(method: &str) -> InvokeRequest {
    InvokeRequest {
        method: method.into(),
        ..InvokeRequest::default()
    }
}

#[tokio::test]
async fn passes_calls_and_their_verdicts() {
    let proxy = before(&[app().await]).await;
    let mut client = AppCallbackClient::new(channel(proxy.address).await);
    let mut request = Request::new(invoke("orders"));
    request
        .metadata_mut()
        .insert("traceparent", "00-1-2-01".parse().unwrap());
    let answer = client.on_invoke(request).await.unwrap();
    assert_eq!(answer.metadata().get("traceparent").unwrap(), "00-1-2-01");
    assert_eq!(answer.into_inner().content_type, "orders");

    let status = client.on_invoke(invoke("fail")).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::NotFound, "no such order")
    );
    assert_eq!(status.metadata().get("x-reason").unwrap(), "gone");
}

#[tokio::test]
async fn passes_streams_both_ways_message_by_message() {
    let proxy = before(&[app().await]).await;
    let mut client = PlacementClient::new(channel(proxy.address).await);
    let (hosts, sent) = mpsc::channel(1);
    let host = |name: &str| Host {
        name: name.into(),
        ..Host::default()
    };
    hosts.send(host("first")).await.unwrap();
    let answers = client.report_dapr_status(ReceiverStream::new(sent)).await;
    let mut answers = answers.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().operation, "first");
    for index in 0..100 {
        hosts.send(host(&index.to_string())).await.unwrap();
        let order = answers.message().await.unwrap().unwrap();
        assert_eq!(order.operation, index.to_string());
    }
    hosts.send(host("end")).await.unwrap();
    let status = answers.message().await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Aborted, "as asked")
    );
}

#[tokio::test]
async fn a_stream_that_the_client_ends_is_ended() {
    let proxy = before(&[app().await]).await;
    let mut client = PlacementClient::new(channel(proxy.address).await);
    let hosts = stream::iter(["a", "b"].map(|name| Host {
        name: name.into(),
        ..Host::default()
    }));
    let answers = client.report_dapr_status(hosts).await.unwrap().into_inner();
    assert_eq!(answers.count().await, 2);
}

#[tokio::test]
async fn without_endpoints_a_call_is_unavailable_in_the_end() {
    let hold = std::time::Duration::from_millis(50);
    let proxy = forwarding(Told {
        hold,
        ..Told::default()
    })
    .await;
    let mut client = AppCallbackClient::new(channel(proxy.address).await);
    let status = client.on_invoke(invoke("orders")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.message(), "the app has no ready endpoint");
}
