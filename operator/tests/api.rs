//! The API in memory: who may call what, and what they get.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use identity::Peer;
use identity_core::SpiffeId;
use kube::Client;
use operator::api::Api;
use operator::store::Store;
use operator::{Assignments, ReadSecrets, SecretError};
use operator_core::kind::Kind;
use operator_core::resource::Resource;
use operator_core::secrets::Secret;
use proto::operator::v1::operator_server::Operator;
use proto::operator::v1::{self as v1, ResourceEventType};
use rstest::rstest;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status};

/// A secret store in memory. `broken` cannot be read, and what is not there is missing.
struct Memory;

impl ReadSecrets for Memory {
    fn read(
        &self,
        namespace: &str,
        name: &str,
    ) -> impl Future<Output = Result<Option<Secret>, SecretError>> + Send {
        let answer = match name {
            "redis" => Ok(Some(Secret::new(BTreeMap::from([(
                "key".to_owned(),
                b"super".to_vec(),
            )])))),
            "broken" => Err(SecretError::new(namespace, name, "the API server is away")),
            _ => Ok(None),
        };
        std::future::ready(answer)
    }
}

struct Fixture {
    api: Api<Memory>,
    stores: Vec<Arc<Store>>,
    stopping: CancellationToken,
}

impl Fixture {
    /// An API over empty stores, in a cluster with these pods.
    fn new(pods: &Value) -> Self {
        Self::over(Arc::new(Mutex::new(pods.clone())))
    }

    /// An API over empty stores, in a cluster whose pods may change.
    fn over(pods: Arc<Mutex<Value>>) -> Self {
        let stores: Vec<Arc<Store>> = Kind::ALL.into_iter().map(Store::new).collect();
        for store in &stores {
            store.reset(Vec::new());
        }
        let stopping = CancellationToken::new();
        let assignments = Assignments::new(cluster(pods), None);
        let api = Api::new(stores.clone(), Memory, assignments, stopping.clone());
        Self {
            api,
            stores,
            stopping,
        }
    }

    fn store(&self, kind: Kind) -> &Store {
        self.stores
            .iter()
            .find(|store| store.kind() == kind)
            .unwrap()
    }

    fn add(&self, kind: Kind, name: &str, fields: Value) {
        self.store(kind).apply(resource(kind, name, fields));
    }

    async fn components(&self, app_id: &str) -> Result<Vec<Value>, Status> {
        let request = from(
            app_id,
            v1::ListComponentsRequest {
                namespace: "shop".into(),
            },
        );
        let answer = self.api.list_components(request).await?;
        Ok(read(&answer.into_inner().components))
    }
}

/// An API server that knows pods only.
fn cluster(pods: Arc<Mutex<Value>>) -> Client {
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        assert_eq!(request.uri().path(), "/api/v1/pods");
        let list = json!({"kind": "PodList", "items": *pods.lock().unwrap()}).to_string();
        let response = http::Response::new(kube::client::Body::from(list.into_bytes()));
        async move { Ok::<_, Infallible>(response) }
    });
    Client::new(service, "default")
}

fn resource(kind: Kind, name: &str, mut fields: Value) -> Resource {
    fields["metadata"]["name"] = name.into();
    fields["metadata"]["namespace"] = "shop".into();
    Resource::new(kind, fields).unwrap()
}

/// A request from an app of the namespace `shop`.
fn from<T>(app_id: &str, message: T) -> Request<T> {
    with_id(&format!("spiffe://public/ns/shop/{app_id}"), message)
}

fn with_id<T>(id: &str, message: T) -> Request<T> {
    request(Some(id), message)
}

/// A request from a peer with this ID in its certificate, or from one without a certificate.
fn request<T>(id: Option<&str>, message: T) -> Request<T> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let id = id.map(|id| SpiffeId::new(id).unwrap());
    let mut request = Request::new(message);
    request.extensions_mut().insert(Peer::new(address, id));
    request
}

fn read(documents: &[Vec<u8>]) -> Vec<Value> {
    documents
        .iter()
        .map(|document| serde_json::from_slice(document).unwrap())
        .collect()
}

fn secret_reference(secret: &str) -> Value {
    let reference = json!({"name": "a", "secretKeyRef": {"name": secret, "key": "key"}});
    json!({"spec": {"metadata": [reference]}})
}

