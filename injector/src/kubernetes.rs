//! The few calls to the Kubernetes API, read as permissively as what they answer.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::Stream;
use http::{Method, Request, header::CONTENT_TYPE};
use injector_core::{Account, Component};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client, api::ListParams, runtime::events::Recorder};
use process::kubernetes::{self, Event};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use crate::{events, namespaces::Metadata};

/// A webhook has ten seconds in all, and a start as well.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Accounts per page of a list.
const PAGE: usize = 500;
const WEBHOOK: &str = "dapr-sidecar-injector";
/// The Configuration of the control plane.
const CONFIGURATION: &str = "daprsystem";

/// The API as the injector uses it.
#[derive(Clone)]
pub struct Kubernetes(Client);

/// A failed call.
#[derive(Debug, thiserror::Error)]
#[error("{what} failed")]
pub struct CallError {
    what: &'static str,
    #[source]
    source: CallCause,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
enum CallCause {
    #[error("{0}")]
    Api(Box<kube::Error>),
    #[error("the request is malformed")]
    Request(#[source] http::Error),
    #[error("\"{0}\" is no name of a namespace")]
    Namespace(String),
    #[error("no answer within {} seconds", TIMEOUT.as_secs())]
    Timeout,
}

#[derive(Deserialize)]
struct List<T> {
    #[serde(default)]
    metadata: ListMetadata,
    items: Option<Vec<T>>,
}

#[derive(Default, Deserialize)]
struct ListMetadata {
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct ServiceAccount {
    #[serde(default)]
    metadata: AccountMetadata,
}

#[derive(Default, Deserialize)]
struct AccountMetadata {
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    uid: String,
}

/// A version as the API server tells it; some append a sign to the minor part.
#[derive(Deserialize)]
struct Version {
    major: String,
    minor: String,
}

/// The part of a Configuration that says whether sidecars speak mTLS.
#[derive(Default, Deserialize)]
struct Configuration {
    spec: Option<ConfigurationSpec>,
}

#[derive(Deserialize)]
struct ConfigurationSpec {
    mtls: Option<Mtls>,
}

#[derive(Deserialize)]
struct Mtls {
    enabled: Option<bool>,
}

// === impl Kubernetes ===

impl Kubernetes {
    /// Speaks through `client`.
    pub const fn new(client: Client) -> Self {
        Self(client)
    }

    /// All service accounts of the cluster.
    ///
    /// # Errors
    /// The call fails, or takes too long.
    pub async fn service_accounts(&self) -> Result<Vec<Account>, CallError> {
        let mut accounts = Vec::new();
        let mut token = String::new();
        loop {
            let path = format!("/api/v1/serviceaccounts?limit={PAGE}&continue={token}");
            let page: List<ServiceAccount> = self.get("listing service accounts", &path).await?;
            accounts.extend(
                page.items
                    .unwrap_or_default()
                    .into_iter()
                    .map(Account::from),
            );
            token = page.metadata.next.unwrap_or_default();
            if token.is_empty() {
                return Ok(accounts);
            }
        }
    }

    /// A writer of Events.
    pub fn recorder(&self) -> Recorder {
        Recorder::new(self.0.clone(), events::reporter())
    }

    /// All namespaces, and their changes, without end.
    pub fn namespaces(&self) -> impl Stream<Item = Event<Metadata>> + Send + use<> {
        kubernetes::watch(Api::all(self.0.clone()), ListParams::default())
    }

    /// The settings of the injector that serves the cluster: its environment.
    ///
    /// # Errors
    /// The call fails, or takes too long.
    pub async fn injector(&self) -> Result<BTreeMap<String, String>, CallError> {
        let path = format!("/apis/apps/v1/deployments?labelSelector=app%3D{WEBHOOK}");
        let list: List<Deployment> = self.get("reading the injector's settings", &path).await?;
        let found = list.items.unwrap_or_default().into_iter().next();
        Ok(found.map(settings).unwrap_or_default())
    }

    /// Major and minor version of the cluster.
    ///
    /// # Errors
    /// The call fails, or takes too long.
    pub async fn version(&self) -> Result<(u32, u32), CallError> {
        let version: Version = self.get("reading the version", "/version").await?;
        Ok(version.number())
    }

