//! Tells the workloads whose app ID another one has.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder};
use operator_core::service::{Key, Loser};

/// Who was told already, by UID: once for as long as it lasts.
pub(super) struct Contests {
    events: Recorder,
    told: BTreeMap<Key, BTreeSet<String>>,
}

// === impl Contests ===

impl Contests {
    pub(super) fn new(client: Client) -> Self {
        Self {
            events: Recorder::new(client, "dapr-operator".into()),
            told: BTreeMap::new(),
        }
    }

    /// Takes note of those that go without a Service. What is to be done about it is answered.
    pub(super) fn take(
        &mut self,
        key: &Key,
        losers: Vec<Loser>,
    ) -> Vec<impl Future<Output = ()> + use<>> {
        let before = self.told.remove(key).unwrap_or_default();
        if losers.is_empty() {
            return Vec::new();
        }
        let now = losers.iter().map(|loser| loser.owner.uid.clone());
        self.told.insert(key.clone(), now.collect());
        let new = losers
            .into_iter()
            .filter(|loser| !before.contains(&loser.owner.uid));
        new.map(|loser| tell(self.events.clone(), key.clone(), loser))
            .collect()
    }
}

async fn tell(events: Recorder, key: Key, loser: Loser) {
    let Loser { owner, reason } = loser;
    tracing::warn!(
        namespace = &*key.namespace,
        workload = owner.name,
        "{reason}"
    );
    let regarding = ObjectReference {
        api_version: Some(owner.api_version),
        kind: Some(owner.kind),
        name: Some(owner.name),
        namespace: Some(key.namespace.into()),
        uid: Some(owner.uid),
        ..ObjectReference::default()
    };
    let event = Event {
        type_: EventType::Warning,
        reason: "AppIdTaken".to_owned(),
        note: Some(reason),
        action: "Serve".to_owned(),
        secondary: None,
    };
    if let Err(error) = events.publish(&event, &regarding).await {
        let error: &(dyn std::error::Error + 'static) = &error;
        tracing::warn!(error, "an Event could not be written");
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
    use serde_json::json;

    use super::*;
    use crate::fixtures::answers;

    fn loser(name: &str) -> Loser {
        Loser {
            owner: OwnerReference {
                name: name.to_owned(),
                uid: name.to_owned(),
                ..OwnerReference::default()
            },
            reason: "taken".to_owned(),
        }
    }

    #[tokio::test]
    async fn each_is_told_once_for_as_long_as_it_lasts() {
        let script = answers(|_, _| (201, json!({"metadata": {"name": "event"}})));
        let mut contests = Contests::new(script.client());
        let key = Key {
            namespace: "shop".into(),
            name: "checkout-dapr".into(),
        };
        let steps = [vec!["a"], vec!["a"], vec!["a", "b"], vec![], vec!["a"]];
        let mut told = Vec::new();
        for names in steps {
            let telling = contests.take(&key, names.into_iter().map(loser).collect());
            told.push(telling.len());
            futures::future::join_all(telling).await;
        }
        assert_eq!(told, [1, 0, 1, 0, 1]);
        assert_eq!(script.bodies()[0]["reason"], "AppIdTaken");
        assert_eq!(script.bodies()[0]["regarding"]["name"], "a");
    }
}
