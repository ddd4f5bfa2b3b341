//! The calls of the API, each in terms of its kind.

use std::pin::Pin;

use futures::{Stream, StreamExt};
use identity_core::Workload;
use operator_core::kind::Kind;
use proto::operator::v1;
use proto::operator::v1::operator_server::Operator;
use tonic::{Request, Response, Status};

use super::Api;
use super::caller::caller;
use super::render::{RenderError, answer};
use super::updates::{Selection, Sent};
use crate::secrets::ReadSecrets;

type Events<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
type Answer<T> = Result<Response<T>, Status>;

impl<S: ReadSecrets> Api<S> {
    /// The resources of the caller's namespace. Only Components are filtered by scope; sidecars
    /// filter the other kinds themselves. A resource whose secret does not exist is left out, so
    /// that it does not take the others along.
    async fn list(&self, caller: &Workload, kind: Kind) -> Result<Vec<Vec<u8>>, Status> {
        let Some(store) = self.heard(kind).await? else {
            return Ok(Vec::new());
        };
        let mut answers = Vec::new();
        for resource in store.list(&caller.namespace) {
            if kind == Kind::Component && !resource.is_visible_to(&caller.app_id) {
                continue;
            }
            match answer(&resource, &*self.secrets).await {
                Ok(json) => answers.push(json),
                Err(RenderError::Unresolved(error)) => {
                    tracing::warn!("{resource:?} is left out: {error}");
                }
                Err(error) => return Err(Status::unknown(error.text())),
            }
        }
        Ok(answers)
    }

    /// One resource of the caller's namespace. Its absence is an unknown error, as sidecars take
    /// it (Dapr: `pkg/operator/api`).
    async fn get(&self, caller: &Workload, kind: Kind, name: &str) -> Result<Vec<u8>, Status> {
        let found = self
            .heard(kind)
            .await?
            .and_then(|store| store.get(&caller.namespace, name));
        let (place, what) = (format!("{}/{name}", caller.namespace), kind.name());
        let Some(resource) = found else {
            let group = crds::GROUP;
            let text = format!("error getting {place}: {what}.{group} \"{name}\" not found");
            return Err(Status::unknown(text));
        };
        answer(&resource, &*self.secrets)
            .await
            .map_err(|error| Status::unknown(format!("error getting {place}: {}", error.text())))
    }

    fn events<T: 'static>(
        &self,
        caller: Workload,
        kind: Kind,
        selection: Selection,
        event: fn(Sent) -> T,
    ) -> Answer<Events<T>> {
        let updates = self.updates(caller, kind, selection)?;
        Ok(Response::new(Box::pin(
            updates.map(move |update| update.map(event)),
        )))
    }
}

#[tonic::async_trait]
impl<S: ReadSecrets> Operator for Api<S> {
    type ComponentUpdateStream = Events<v1::ComponentUpdateEvent>;
    type SubscriptionUpdateStream = Events<v1::SubscriptionUpdateEvent>;
    type HTTPEndpointUpdateStream = Events<v1::HttpEndpointUpdateEvent>;
    type MCPServerUpdateStream = Events<v1::McpServerUpdateEvent>;
    type ConfigurationUpdateStream = Events<v1::ConfigurationUpdateEvent>;
    type ResiliencyUpdateStream = Events<v1::ResiliencyUpdateEvent>;
    type WorkflowAccessPolicyUpdateStream = Events<v1::WorkflowAccessPolicyUpdateEvent>;

    async fn get_configuration(
        &self,
        request: Request<v1::GetConfigurationRequest>,
    ) -> Answer<v1::GetConfigurationResponse> {
        let caller = caller(&request, |request| &request.namespace)?;
        let name = &request.get_ref().name;
        let configuration = self.get(&caller, Kind::Configuration, name).await?;
        Ok(Response::new(v1::GetConfigurationResponse {
            configuration,
        }))
    }

    async fn get_resiliency(
        &self,
        request: Request<v1::GetResiliencyRequest>,
    ) -> Answer<v1::GetResiliencyResponse> {
        let caller = caller(&request, |request| &request.namespace)?;
        let resiliency = self
            .get(&caller, Kind::Resiliency, &request.get_ref().name)
            .await?;
        Ok(Response::new(v1::GetResiliencyResponse { resiliency }))
    }

    async fn list_components(
        &self,
        request: Request<v1::ListComponentsRequest>,
    ) -> Answer<v1::ListComponentResponse> {
        let caller = caller(&request, |request| &request.namespace)?;
        let components = self.list(&caller, Kind::Component).await?;
        Ok(Response::new(v1::ListComponentResponse { components }))
    }

    /// A request that names no namespace is never for the caller's own.
    async fn list_subscriptions(
        &self,
        request: Request<()>,
    ) -> Answer<v1::ListSubscriptionsResponse> {
        let caller = caller(&request, |()| "")?;
        let subscriptions = self.list(&caller, Kind::Subscription).await?;
        Ok(Response::new(v1::ListSubscriptionsResponse {
            subscriptions,
        }))
    }

