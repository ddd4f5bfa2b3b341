//! Looks whether the Secrets that a resource refers to are there, and which keys they have. They are
//! asked for by name only, and nothing but the names of their keys is kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use operator_core::kind::Kind;
use operator_core::resource::Resource;
use operator_core::secrets;
use operator_core::status::{Presence, missing_key};

use crate::object::is_absence;

/// Objects that are looked at one after the other share what was seen.
const FRESH: Duration = Duration::from_secs(2);

/// Until a Secret that was missing is looked for again: this, then twice as long each time.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Until it is seen to that a Secret is still there with its keys.
const SETTLED: Duration = Duration::from_mins(10);

/// What was seen of Secrets not long ago.
pub(super) struct Lookup {
    client: Client,
    seen: HashMap<(Box<str>, Box<str>), Seen>,
}

#[derive(Clone)]
struct Seen {
    presence: Presence,
    at: Duration,
    wait: Duration,
}

/// What was found of the Secrets of a resource.
pub(super) struct Found {
    pub(super) secrets: BTreeMap<Box<str>, Presence>,
    /// When to look again; none if there is nothing to look for.
    pub(super) again: Option<Duration>,
    /// Whether the API server was called.
    pub(super) called: bool,
}

// === impl Lookup ===

impl Lookup {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            seen: HashMap::new(),
        }
    }

    /// Looks for the Kubernetes Secrets that a resource refers to.
    pub(super) async fn secrets(
        &mut self,
        resource: &Resource,
        now: Duration,
    ) -> Result<Found, kube::Error> {
        let mut found = Found {
            secrets: BTreeMap::new(),
            again: None,
            called: false,
        };
        for name in resource.secrets() {
            let key = (Box::from(resource.namespace()), name.clone());
            let fresh = self.fresh(&key, now);
            found.called |= fresh.is_none();
            let seen = match fresh {
                Some(seen) => seen,
                None => self.look(key, now).await?,
            };
            let again = found.again.map_or(seen.wait, |wait| wait.min(seen.wait));
            found.again = Some(again);
            found.secrets.insert(name.clone(), seen.presence);
        }
        if !found.secrets.is_empty()
            && missing_key(resource, &mut resource.to_value(), &found.secrets).is_some()
        {
            found.again = found.again.map(|wait| wait.min(LONGEST_WAIT));
        }
        Ok(found)
    }

    fn fresh(&self, key: &(Box<str>, Box<str>), now: Duration) -> Option<Seen> {
        let seen = self.seen.get(key).cloned();
        seen.filter(|seen| now.saturating_sub(seen.at) < FRESH)
    }

    async fn look(
        &mut self,
        key: (Box<str>, Box<str>),
        now: Duration,
    ) -> Result<Seen, kube::Error> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &key.0);
        let presence = match api.get(&key.1).await {
            Ok(secret) => Presence::There(keys(secret)),
            Err(error) if is_absence(&error) => Presence::Missing,
            Err(kube::Error::Api(status)) if status.code == 403 => Presence::Forbidden,
            Err(error) => return Err(error),
        };
        // What nothing refers to any longer is not asked for again, and forgotten.
        self.seen
            .retain(|_, seen| now.saturating_sub(seen.at) < SETTLED * 2);
        let before = self.seen.get(&key).filter(|seen| seen.presence == presence);
        let wait = match (&presence, before) {
            (Presence::There(_), _) => SETTLED,
            (_, None) => FIRST_WAIT,
            (_, Some(seen)) => (seen.wait * 2).min(LONGEST_WAIT),
        };
        let seen = Seen {
            presence,
            at: now,
            wait,
        };
        self.seen.insert(key, seen.clone());
        Ok(seen)
    }
}

fn keys(secret: Secret) -> BTreeSet<Box<str>> {
    let keys = secret.data.unwrap_or_default().into_keys();
    keys.map(Box::from).collect()
}

/// The secret store that a resource names, if it is not that of Kubernetes.
pub(super) fn foreign_store(resource: &Resource) -> Option<String> {
    // Most name none, and need not be read for that.
    if !contains(resource.json(), b"\"secretStore\"") {
        return None;
    }
    let object = resource.to_value();
    secrets::foreign_store(resource.kind(), &object).map(str::to_owned)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Whether a component is a secret store.
pub(super) fn is_secret_store(component: &Resource) -> bool {
    let object = component.to_value();
    let kind = object["spec"]["type"].as_str().unwrap_or_default();
    component.kind() == Kind::Component && kind.starts_with("secretstores.")
}