/// Calls every rpc for a namespace with this ID, if any, and answers how each went.
async fn call_all(
    api: &Api<Memory>,
    id: Option<&str>,
    namespace: &str,
) -> Vec<(&'static str, Code)> {
    let namespace = namespace.to_owned();
    let mut codes = Vec::new();
    macro_rules! call {
        ($($rpc:ident($message:expr)),* $(,)?) => {$(
            let result = api.$rpc(request(id, $message)).await;
            codes.push((stringify!($rpc), result.map_or_else(|status| status.code(), |_| Code::Ok)));
        )*};
    }
    let named = || (String::from("absent"), namespace.clone());
    call!(
        list_components(v1::ListComponentsRequest {
            namespace: namespace.clone()
        }),
        get_configuration({
            let (name, namespace) = named();
            v1::GetConfigurationRequest { name, namespace }
        }),
        list_subscriptions(()),
        get_resiliency({
            let (name, namespace) = named();
            v1::GetResiliencyRequest { name, namespace }
        }),
        list_resiliency(v1::ListResiliencyRequest {
            namespace: namespace.clone()
        }),
        list_subscriptions_v2(v1::ListSubscriptionsRequest {
            namespace: namespace.clone()
        }),
        list_http_endpoints(v1::ListHttpEndpointsRequest {
            namespace: namespace.clone()
        }),
        list_mcp_servers(v1::ListMcpServersRequest {
            namespace: namespace.clone()
        }),
        list_workflow_access_policy(v1::ListWorkflowAccessPolicyRequest {
            namespace: namespace.clone()
        }),
        component_update(v1::ComponentUpdateRequest {
            namespace: namespace.clone()
        }),
        subscription_update(v1::SubscriptionUpdateRequest {
            namespace: namespace.clone()
        }),
        http_endpoint_update(v1::HttpEndpointUpdateRequest {
            namespace: namespace.clone()
        }),
        mcp_server_update(v1::McpServerUpdateRequest {
            namespace: namespace.clone()
        }),
        configuration_update(v1::ConfigurationUpdateRequest {
            namespace: namespace.clone()
        }),
        resiliency_update(v1::ResiliencyUpdateRequest {
            namespace: namespace.clone()
        }),
        workflow_access_policy_update(v1::WorkflowAccessPolicyUpdateRequest {
            namespace: namespace.clone()
        }),
    );
    codes
}

#[rstest]
#[case::foreign(Some("spiffe://public/ns/shop/app"), "bank")]
#[case::none(Some("spiffe://public/ns/shop/app"), "")]
#[case::prefix(Some("spiffe://public/ns/shop/app"), "shop-2")]
#[case::case_differs(Some("spiffe://public/ns/shop/app"), "Shop")]
#[case::no_workload(Some("spiffe://public/service/shop"), "shop")]
#[case::no_app(Some("spiffe://public/ns/shop"), "shop")]
#[case::no_certificate(None, "shop")]
#[tokio::test]
async fn every_rpc_denies_what_is_not_the_callers(
    #[case] id: Option<&str>,
    #[case] namespace: &str,
) {
    let fixture = Fixture::new(&json!([]));
    let codes = call_all(&fixture.api, id, namespace).await;
    assert_eq!(codes.len(), 16);
    for (rpc, code) in codes {
        assert_eq!(code, Code::PermissionDenied, "{rpc}");
    }
}

#[rstest]
#[case("spiffe://public/ns/shop/app")]
#[case("spiffe://other.domain/ns/shop/app/and/more")]
#[tokio::test]
async fn every_rpc_serves_the_callers_own(#[case] id: &str) {
    let fixture = Fixture::new(&json!([]));
    for (rpc, code) in call_all(&fixture.api, Some(id), "shop").await {
        let expected = match rpc {
            "get_configuration" | "get_resiliency" => Code::Unknown,
            "list_subscriptions" => Code::PermissionDenied,
            _ => Code::Ok,
        };
        assert_eq!(code, expected, "{rpc}");
    }
}

#[tokio::test]
async fn a_caller_without_a_certificate_is_denied() {
    let fixture = Fixture::new(&json!([]));
    let request = Request::new(v1::ListComponentsRequest {
        namespace: "shop".into(),
    });
    let status = fixture.api.list_components(request).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn components_are_scoped_and_typed() {
    let fixture = Fixture::new(&json!([]));
    fixture.add(
        Kind::Component,
        "all",
        json!({"spec": {"type": "state.redis"}}),
    );
    fixture.add(Kind::Component, "others", json!({"scopes": ["other"]}));
    let expected = json!([{
        "apiVersion": "dapr.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": "all", "namespace": "shop"},
        "spec": {"type": "state.redis"},
    }]);
    assert_eq!(json!(fixture.components("app").await.unwrap()), expected);
}

