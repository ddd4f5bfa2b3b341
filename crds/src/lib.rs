//! The custom resources of Dapr, and the one of this project, as types, and the definitions that the API server is given.
//!
//! Every field can be left out when an object is read, because lists come from API servers and
//! files that never checked them; what the API server insists on is said by the definitions.

pub mod common;
pub mod component;
pub mod configuration;
pub mod http_endpoint;
pub mod mcp_server;
pub mod resiliency;
mod resource;
mod schema;
pub mod shared_instance;
pub mod status;
pub mod subscription;
pub mod workflow_access_policy;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceConversion, CustomResourceDefinition, ServiceReference, WebhookClientConfig,
    WebhookConversion,
};

use resource::Column;
pub use resource::{GROUP, VERSION, VERSION_ANNOTATION};
pub use schema::SchemaError;

/// Name of the Service in front of the conversion webhook.
pub const CONVERSION_SERVICE: &str = "dapr-webhook";

/// Namespace of that Service in the committed definition; an operator that lives elsewhere replaces
/// it by its own. It is the usual one because Helm can apply the definition again only where the
/// operator had nothing to change.
pub const CONVERSION_NAMESPACE: &str = "dapr-system";

const SECRETS: Column = (
    "Secrets",
    ".status.conditions[?(@.type==\"SecretsResolved\")].status",
);
const SCOPES: Column = (
    "Scopes",
    ".status.conditions[?(@.type==\"ScopesMatched\")].status",
);
const URL: Column = ("URL", ".spec.baseUrl");

/// The names of the definitions of all kinds, in order. Takes much less memory than they do.
pub fn names() -> [String; 8] {
    [
        resource::name::<component::Component>(),
        resource::name::<configuration::Configuration>(),
        resource::name::<http_endpoint::HttpEndpoint>(),
        resource::name::<mcp_server::McpServer>(),
        resource::name::<resiliency::Resiliency>(),
        resource::name::<shared_instance::SharedInstance>(),
        resource::name::<subscription::Subscription>(),
        resource::name::<workflow_access_policy::WorkflowAccessPolicy>(),
    ]
}

/// The definitions of all kinds, by name.
///
/// # Errors
///
/// If the schema of a type is one that the API server could not hold.
pub fn definitions() -> Result<Vec<CustomResourceDefinition>, SchemaError> {
    Ok(vec![
        resource::definition::<component::Component>(&[("Type", ".spec.type"), SECRETS, SCOPES])?,
        resource::definition::<configuration::Configuration>(&[SECRETS])?,
        resource::definition::<http_endpoint::HttpEndpoint>(&[URL, SECRETS, SCOPES])?,
        resource::definition::<mcp_server::McpServer>(&[SECRETS, SCOPES])?,
        resource::definition::<resiliency::Resiliency>(&[SCOPES])?,
        shared_instance::definition()?,
        subscriptions()?,
        resource::definition::<workflow_access_policy::WorkflowAccessPolicy>(&[SCOPES])?,
    ])
}

/// The only kind with two versions: both are served, the newer one is stored.
fn subscriptions() -> Result<CustomResourceDefinition, SchemaError> {
    let columns = [
        ("PubSub", ".spec.pubsubname"),
        ("Topic", ".spec.topic"),
        SCOPES,
    ];
    let mut definition = resource::definition::<subscription::Subscription>(&columns)?;
    let mut older = resource::version::<subscription::SubscriptionV1>(&columns)?;
    older.storage = false;
    definition.spec.versions.insert(0, older);
    definition.spec.conversion = Some(conversion());
    Ok(definition)
}

/// `v2alpha1` among the review versions is what installed charts and their checks expect.
fn conversion() -> CustomResourceConversion {
    CustomResourceConversion {
        strategy: "Webhook".to_owned(),
        webhook: Some(WebhookConversion {
            client_config: Some(WebhookClientConfig {
                service: Some(ServiceReference {
                    name: CONVERSION_SERVICE.to_owned(),
                    namespace: CONVERSION_NAMESPACE.to_owned(),
                    path: Some("/convert".to_owned()),
                    port: None,
                }),
                ..WebhookClientConfig::default()
            }),
            conversion_review_versions: vec!["v1".to_owned(), "v2alpha1".to_owned()],
        }),
    }
}
