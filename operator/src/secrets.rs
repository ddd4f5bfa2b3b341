//! Reads Kubernetes Secrets when a resource refers to them, and keeps them no longer than needed.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret as KubernetesSecret;
use kube::api::ListParams;
use kube::{Api, Client};
use operator_core::secrets::Secret;
use parking_lot::Mutex;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::object::is_absence;

/// Many sidecars that start together share one read; a changed secret is seen soon after.
const FRESH: Duration = Duration::from_secs(2);

/// A read that failed for a reason other than the absence of the secret.
#[derive(Debug, thiserror::Error)]
#[error("read Secret {namespace}/{name}")]
pub struct SecretError {
    namespace: String,
    name: String,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// Where secrets come from.
pub trait ReadSecrets: Send + Sync + 'static {
    /// One secret; none if there is no such secret.
    ///
    /// # Errors
    ///
    /// If it cannot be told whether there is one.
    fn read(
        &self,
        namespace: &str,
        name: &str,
    ) -> impl Future<Output = Result<Option<Secret>, SecretError>> + Send;
}

/// Reads Secrets from the API server, at most once for each in a short time.
#[derive(Clone)]
pub struct Secrets {
    client: Client,
    namespace: Option<String>,
    recent: Arc<Mutex<HashMap<Key, Recent>>>,
}

type Key = (Box<str>, Box<str>);

#[derive(Clone)]
struct Recent {
    since: Instant,
    secret: Arc<OnceCell<Option<Secret>>>,
}

// === impl SecretError ===

impl SecretError {
    /// A failed read of a secret.
    pub fn new(
        namespace: &str,
        name: &str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            source: source.into(),
        }
    }
}

// === impl Secrets ===

impl Secrets {
    /// Reads through a client, lists restricted to one namespace if it is given.
    pub fn new(client: Client, namespace: Option<String>) -> Self {
        Self {
            client,
            namespace,
            recent: Arc::default(),
        }
    }

    fn recent(&self, namespace: &str, name: &str) -> Arc<OnceCell<Option<Secret>>> {
        let (mut recent, now) = (self.recent.lock(), Instant::now());
        recent.retain(|_, entry| now.duration_since(entry.since) < FRESH);
        let new = || Recent {
            since: now,
            secret: Arc::default(),
        };
        let entry = recent
            .entry((namespace.into(), name.into()))
            .or_insert_with(new);
        Arc::clone(&entry.secret)
    }

    /// Asks for the secret itself. Where the API server has lists only, as Dapr's test harness
    /// does, a list is narrowed to it.
    async fn fetch(&self, namespace: &str, name: &str) -> Result<Option<Secret>, kube::Error> {
        let api: Api<KubernetesSecret> = Api::namespaced(self.client.clone(), namespace);
        match api.get(name).await {
            Ok(secret) => Ok(Some(content(secret))),
            Err(error) if is_absence(&error) => self.find(namespace, name).await,
            Err(error) => Err(error),
        }
    }

    async fn find(&self, namespace: &str, name: &str) -> Result<Option<Secret>, kube::Error> {
        let api: Api<KubernetesSecret> = match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let selector = format!("metadata.namespace={namespace},metadata.name={name}");
        let listed = match api.list(&ListParams::default().fields(&selector)).await {
            Ok(listed) => listed.items,
            // Who may read single secrets only has been told already that there is none.
            Err(kube::Error::Api(status)) if [403, 404].contains(&status.code) => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut found = listed.into_iter().filter(|secret| {
            secret.metadata.name.as_deref() == Some(name)
                && secret.metadata.namespace.as_deref() == Some(namespace)
        });
        Ok(found.next().map(content))
    }
}

impl ReadSecrets for Secrets {
    async fn read(&self, namespace: &str, name: &str) -> Result<Option<Secret>, SecretError> {
        let recent = self.recent(namespace, name);
        let read = recent.get_or_try_init(|| self.fetch(namespace, name)).await;
        read.cloned()
            .map_err(|error| SecretError::new(namespace, name, error))
    }
}

fn content(secret: KubernetesSecret) -> Secret {
    let data: BTreeMap<String, Vec<u8>> = secret
        .data
        .unwrap_or_default()
        .into_iter()
        .map(|(key, value)| (key, value.0))
        .collect();
    Secret::new(data)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::fixtures::answers;

    fn secret(namespace: &str, name: &str) -> Value {
        json!({"metadata": {"namespace": namespace, "name": name}, "data": {"key": "c3VwZXI="}})
    }

    fn expected() -> Secret {
        Secret::new(BTreeMap::from([("key".to_owned(), b"super".to_vec())]))
    }

    /// Reads `shop/redis` from an API server that answers single reads and lists like this.
    async fn read(single: (u16, Value), list: (u16, Value)) -> Result<Option<Secret>, SecretError> {
        let script = answers(move |_, path| {
            if path == "/api/v1/namespaces/shop/secrets/redis" {
                single.clone()
            } else {
                list.clone()
            }
        });
        Secrets::new(script.client(), None)
            .read("shop", "redis")
            .await
    }

    #[tokio::test]
    async fn a_secret_is_read_by_itself() {
        let read = read((200, secret("shop", "redis")), (500, json!({}))).await;
        assert_eq!(read.unwrap(), Some(expected()));
    }

    #[tokio::test]
    async fn where_there_are_lists_only_it_is_found_there() {
        let items = [
            secret("bank", "redis"),
            secret("shop", "other"),
            secret("shop", "redis"),
        ];
        let read = read((404, json!(null)), (200, json!({"items": items}))).await;
        assert_eq!(read.unwrap(), Some(expected()));
    }

    #[rstest]
    #[case(200, json!({"items": null}))]
    #[case(403, json!({"code": 403}))]
    #[case(404, json!(null))]
    #[tokio::test]
    async fn a_missing_secret_is_none(#[case] code: u16, #[case] list: Value) {
        assert_eq!(read((404, json!(null)), (code, list)).await.unwrap(), None);
    }

    #[rstest]
    #[case(403, 200)]
    #[case(500, 200)]
    #[case(404, 500)]
    #[tokio::test]
    async fn doubt_is_an_error(#[case] single: u16, #[case] list: u16) {
        let error = read((single, json!(null)), (list, json!({"items": []})))
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "read Secret shop/redis");
    }

    #[tokio::test(start_paused = true)]
    async fn reads_close_together_are_one() {
        let script = answers(|_, _| (200, secret("shop", "redis")));
        let secrets = Secrets::new(script.client(), None);
        for _ in 0..3 {
            secrets.read("shop", "redis").await.unwrap();
        }
        assert_eq!(script.calls().len(), 1);
        tokio::time::advance(FRESH).await;
        secrets.read("shop", "redis").await.unwrap();
        assert_eq!(script.calls().len(), 2);
    }
}
