//! Deletes pods that asked for a sidecar and run without one, so that the injector gives one to
//! their replacements. Only the leader does, and only while the injector is there.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Api, Client};
use operator_core::watchdog::{self, Owners, SELECTOR, Schedule, Turn, Verdict};
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::object::is_absence;

/// Between attempts at a first pass.
const RETRY: Duration = Duration::from_secs(5);

/// A list in pages keeps the peak of memory low.
const PAGE: u32 = 500;

const INJECTOR: &str = "app=dapr-sidecar-injector";
const REASON: &str = "SidecarMissing";

/// What the watchdog was told to do.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    /// The namespace of the control plane, where the injector is.
    pub(crate) namespace: String,
    /// The namespace whose pods are looked at; all if there is none.
    pub(crate) watched: Option<String>,
    pub(crate) schedule: Schedule,
    /// Most deletions in a minute; 0 or less for no limit.
    pub(crate) per_minute: i64,
    /// Whether pods that have a sidecar are labelled, and so passed over from then on.
    pub(crate) label: bool,
}

/// Why a pass came to nothing.
#[derive(Debug, thiserror::Error)]
enum PassError {
    #[error("no injector is ready in namespace {0}: new pods would get no sidecar, either")]
    NoInjector(String),
    #[error("talk to the API server")]
    Api(#[from] kube::Error),
}

struct Watchdog {
    client: Client,
    orders: Orders,
    events: Recorder,
    owners: Owners,
    /// Pods that nothing would replace: in the last pass, and so far in this one.
    told: [BTreeSet<String>; 2],
    next_deletion: Instant,
}

/// Makes passes as the orders say, until `stopping`.
pub(crate) async fn watch(client: Client, orders: Orders, stopping: CancellationToken) {
    let watchdog = Watchdog::new(client, orders);
    stopping.run_until_cancelled(Box::pin(watchdog.run())).await;
}

// === impl Watchdog ===

impl Watchdog {
    fn new(client: Client, orders: Orders) -> Self {
        Self {
            events: Recorder::new(client.clone(), "dapr-operator".into()),
            client,
            orders,
            owners: Owners::default(),
            told: Default::default(),
            next_deletion: Instant::now(),
        }
    }

    /// The first pass is repeated until one succeeds; others are not made up for.
    async fn run(mut self) {
        while !self.succeeds().await {
            sleep(RETRY).await;
        }
        let Schedule::Every(period) = self.orders.schedule else {
            return;
        };
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            self.succeeds().await;
        }
    }