#[tokio::test]
async fn one_missing_secret_of_ten_leaves_nine() {
    let fixture = Fixture::new(&json!([]));
    for number in 0..9 {
        fixture.add(
            Kind::Component,
            &format!("good-{number}"),
            secret_reference("redis"),
        );
    }
    fixture.add(Kind::Component, "bad", secret_reference("missing"));
    let components = fixture.components("app").await.unwrap();
    assert_eq!(components.len(), 9);
    for component in &components {
        assert_eq!(component["spec"]["metadata"][0]["value"], "c3VwZXI=");
    }
    assert_eq!(fixture.components("app").await.unwrap(), components);
}

/// A component that is left out would be unloaded, so a secret that may exist fails the call.
#[tokio::test]
async fn an_unreadable_secret_fails_the_call() {
    let fixture = Fixture::new(&json!([]));
    fixture.add(Kind::Component, "unsure", secret_reference("broken"));
    let status = fixture.components("app").await.unwrap_err();
    assert_eq!(status.code(), Code::Unknown);
    assert_eq!(
        status.message(),
        "read Secret shop/broken: the API server is away"
    );
}

#[tokio::test]
async fn an_unreadable_secret_out_of_scope_does_not_matter() {
    let fixture = Fixture::new(&json!([]));
    let mut fields = secret_reference("broken");
    fields["scopes"] = json!(["other"]);
    fixture.add(Kind::Component, "others", fields);
    assert_eq!(fixture.components("app").await.unwrap(), [] as [Value; 0]);
}

#[tokio::test]
async fn a_configuration_has_its_headers_in_plain_text() {
    let fixture = Fixture::new(&json!([]));
    let header = json!({"name": "h", "secretKeyRef": {"name": "redis", "key": "key"}});
    let spec = json!({"spec": {"tracing": {"otel": {"headers": [header]}}}});
    fixture.add(Kind::Configuration, "conf", spec);
    let message = v1::GetConfigurationRequest {
        name: "conf".into(),
        namespace: "shop".into(),
    };
    let answer = fixture
        .api
        .get_configuration(from("app", message))
        .await
        .unwrap();
    let configuration = &read(&[answer.into_inner().configuration])[0];
    assert_eq!(
        configuration["spec"]["tracing"]["otel"]["headers"][0]["value"],
        "super"
    );
}

#[tokio::test]
async fn a_kind_that_came_later_may_be_missing() {
    let fixture = Fixture::new(&json!([]));
    for kind in Kind::ALL {
        fixture.store(kind).missing();
    }
    let expected = [
        ("list_components", Code::Unknown),
        ("list_resiliency", Code::Unknown),
        ("list_mcp_servers", Code::Ok),
        ("list_workflow_access_policy", Code::Ok),
    ];
    let codes = call_all(&fixture.api, Some("spiffe://public/ns/shop/app"), "shop").await;
    for pair in expected {
        assert!(codes.contains(&pair), "{pair:?} in {codes:?}");
    }
}

type Events<T> = std::pin::Pin<Box<dyn futures::Stream<Item = Result<T, Status>> + Send>>;

async fn component_stream(fixture: &Fixture, app_id: &str) -> Events<v1::ComponentUpdateEvent> {
    let message = v1::ComponentUpdateRequest {
        namespace: "shop".into(),
    };
    fixture
        .api
        .component_update(from(app_id, message))
        .await
        .unwrap()
        .into_inner()
}

