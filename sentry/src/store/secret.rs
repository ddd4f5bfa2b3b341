//! The bundle in a Secret, the truth, with a public copy of its trust anchors in a `ConfigMap`.
//!
//! The chart makes both. One that was deleted meanwhile is made again.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret as SecretObject},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Resource as _,
    api::PostParams,
    runtime::events::{Event, EventType, Recorder},
};
use sentry_core::{
    agreement::{self, Names, Stored},
    rotation::{self, State, Wishes},
};
use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use crate::kubernetes::{self, Reach};

use super::{Contents, Notice, Public, StoreError, Written};

/// Name of both objects.
const NAME: &str = "dapr-trust-bundle";

/// An object changed between reading and writing it, or is there already.
const CONFLICT: u16 = 409;

/// How often a copy that others write too is tried.
const ATTEMPTS: usize = 5;

/// Asks for a rotation, with a text that was not there before.
const ROTATE: &str = "trilby.dev/rotate";

/// Gives up the roots of earlier authorities.
const FORGET_ROOTS: &str = "trilby.dev/forget-roots";

/// A Secret as it was read.
pub struct Seen {
    object: SecretObject,
    names: Names,
}

/// The bundle in a Secret, with a public copy of the trust anchors.
pub struct Secret {
    secrets: Api<SecretObject>,
    config_maps: Api<ConfigMap>,
    events: Recorder,
    client: Client,
    reach: Reach,
    names: Names,
}

// === impl Secret ===

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Secret")
            .field("namespace", &self.reach.own)
            .finish_non_exhaustive()
    }
}

impl Secret {
    /// The bundle in the Secret of sentry's own namespace, under these keys.
    pub fn new(client: Client, reach: Reach, names: Names) -> Self {
        let namespace = &reach.own;
        Self {
            secrets: Api::namespaced(client.clone(), namespace),
            config_maps: Api::namespaced(client.clone(), namespace),
            events: Recorder::new(client.clone(), "dapr-sentry".into()),
            client,
            reach,
            names,
        }
    }

    pub(super) async fn read(&self) -> Result<(Stored, Seen), StoreError> {
        let object = self.get().await?;
        let names = self.names.or_tls(|name| is_filled(&object, name));
        let take = |name: &String| {
            let text = object.data.as_ref()?.get(name);
            text.map(|ByteString(text)| text.clone())
        };
        let annotation = |name: &str| object.metadata.annotations.as_ref()?.get(name).cloned();
        let stored = Stored {
            anchors: take(&names.anchors),
            issuer_chain: take(&names.issuer_chain),
            issuer_key: take(&names.issuer_key).map(Zeroizing::new),
            jwt_key: take(&names.jwt_key).map(Zeroizing::new),
            key_set: take(&names.key_set),
            state: take(&rotation::KEY.to_owned()).and_then(|text| state(&Zeroizing::new(text))),
            wishes: Wishes {
                rotate: annotation(ROTATE),
                forget: annotation(FORGET_ROOTS).is_some_and(|text| config::truthy(&text)),
            },
        };
        Ok((stored, Seen { object, names }))
    }

    /// The version that was read goes along, so that of several replicas one wins.
    pub(super) async fn write(
        &self,
        seen: Seen,
        contents: Contents<'_>,
    ) -> Result<Written, StoreError> {
        let Seen { mut object, names } = seen;
        let data = object.data.get_or_insert_default();
        let mut put = |name: &str, text: Vec<u8>| data.insert(name.to_owned(), ByteString(text));
        if let Some(parts) = contents.bundle {
            put(&names.anchors, parts.anchors.clone());
            put(&names.issuer_chain, parts.issuer_chain.clone());
            put(&names.issuer_key, parts.issuer_key.to_vec());
        }
        if let Some(state) = contents.state {
            put(rotation::KEY, state.write()?.to_vec());
        }
        if let Some(parts) = contents.tokens {
            put(&names.jwt_key, parts.key.to_vec());
            put(&names.key_set, parts.key_set.clone());
        }
        self.replace(&object).await
    }

    pub(super) async fn is_orphaned(&self) -> Result<bool, StoreError> {
        let text = self
            .copy()
            .await?
            .data
            .unwrap_or_default()
            .remove(&self.names.anchors);
        Ok(text.is_some_and(|text| agreement::copy_tells_of_a_root(&text)))
    }