    async fn succeeds(&mut self) -> bool {
        let result = self.pass().await;
        if let Err(error) = &result {
            let error: &(dyn std::error::Error + 'static) = error;
            tracing::warn!(error, "pods without a sidecar could not be looked for");
        }
        result.is_ok()
    }

    async fn pass(&mut self) -> Result<(), PassError> {
        if !self.is_injector_ready().await? {
            return Err(PassError::NoInjector(self.orders.namespace.clone()));
        }
        for (namespace, name) in self.candidates().await? {
            let api: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
            match api.get(&name).await {
                Ok(pod) => self.judge(&api, &pod).await,
                Err(error) if is_absence(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.told = [std::mem::take(&mut self.told[1]), BTreeSet::new()];
        Ok(())
    }

    async fn is_injector_ready(&self) -> Result<bool, kube::Error> {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), &self.orders.namespace);
        let injectors = api.list(&ListParams::default().labels(INJECTOR)).await?;
        let ready = |it: &Deployment| it.status.as_ref().and_then(|it| it.ready_replicas);
        Ok(injectors.items.iter().filter_map(ready).any(|it| it >= 1))
    }

    /// Namespace and name of the pods that ask for a sidecar and are not known to have one. Their
    /// metadata tells so much; only of them is more read.
    async fn candidates(&self) -> Result<Vec<(String, String)>, kube::Error> {
        let api: Api<Pod> = match &self.orders.watched {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let mut params = ListParams::default().labels(SELECTOR).limit(PAGE);
        let mut candidates = Vec::new();
        loop {
            let page = api.list_metadata(&params).await?;
            let pods = page.items.into_iter().map(|pod| pod.metadata);
            let asking = pods.filter(watchdog::Pod::asks);
            candidates.extend(asking.filter_map(|it| Some((it.namespace?, it.name?))));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(candidates),
            }
        }
    }

    async fn judge(&mut self, api: &Api<Pod>, pod: &Pod) {
        let result = match watchdog::Pod(pod).verdict() {
            Verdict::Leave => Ok(()),
            Verdict::Label => self.label(api, pod).await,
            Verdict::Delete(owner) => self.delete(api, pod, &owner).await,
            Verdict::Tell => {
                self.tell(pod).await;
                Ok(())
            }
        };
        if let Err(error) = result {
            let error: &(dyn std::error::Error + 'static) = &error;
            let metadata = &pod.metadata;
            let (namespace, name) = (metadata.namespace.as_deref(), metadata.name.as_deref());
            tracing::warn!(error, namespace, name, "a pod could not be set right");
        }
    }

    async fn label(&self, api: &Api<Pod>, pod: &Pod) -> Result<(), kube::Error> {
        let Some(name) = pod.metadata.name.as_deref().filter(|_| self.orders.label) else {
            return Ok(());
        };
        let patch = json!({"metadata": {"labels": {"dapr.io/watchdog-patched": "true"}}});
        api.patch_metadata(name, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    async fn delete(
        &mut self,
        api: &Api<Pod>,
        pod: &Pod,
        owner: &watchdog::Owner,
    ) -> Result<(), kube::Error> {
        let (created, now) = (watchdog::Pod(pod).created(), now());
        let turn = self.owners.turn(&owner.uid, created, now);
        let Some(name) = pod.metadata.name.as_deref().filter(|_| turn != Turn::Wait) else {
            return Ok(());
        };
        sleep_until(self.next_deletion).await;
        let only_this = Preconditions {
            uid: pod.metadata.uid.clone(),
            resource_version: None,
        };
        let params = DeleteParams {
            preconditions: Some(only_this),
            ..DeleteParams::default()
        };
        api.delete(name, &params).await?;
        self.next_deletion = Instant::now() + self.spacing();
        self.owners.deleted(&owner.uid, turn, now);
        let note = note(name, turn);
        tracing::info!(namespace = pod.metadata.namespace, "{note}");
        self.publish(reference(pod, owner), note).await;
        Ok(())
    }

    /// Evenly spaced, never in a burst.
    fn spacing(&self) -> Duration {
        let per_minute = u32::try_from(self.orders.per_minute)
            .ok()
            .filter(|it| *it > 0);
        per_minute.map_or(Duration::ZERO, |number| Duration::from_mins(1) / number)
    }

    /// Nothing would take the place of the pod, so only people can help.
    async fn tell(&mut self, pod: &Pod) {
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        if !self.told[1].insert(uid.clone()) || self.told[0].contains(&uid) {
            return;
        }
        let alone = watchdog::Owner {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            name: pod.metadata.name.clone().unwrap_or_default(),
            uid,
        };
        let note = "this pod asks for a sidecar and has none, and nothing would replace it: delete \
                    it and create it again";
        self.publish(reference(pod, &alone), note.to_owned()).await;
    }

    async fn publish(&self, regarding: ObjectReference, note: String) {
        let event = Event {
            type_: EventType::Warning,
            reason: REASON.to_owned(),
            note: Some(note),
            action: "Look".to_owned(),
            secondary: None,
        };
        if let Err(error) = self.events.publish(&event, &regarding).await {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(error, "an Event could not be written");
        }
    }
}

fn note(name: &str, turn: Turn) -> String {
    let note = format!(
        "pod {name} asked for a sidecar and had none: deleted, so that its replacement gets one"
    );
    match turn {
        Turn::Again => format!(
            "{note}; it was a replacement itself, so see why the injector passes over it: the Events \
             and the warnings of the pods' maker, its namespace, its service account"
        ),
        Turn::First | Turn::Wait => note,
    }
}

fn reference(pod: &Pod, about: &watchdog::Owner) -> ObjectReference {
    ObjectReference {
        api_version: Some(about.api_version.clone()),
        kind: Some(about.kind.clone()),
        name: Some(about.name.clone()),
        namespace: pod.metadata.namespace.clone(),
        uid: Some(about.uid.clone()),
        ..ObjectReference::default()
    }
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[cfg(test)]
mod tests;