async fn next(events: &mut Events<v1::ComponentUpdateEvent>) -> (ResourceEventType, Value) {
    let event = tokio::time::timeout(Duration::from_secs(5), events.next()).await;
    let event = event.unwrap().unwrap().unwrap();
    (event.r#type(), read(&[event.component]).remove(0))
}

#[tokio::test]
async fn a_stream_tells_changes_as_they_came() {
    let fixture = Fixture::new(&json!([]));
    fixture.add(Kind::Component, "before", json!({}));
    let mut events = component_stream(&fixture, "app").await;
    fixture.add(Kind::Component, "c", json!({"spec": {"type": "x"}}));
    let expected = json!({"metadata": {"name": "c", "namespace": "shop"}, "spec": {"type": "x"}});
    assert_eq!(
        next(&mut events).await,
        (ResourceEventType::Created, expected)
    );
    fixture.add(Kind::Component, "c", json!({"scopes": ["other"]}));
    let (kind, component) = next(&mut events).await;
    assert_eq!(
        (kind, &component["spec"]["type"]),
        (ResourceEventType::Deleted, &json!("x"))
    );
    fixture.add(Kind::Component, "c", json!({"scopes": ["app"]}));
    assert_eq!(next(&mut events).await.0, ResourceEventType::Created);
}

#[tokio::test]
async fn a_stream_goes_on_past_a_missing_secret() {
    let fixture = Fixture::new(&json!([]));
    let mut events = component_stream(&fixture, "app").await;
    fixture.add(Kind::Component, "bad", secret_reference("missing"));
    fixture.add(Kind::Component, "good", secret_reference("redis"));
    let (_, component) = next(&mut events).await;
    assert_eq!(component["metadata"]["name"], "good");
    assert_eq!(component["spec"]["metadata"][0]["value"], "c3VwZXI=");
    fixture
        .store(Kind::Component)
        .delete(&resource(Kind::Component, "bad", json!({})));
    assert_eq!(next(&mut events).await.0, ResourceEventType::Deleted);
}

#[tokio::test]
async fn a_stream_ends_if_a_secret_cannot_be_read() {
    let fixture = Fixture::new(&json!([]));
    let mut events = component_stream(&fixture, "app").await;
    fixture.add(Kind::Component, "unsure", secret_reference("broken"));
    let status = events.next().await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn streams_end_quietly_when_the_process_stops() {
    let fixture = Fixture::new(&json!([]));
    let mut events = component_stream(&fixture, "app").await;
    fixture.stopping.cancel();
    assert!(events.next().await.is_none());
    let message = v1::ComponentUpdateRequest {
        namespace: "shop".into(),
    };
    let refused = fixture.api.component_update(from("app", message)).await;
    assert_eq!(refused.err().unwrap().code(), Code::Unavailable);
}

/// A pod of an app in the namespace `shop`, or another.
fn pod(namespace: &str, name: &str, configuration: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": namespace, "annotations": {
        "dapr.io/enabled": "true", "dapr.io/app-id": "app", "dapr.io/config": configuration,
    }}})
}

async fn configurations(fixture: &Fixture) -> Events<v1::ConfigurationUpdateEvent> {
    let message = v1::ConfigurationUpdateRequest {
        namespace: "shop".into(),
    };
    let stream = fixture.api.configuration_update(from("app", message)).await;
    stream.unwrap().into_inner()
}

async fn next_name(events: &mut Events<v1::ConfigurationUpdateEvent>) -> Value {
    let event = events.next().await.unwrap().unwrap();
    read(&[event.configuration])[0]["metadata"]["name"].clone()
}

#[tokio::test]
async fn only_the_assigned_configuration_is_told() {
    let pods = json!([pod("bank", "p", "other"), pod("shop", "p", "mine")]);
    let fixture = Fixture::new(&pods);
    let mut events = configurations(&fixture).await;
    fixture.add(Kind::Configuration, "other", json!({}));
    fixture.add(Kind::Configuration, "mine", json!({}));
    assert_eq!(next_name(&mut events).await, "mine");
}

#[tokio::test]
async fn in_a_rollout_the_configurations_of_old_and_new_pods_are_told() {
    let fixture = Fixture::new(&json!([
        pod("shop", "p-1", "old"),
        pod("shop", "p-2", "new")
    ]));
    let mut events = configurations(&fixture).await;
    for name in ["old", "other", "new"] {
        fixture.add(Kind::Configuration, name, json!({}));
    }
    assert_eq!(next_name(&mut events).await, "old");
    assert_eq!(next_name(&mut events).await, "new");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_comes_after_the_stream_counts() {
    let pods = Arc::new(Mutex::new(json!(null)));
    let fixture = Fixture::over(Arc::clone(&pods));
    let mut events = configurations(&fixture).await;
    fixture.add(Kind::Configuration, "first", json!({}));
    let quiet = tokio::time::timeout(Duration::from_mins(1), events.next()).await;
    assert!(quiet.is_err());
    *pods.lock().unwrap() = json!([pod("shop", "p", "mine")]);
    fixture.add(Kind::Configuration, "mine", json!({}));
    assert_eq!(next_name(&mut events).await, "mine");
}