    async fn list_subscriptions_v2(
        &self,
        request: Request<v1::ListSubscriptionsRequest>,
    ) -> Answer<v1::ListSubscriptionsResponse> {
        let caller = caller(&request, |request| &request.namespace)?;
        let subscriptions = self.list(&caller, Kind::Subscription).await?;
        Ok(Response::new(v1::ListSubscriptionsResponse {
            subscriptions,
        }))
    }

    async fn list_resiliency(
        &self,
        request: Request<v1::ListResiliencyRequest>,
    ) -> Answer<v1::ListResiliencyResponse> {
        let caller = caller(&request, |request| &request.namespace)?;
        let resiliencies = self.list(&caller, Kind::Resiliency).await?;
        Ok(Response::new(v1::ListResiliencyResponse { resiliencies }))
    }

    async fn list_http_endpoints(
        &self,
        request: Request<v1::ListHttpEndpointsRequest>,
    ) -> Answer<v1::ListHttpEndpointsResponse> {
        let caller = caller(&request, |request| &request.namespace)?;
        let http_endpoints = self.list(&caller, Kind::HttpEndpoint).await?;
        Ok(Response::new(v1::ListHttpEndpointsResponse {
            http_endpoints,
        }))
    }

    async fn list_mcp_servers(
        &self,
        request: Request<v1::ListMcpServersRequest>,
    ) -> Answer<v1::ListMcpServersResponse> {
        let caller = caller(&request, |request| &request.namespace)?;
        let mcp_servers = self.list(&caller, Kind::McpServer).await?;
        Ok(Response::new(v1::ListMcpServersResponse { mcp_servers }))
    }

    async fn list_workflow_access_policy(
        &self,
        request: Request<v1::ListWorkflowAccessPolicyRequest>,
    ) -> Answer<v1::ListWorkflowAccessPolicyResponse> {
        let caller = caller(&request, |request| &request.namespace)?;
        let policies = self.list(&caller, Kind::WorkflowAccessPolicy).await?;
        Ok(Response::new(v1::ListWorkflowAccessPolicyResponse {
            policies,
        }))
    }

    async fn component_update(
        &self,
        request: Request<v1::ComponentUpdateRequest>,
    ) -> Answer<Self::ComponentUpdateStream> {
        let caller = caller(&request, |request| &request.namespace)?;
        self.events(
            caller,
            Kind::Component,
            Selection::All,
            |(component, kind)| v1::ComponentUpdateEvent {
                component,
                r#type: kind.into(),
            },
        )
    }

    async fn subscription_update(
        &self,
        request: Request<v1::SubscriptionUpdateRequest>,
    ) -> Answer<Self::SubscriptionUpdateStream> {
        let caller = caller(&request, |request| &request.namespace)?;
        self.events(
            caller,
            Kind::Subscription,
            Selection::All,
            |(subscription, kind)| v1::SubscriptionUpdateEvent {
                subscription,
                r#type: kind.into(),
            },
        )
    }

    async fn http_endpoint_update(
        &self,
        request: Request<v1::HttpEndpointUpdateRequest>,
    ) -> Answer<Self::HTTPEndpointUpdateStream> {
        let caller = caller(&request, |request| &request.namespace)?;
        self.events(
            caller,
            Kind::HttpEndpoint,
            Selection::All,
            |(http_endpoints, kind)| v1::HttpEndpointUpdateEvent {
                http_endpoints,
                r#type: kind.into(),
            },
        )
    }

    async fn mcp_server_update(
        &self,
        request: Request<v1::McpServerUpdateRequest>,
    ) -> Answer<Self::MCPServerUpdateStream> {
        let caller = caller(&request, |request| &request.namespace)?;
        self.events(
            caller,
            Kind::McpServer,
            Selection::All,
            |(mcp_server, kind)| v1::McpServerUpdateEvent {
                mcp_server,
                r#type: kind.into(),
            },
        )
    }

    /// Only the Configurations that the caller's pods name, whatever the caller says.
    async fn configuration_update(
        &self,
        request: Request<v1::ConfigurationUpdateRequest>,
    ) -> Answer<Self::ConfigurationUpdateStream> {
        let caller = caller(&request, |request| &request.namespace)?;
        let selection = Selection::Assigned(self.assignments.clone());
        self.events(
            caller,
            Kind::Configuration,
            selection,
            |(configuration, kind)| v1::ConfigurationUpdateEvent {
                configuration,
                r#type: kind.into(),
            },
        )
    }

    async fn resiliency_update(
        &self,
        request: Request<v1::ResiliencyUpdateRequest>,
    ) -> Answer<Self::ResiliencyUpdateStream> {
        let caller = caller(&request, |request| &request.namespace)?;
        self.events(
            caller,
            Kind::Resiliency,
            Selection::All,
            |(resiliency, kind)| v1::ResiliencyUpdateEvent {
                resiliency,
                r#type: kind.into(),
            },
        )
    }

    async fn workflow_access_policy_update(
        &self,
        request: Request<v1::WorkflowAccessPolicyUpdateRequest>,
    ) -> Answer<Self::WorkflowAccessPolicyUpdateStream> {
        let caller = caller(&request, |request| &request.namespace)?;
        self.events(
            caller,
            Kind::WorkflowAccessPolicy,
            Selection::All,
            |(policy, kind)| v1::WorkflowAccessPolicyUpdateEvent {
                policy,
                r#type: kind.into(),
            },
        )
    }
}
