use crate::app::App;
use anyhow::Context;
use proto::common::v1::{InvokeRequest, InvokeResponse};
use proto::runtime::v1::app_callback_server::{AppCallback, AppCallbackServer};
use proto::runtime::v1::topic_event_response::TopicEventResponseStatus;
use proto::runtime::v1::{
    ListInputBindingsResponse, ListTopicSubscriptionsResponse, TopicEventRequest,
    TopicEventResponse, TopicSubscription,
};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// Serves the sidecar's calls over gRPC until `stopped`.
pub(crate) async fn serve(
    app: Arc<App>,
    address: SocketAddr,
    stopped: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    println!("gRPC on {address}");
    tonic::transport::Server::builder()
        .add_service(AppCallbackServer::new(Callback { app }))
        .serve_with_shutdown(address, stopped)
        .await
        .context("serve gRPC")
}

/// The application, as a sidecar sees it over gRPC.
struct Callback {
    app: Arc<App>,
}

#[tonic::async_trait]
impl AppCallback for Callback {
    async fn on_invoke(
        &self,
        request: Request<InvokeRequest>,
    ) -> Result<Response<InvokeResponse>, Status> {
        let method = request.into_inner().method;
        if method != "hello" {
            return Err(Status::not_found(format!("no method {method:?}")));
        }
        let value = self.app.name.clone().into_bytes();
        let data = prost_types::Any {
            type_url: String::new(),
            value,
        };
        let content_type = "text/plain".to_owned();
        Ok(Response::new(InvokeResponse {
            data: Some(data),
            content_type,
        }))
    }

    async fn list_topic_subscriptions(
        &self,
        _: Request<()>,
    ) -> Result<Response<ListTopicSubscriptionsResponse>, Status> {
        let subscribe = |topic: &String| TopicSubscription {
            pubsub_name: self.app.pubsub.clone(),
            topic: topic.clone(),
            ..TopicSubscription::default()
        };
        let subscriptions = self.app.topics.iter().map(subscribe).collect();
        Ok(Response::new(ListTopicSubscriptionsResponse {
            subscriptions,
        }))
    }

    async fn on_topic_event(
        &self,
        request: Request<TopicEventRequest>,
    ) -> Result<Response<TopicEventResponse>, Status> {
        let kept = self.app.record(cloud_event(&request.into_inner())).await;
        let status = match kept {
            Ok(()) => TopicEventResponseStatus::Success,
            Err(_) => TopicEventResponseStatus::Retry,
        };
        let status = status.into();
        Ok(Response::new(TopicEventResponse { status }))
    }

    async fn list_input_bindings(
        &self,
        _: Request<()>,
    ) -> Result<Response<ListInputBindingsResponse>, Status> {
        Ok(Response::new(ListInputBindingsResponse::default()))
    }
}

/// The event in the shape in which it comes over HTTP, so that tests need not care.
fn cloud_event(event: &TopicEventRequest) -> Value {
    let text = || Value::from(String::from_utf8_lossy(&event.data).into_owned());
    let data: Value = serde_json::from_slice(&event.data).unwrap_or_else(|_| text());
    json!({
        "id": event.id, "source": event.source, "type": event.r#type,
        "specversion": event.spec_version, "datacontenttype": event.data_content_type,
        "topic": event.topic, "pubsubname": event.pubsub_name, "data": data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::Flags;
    use clap::Parser;

    fn callback() -> Callback {
        let flags = ["testapp", "--hostname=pod-1", "--topics=orders"];
        Callback {
            app: Arc::new(App::new(&Flags::parse_from(flags))),
        }
    }

    #[tokio::test]
    async fn hello_is_answered_and_nothing_else() {
        let invoke = |method: &str| {
            Request::new(InvokeRequest {
                method: method.to_owned(),
                ..InvokeRequest::default()
            })
        };
        let answer = callback()
            .on_invoke(invoke("hello"))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(answer.data.unwrap().value, b"pod-1");
        let refused = callback().on_invoke(invoke("other")).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::NotFound);
    }

    #[tokio::test]
    async fn an_event_is_kept_like_one_over_http() {
        let callback = callback();
        let event = TopicEventRequest {
            topic: "orders".into(),
            data: br#"{"n":1}"#.to_vec(),
            ..TopicEventRequest::default()
        };
        callback.on_topic_event(Request::new(event)).await.unwrap();
        assert_eq!(callback.app.received()[0]["data"], json!({"n": 1}));
    }
}