    pub(super) async fn trusting(&self, now: Timestamp) -> Result<Option<String>, StoreError> {
        let trusting = kubernetes::trusting(self.client.clone(), &self.reach, now).await;
        trusting.map_err(|source| StoreError::Pods(Box::new(source)))
    }

    async fn replace(&self, secret: &SecretObject) -> Result<Written, StoreError> {
        put(&self.secrets, secret)
            .await
            .map_err(|error| self.failed("update Secret", error))
    }

    pub(super) async fn publish(&self, public: Public<'_>) -> Result<Vec<String>, StoreError> {
        let anchors = Some((&self.names.anchors, &*public.anchors));
        let key_set = public.key_set.map(|text| (&self.names.key_set, text));
        let mut attempts = 1..=ATTEMPTS;
        loop {
            let mut copy = self.copy().await?;
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
            let written = put(&self.config_maps, &copy).await;
            match written.map_err(|error| self.failed("update ConfigMap", error))? {
                Written::Yes => return Ok(stale),
                Written::Conflict if attempts.next().is_some() => {}
                Written::Conflict => return Err(StoreError::Contended),
            }
        }
    }

    pub(super) async fn report(&self, notice: Notice) {
        let reason = notice.reason;
        if let Err(error) = self.tell(notice).await {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(error, reason, "an Event could not be written");
        }
    }

    /// The Event names the object by its UID too, by which tools look for it. It is about the
    /// copy: everybody may see that one.
    async fn tell(&self, notice: Notice) -> Result<(), kube::Error> {
        let mut copy = self.config_maps.get(NAME).await?.object_ref(&());
        copy.namespace = Some(self.reach.own.clone());
        let event = Event {
            type_: if notice.is_warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: notice.reason.to_owned(),
            note: Some(notice.note),
            action: "Keep".to_owned(),
            secondary: None,
        };
        self.events.publish(&event, &copy).await
    }

    /// An empty one if there is none.
    async fn get(&self) -> Result<SecretObject, StoreError> {
        let found = self.secrets.get_opt(NAME).await;
        let found = found.map_err(|error| self.failed("get Secret", error))?;
        Ok(found.unwrap_or_else(|| SecretObject {
            metadata: metadata(),
            ..SecretObject::default()
        }))
    }

    /// The public copy; an empty one if there is none.
    async fn copy(&self) -> Result<ConfigMap, StoreError> {
        let found = self.config_maps.get_opt(NAME).await;
        let found = found.map_err(|error| self.failed("get ConfigMap", error))?;
        Ok(found.unwrap_or_else(|| ConfigMap {
            metadata: metadata(),
            ..ConfigMap::default()
        }))
    }

    fn failed(&self, doing: &'static str, source: kube::Error) -> StoreError {
        let namespace = self.reach.own.clone();
        StoreError::Api {
            doing,
            name: NAME,
            namespace,
            source: Box::new(source),
        }
    }
}

/// As the chart has it: whoever removes the release leaves the bundle.
fn metadata() -> ObjectMeta {
    let entry = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
    ObjectMeta {
        name: Some(NAME.to_owned()),
        labels: Some(entry("app", "dapr-sentry")),
        annotations: Some(entry("helm.sh/resource-policy", "keep")),
        ..ObjectMeta::default()
    }
}

/// Replaces the version that was read; makes the object if none was.
async fn put<K>(api: &Api<K>, object: &K) -> Result<Written, kube::Error>
where
    K: kube::Resource + Clone + fmt::Debug + Serialize + DeserializeOwned,
{
    let written = if object.meta().resource_version.is_some() {
        api.replace(NAME, &PostParams::default(), object).await
    } else {
        api.create(&PostParams::default(), object).await
    };
    match written {
        Ok(_) => Ok(Written::Yes),
        Err(error) if is_conflict(&error) => Ok(Written::Conflict),
        Err(error) => Err(error),
    }
}

fn is_filled(secret: &SecretObject, name: &str) -> bool {
    let data = secret.data.as_ref();
    data.and_then(|data| data.get(name))
        .is_some_and(|ByteString(text)| !text.is_empty())
}

/// What can't be read is remembered anew: the bundle itself is all that certificates need.
fn state(text: &[u8]) -> Option<State> {
    match State::read(text) {
        Ok(state) => Some(state),
        Err(error) => {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::error!(error, "what was remembered of rotations is lost");
            None
        }
    }
}

// === impl Seen ===

impl fmt::Debug for Seen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Seen(..)")
    }
}

impl Seen {
    pub(super) fn names(&self) -> &Names {
        &self.names
    }
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == CONFLICT)
}