    /// The Components of a namespace.
    ///
    /// # Errors
    /// The call fails, or takes too long.
    pub async fn components(&self, namespace: &str) -> Result<Vec<Component>, CallError> {
        let what = "listing components";
        // The name comes with the review, and must not lead to another path.
        if !namespace
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Err(CallError {
                what,
                source: CallCause::Namespace(namespace.to_owned()),
            });
        }
        let path = format!("/apis/dapr.io/v1alpha1/namespaces/{namespace}/components");
        let list: List<Component> = self.get(what, &path).await?;
        Ok(list.items.unwrap_or_default())
    }

    /// Whether the Configuration of the control plane leaves mTLS on; it does if it is silent or
    /// does not exist.
    ///
    /// # Errors
    /// The call fails, or takes too long.
    pub async fn mtls(&self, namespace: &str) -> Result<bool, CallError> {
        let path =
            format!("/apis/dapr.io/v1alpha1/namespaces/{namespace}/configurations/{CONFIGURATION}");
        let configuration: Configuration = match self.get("reading daprsystem", &path).await {
            Err(error) if error.is_not_found() => Configuration::default(),
            read => read?,
        };
        let mtls = configuration.spec.and_then(|spec| spec.mtls);
        Ok(mtls.and_then(|mtls| mtls.enabled).unwrap_or(true))
    }

    /// Tells the API server by which roots to verify this webhook. `add` also replaces, and unlike
    /// `replace` it needs no value to be there.
    ///
    /// # Errors
    /// The call fails, or takes too long.
    pub async fn set_ca_bundle(&self, webhook: &str, pem: &str) -> Result<(), CallError> {
        let path = format!(
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{webhook}"
        );
        let addition = json!([{
            "op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": STANDARD.encode(pem),
        }]);
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(path)
            .header(CONTENT_TYPE, "application/json-patch+json");
        let request = request.body(addition.to_string().into_bytes());
        let what = "setting the CA bundle of the webhook configuration";
        self.text(what, request).await.map(drop)
    }

    async fn get<T: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &str,
    ) -> Result<T, CallError> {
        let text = self
            .text(what, Request::builder().uri(path).body(Vec::new()))
            .await?;
        serde_json::from_str(&text).map_err(|error| CallError {
            what,
            source: CallCause::Api(Box::new(kube::Error::SerdeError(error))),
        })
    }

    async fn text(
        &self,
        what: &'static str,
        request: http::Result<Request<Vec<u8>>>,
    ) -> Result<String, CallError> {
        let failed = |source| CallError { what, source };
        let request = request.map_err(|error| failed(CallCause::Request(error)))?;
        let answer = tokio::time::timeout(TIMEOUT, self.0.request_text(request)).await;
        let answer = answer.map_err(|_| failed(CallCause::Timeout))?;
        answer.map_err(|error| failed(CallCause::Api(Box::new(error))))
    }
}

fn settings(deployment: Deployment) -> BTreeMap<String, String> {
    let namespace = deployment.metadata.namespace.unwrap_or_default();
    let pod = deployment.spec.and_then(|spec| spec.template.spec);
    let own = pod.and_then(|pod| pod.containers.into_iter().find(|one| one.name == WEBHOOK));
    let own = own.unwrap_or_default();
    let plain = own.env.into_iter().flatten();
    let plain = plain.filter_map(|variable| Some((variable.name, variable.value?)));
    plain.chain([("NAMESPACE".to_owned(), namespace)]).collect()
}

// === impl Version ===

impl Version {
    fn number(&self) -> (u32, u32) {
        let digits = |text: &str| {
            let end = text.find(|c: char| !c.is_ascii_digit());
            text[..end.unwrap_or(text.len())]
                .parse()
                .unwrap_or_default()
        };
        (digits(&self.major), digits(&self.minor))
    }
}

// === impl CallError ===

impl CallError {
    fn is_not_found(&self) -> bool {
        let CallCause::Api(error) = &self.source else {
            return false;
        };
        matches!(&**error, kube::Error::Api(status) if status.code == 404)
    }
}

impl From<ServiceAccount> for Account {
    fn from(ServiceAccount { metadata }: ServiceAccount) -> Self {
        let AccountMetadata {
            namespace,
            name,
            uid,
        } = metadata;
        Self {
            namespace,
            name,
            uid,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1", "30", (1, 30))]
    #[case("1", "34+", (1, 34))]
    #[case("", "x", (0, 0))]
    fn reads_versions(#[case] major: &str, #[case] minor: &str, #[case] expected: (u32, u32)) {
        let (major, minor) = (major.to_owned(), minor.to_owned());
        assert_eq!(Version { major, minor }.number(), expected);
    }
}
