//! The bundle in a Secret, the truth, with a public copy of its trust anchors in a `ConfigMap`.
//!
//! Both exist before sentry starts; sentry may read and update, not create them.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret as SecretObject},
};
use kube::{
    Api, Client, Resource as _,
    api::PostParams,
    runtime::events::{Event, EventType, Recorder},
};
use sentry_core::{
    Parts,
    agreement::{self, Names, Stored},
    jwt,
};
use zeroize::Zeroizing;

use super::{Public, StoreError, Written};

/// Name of both objects.
const NAME: &str = "dapr-trust-bundle";

/// An object changed between reading and writing it.
const CONFLICT: u16 = 409;

/// How often a copy that others write too is tried.
const ATTEMPTS: usize = 5;

/// The bundle in a Secret, with a public copy of the trust anchors.
pub struct Secret {
    secrets: Api<SecretObject>,
    config_maps: Api<ConfigMap>,
    events: Recorder,
    namespace: String,
    names: Names,
}

// === impl Secret ===

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Secret")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl Secret {
    /// The bundle in the Secret of the namespace, under these keys.
    pub fn new(client: Client, namespace: &str, names: Names) -> Self {
        Self {
            secrets: Api::namespaced(client.clone(), namespace),
            config_maps: Api::namespaced(client.clone(), namespace),
            events: Recorder::new(client, "dapr-sentry".into()),
            namespace: namespace.to_owned(),
            names,
        }
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    pub(super) async fn read(&self) -> Result<Stored, StoreError> {
        let mut data = self.get().await?.data.unwrap_or_default();
        let mut take = |name: &String| data.remove(name).map(|ByteString(text)| text);
        Ok(Stored {
            anchors: take(&self.names.anchors),
            issuer_chain: take(&self.names.issuer_chain),
            issuer_key: take(&self.names.issuer_key).map(Zeroizing::new),
            jwt_key: take(&self.names.jwt_key).map(Zeroizing::new),
            key_set: take(&self.names.key_set),
        })
    }

    /// The object's version goes along, so that of several replicas one wins.
    pub(super) async fn write(&self, parts: &Parts) -> Result<Written, StoreError> {
        let mut secret = self.get().await?;
        let data = secret.data.get_or_insert_default();
        if [
            &self.names.anchors,
            &self.names.issuer_chain,
            &self.names.issuer_key,
        ]
        .into_iter()
        .any(|name| data.get(name).is_some_and(|text| !text.0.is_empty()))
        {
            return Ok(Written::Conflict);
        }
        data.insert(
            self.names.anchors.clone(),
            ByteString(parts.anchors.clone()),
        );
        data.insert(
            self.names.issuer_chain.clone(),
            ByteString(parts.issuer_chain.clone()),
        );
        data.insert(
            self.names.issuer_key.clone(),
            ByteString(parts.issuer_key.to_vec()),
        );
        self.replace(&secret).await
    }

    /// As above; a key that is there must be the one that the key set was made for.
    pub(super) async fn write_tokens(&self, parts: &jwt::Parts) -> Result<Written, StoreError> {
        let mut secret = self.get().await?;
        let data = secret.data.get_or_insert_default();
        let found = data.get(&self.names.jwt_key);
        if found.is_some_and(|found| found.0 != *parts.key)
            || data.contains_key(&self.names.key_set)
        {
            return Ok(Written::Conflict);
        }
        let key = ByteString(parts.key.to_vec());
        data.insert(self.names.jwt_key.clone(), key);
        let key_set = ByteString(parts.key_set.clone());
        data.insert(self.names.key_set.clone(), key_set);
        self.replace(&secret).await
    }

    async fn replace(&self, secret: &SecretObject) -> Result<Written, StoreError> {
        match self
            .secrets
            .replace(NAME, &PostParams::default(), secret)
            .await
        {
            Ok(_) => Ok(Written::Yes),
            Err(error) if is_conflict(&error) => Ok(Written::Conflict),
            Err(error) => Err(self.failed("update Secret", error)),
        }
    }

    pub(super) async fn publish(&self, public: Public<'_>) -> Result<Vec<String>, StoreError> {
        let anchors = Some((&self.names.anchors, &*public.anchors));
        let key_set = public.key_set.map(|text| (&self.names.key_set, text));
        let mut attempts = 1..=ATTEMPTS;
        loop {
            let copy = self.config_maps.get(NAME).await;
            let mut copy = copy.map_err(|error| self.failed("get ConfigMap", error))?;
            let data: &mut BTreeMap<_, _> = copy.data.get_or_insert_default();
            let mut stale = Vec::new();
            for (name, truth) in anchors.into_iter().chain(key_set) {
                if agreement::copy_is_stale(data.get(name).map(String::as_str), truth) {
                    data.insert(name.clone(), truth.to_owned());
                    stale.push(name.clone());
                }
            }
            if stale.is_empty() {
                return Ok(stale);
            }
            match self
                .config_maps
                .replace(NAME, &PostParams::default(), &copy)
                .await
            {
                Ok(_) => return Ok(stale),
                Err(error) if is_conflict(&error) && attempts.next().is_some() => {}
                Err(error) => return Err(self.failed("update ConfigMap", error)),
            }
        }
    }

    pub(super) async fn report(&self, repaired: &[String]) {
        if let Err(error) = self.tell(repaired).await {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(error, "the repair could not be told in an Event");
        }
    }

    /// The Event names the object by its UID too, by which tools look for it.
    async fn tell(&self, repaired: &[String]) -> Result<(), kube::Error> {
        let mut copy = self.config_maps.get(NAME).await?.object_ref(&());
        copy.namespace = Some(self.namespace.clone());
        let event = Event {
            type_: EventType::Warning,
            reason: "TrustBundleRepaired".to_owned(),
            note: Some(format!(
                "{} differed from Secret {NAME} and was written again; the Secret decides",
                repaired.join(" and ")
            )),
            action: "Repair".to_owned(),
            secondary: None,
        };
        self.events.publish(&event, &copy).await
    }

    async fn get(&self) -> Result<SecretObject, StoreError> {
        self.secrets
            .get(NAME)
            .await
            .map_err(|error| self.failed("get Secret", error))
    }

    fn failed(&self, doing: &'static str, source: kube::Error) -> StoreError {
        let namespace = self.namespace.clone();
        StoreError::Api {
            doing,
            name: NAME,
            namespace,
            source: Box::new(source),
        }
    }
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == CONFLICT)
}
