//! Looks after pods that will outlive the last root they know.
//!
//! Their pods are marked with a condition, and an Event is written, when that root has 60, 30
//! and 7 days left. Where the namespace allows it, their workloads are restarted: new pods learn
//! the roots of now. Several replicas may do this at once: the condition is written for the
//! version of the pod that was seen, and the restart writes the same text each time.

use std::{collections::BTreeSet, convert::Infallible, sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    runtime::events::{Event, EventType, Recorder},
};
use sentry_core::rotation::{KnownRoots, Nearness};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{
    Pods,
    sidecar::{CONDITION, Sidecar},
    workload::{self, Workload},
};
use crate::{authority::Authority, metrics::Metrics};

/// How often pods are looked over.
const TICK: Duration = Duration::from_mins(1);

/// Looks after pods that will outlive the last root they know.
pub struct Warden {
    client: Client,
    pods: Arc<Pods>,
    authority: Arc<Authority>,
    metrics: Metrics,
    events: Recorder,
}

// === impl Warden ===

impl Warden {
    /// A warden over these pods.
    pub fn new(
        client: Client,
        pods: Arc<Pods>,
        authority: Arc<Authority>,
        metrics: Metrics,
    ) -> Self {
        Self {
            events: Recorder::new(client.clone(), "dapr-sentry".into()),
            client,
            pods,
            authority,
            metrics,
        }
    }

    /// Looks after them until the process stops.
    ///
    /// # Errors
    /// None; a task must have an error type.
    pub async fn run(self, stopping: CancellationToken) -> Result<(), Infallible> {
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            () = self.pods.synced() => {}
        }
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                _ = ticks.tick() => self.look(Timestamp::now()).await,
            }
        }
    }

    /// Looks at all pods once.
    pub async fn look(&self, now: Timestamp) {
        let bundle = self.authority.roots();
        let near = |sidecar: &Sidecar| sidecar.roots.within(&bundle).nearness(now);
        let sidecars = self.pods.sidecars(|sidecar| near(sidecar).is_some());
        for nearness in Nearness::ALL {
            let count = sidecars
                .iter()
                .filter(|sidecar| near(sidecar) == Some(nearness));
            self.metrics.sidecars(nearness, count.count());
        }
        let mut helped = BTreeSet::new();
        for sidecar in &sidecars {
            let known = sidecar.roots.within(&bundle);
            if let Some(nearness) = near(sidecar) {
                self.tell(sidecar, &known, nearness, now).await;
            }
            // Only where a new pod would last longer than this one.
            if known.end() < bundle.end()
                && let Some(owner) = &sidecar.owner
            {
                helped.insert((sidecar.namespace.clone(), owner.clone()));
            }
        }
        self.restart(helped, &bundle, now).await;
    }

    async fn tell(
        &self,
        sidecar: &Sidecar,
        known: &KnownRoots,
        nearness: Nearness,
        now: Timestamp,
    ) {
        if sidecar.told.as_deref() == Some(nearness.name()) {
            return;
        }
        let end = known.end().map_or_else(
            || "no root that its sidecar knows is in the trust bundle any longer".to_owned(),
            |end| format!("the last root that its sidecar knows ends at {end}"),
        );
        let note = format!("{end}; restart the pod, and its sidecar learns the present ones");
        let told = async {
            self.mark(sidecar, nearness, &note, now).await?;
            let event = Event {
                type_: EventType::Warning,
                reason: "TrustAnchorsEnd".to_owned(),
                note: Some(note.clone()),
                action: "Look".to_owned(),
                secondary: None,
            };
            self.events.publish(&event, &reference(sidecar)).await
        };
        if let Err(error) = told.await {
            let (namespace, pod) = (&sidecar.namespace, &sidecar.pod);
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(error, namespace, pod, "{note}; the pod could not be marked");
        }
    }

    /// The version of the pod goes along: another replica that was first makes this one fail,
    /// and so there is one Event.
    async fn mark(
        &self,
        sidecar: &Sidecar,
        nearness: Nearness,
        note: &str,
        now: Timestamp,
    ) -> Result<(), kube::Error> {
        let condition = json!({
            "type": CONDITION,
            "status": "True",
            "reason": nearness.name(),
            "message": note,
            "lastTransitionTime": workload::seconds(now),
        });
        let patch = Patch::Strategic(json!({
            "metadata": {"resourceVersion": sidecar.version, "uid": sidecar.uid},
            "status": {"conditions": [condition]},
        }));
        let pods = Api::<Pod>::namespaced(self.client.clone(), &sidecar.namespace);
        let params = PatchParams::default();
        pods.patch_status(&sidecar.pod, &params, &patch).await?;
        Ok(())
    }

    async fn restart(
        &self,
        owners: BTreeSet<(String, (String, String))>,
        bundle: &KnownRoots,
        now: Timestamp,
    ) {
        let Some(mark) = bundle.last_fingerprint() else {
            return;
        };
        let mut restarted = BTreeSet::new();
        let mut windows = workload::Windows::new(self.client.clone());
        for (namespace, (kind, name)) in owners {
            if !windows.is_open(&namespace, now).await {
                continue;
            }
            match Workload::behind(&self.client, &namespace, &kind, &name).await {
                Ok(Some(workload)) => _ = restarted.insert(workload),
                Ok(None) => {}
                Err(error) => report(&error, &namespace, &name),
            }
        }
        for workload in restarted {
            let done = workload.restart(&self.client, &self.events, mark.short());
            if let Err(error) = done.await {
                report(&error, &workload.namespace, &workload.name);
            }
        }
    }
}

fn reference(sidecar: &Sidecar) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: Some(sidecar.pod.clone()),
        namespace: Some(sidecar.namespace.clone()),
        uid: sidecar.uid.clone(),
        ..ObjectReference::default()
    }
}

fn report(error: &(dyn std::error::Error + 'static), namespace: &str, name: &str) {
    tracing::warn!(
        error,
        namespace,
        name,
        "a workload whose sidecars know no lasting root could not be restarted"
    );
}
