//! The Lease of an instance: who leads, and which bindings are exclusive.

use std::{collections::BTreeMap, pin::pin, sync::Arc, time::Duration};

use futures::StreamExt;
use k8s_openapi::{
    api::coordination::v1::Lease as Object, apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{
    Api, Error, ResourceExt,
    api::{ListParams, PostParams},
};
use process::kubernetes::{Event, watch};
use proxy_core::{
    exclusive::{Bindings, EXCLUSIVE},
    leader::{LASTS, Lease, Step},
    learnt::REVISION,
};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Exclusive;

/// Who we are to the API server when we write.
const FIELD_MANAGER: &str = "trilby-proxy";
/// How long until a write that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
const FAR: Duration = Duration::from_hours(1);

/// The Lease, as it was last heard of.
struct Followed<'a> {
    exclusive: &'a Exclusive,
    api: Api<Object>,
    known: Option<Object>,
    /// After a failed write.
    pause: Option<Instant>,
}

/// Follows the Lease, holds it if nobody else does and there is a reason to, and gives it up when
/// `draining` begins; until it is stopping.
pub async fn follow(
    exclusive: Arc<Exclusive>,
    api: Api<Object>,
    name: String,
    draining: CancellationToken,
    stopping: CancellationToken,
) {
    let params = ListParams::default().fields(&format!("metadata.name={name}"));
    let mut events = pin!(watch(api.clone(), params));
    let mut wishes = exclusive.wishes.subscribe();
    let mut lease = Followed {
        exclusive: &exclusive,
        api,
        known: None,
        pause: None,
    };
    loop {
        let leaves = draining.is_cancelled() || stopping.is_cancelled();
        let until = lease.act(!leaves).await;
        if stopping.is_cancelled() {
            return;
        }
        tokio::select! {
            Some(event) = events.next() => lease.take(event),
            () = sleep_until(until) => lease.pause = None,
            () = draining.cancelled(), if !leaves => {}
            // The sender is part of `exclusive`.
            _ = wishes.changed() => {}
            () = stopping.cancelled() => {}
        }
    }
}

// === impl Followed ===

impl Followed<'_> {
    fn take(&mut self, event: Event<Object>) {
        match event {
            Event::Reset(objects) => self.learn(objects.into_iter().next()),
            Event::Apply(object) => self.learn(Some(object)),
            Event::Delete(_) => self.learn(None),
        }
    }

    /// What a watch tells may be older than what a write answered.
    fn learn(&mut self, object: Option<Object>) {
        if let (Some(known), Some(object)) = (&self.known, &object)
            && version(object) < version(known)
            && known.metadata.uid == object.metadata.uid
        {
            return;
        }
        let of = object.as_ref();
        self.exclusive.observe(
            of.map(bindings).unwrap_or_default(),
            of.map(lease).unwrap_or_default(),
        );
        self.known = object;
    }

    /// Does what is to be done now; until when there is nothing else to do.
    async fn act(&mut self, stays: bool) -> Instant {
        loop {
            let object = match self.due(stays) {
                Ok(object) => object,
                Err(until) => return until,
            };
            if let Some(pause) = self.pause.filter(|pause| *pause > Instant::now()) {
                return pause;
            }
            match self.write(object).await {
                Ok(object) => self.learn(Some(object)),
                Err(error) => {
                    complain(&error);
                    let pause = Instant::now() + RETRY;
                    self.pause = Some(pause);
                    return pause;
                }
            }
        }
    }

    /// The Lease as it has to be written, or when to look again.
    fn due(&self, stays: bool) -> Result<Object, Instant> {
        let far = || Instant::now() + FAR;
        let known = self.known.clone().ok_or_else(far)?;
        if let Some(revised) = self.revised(&known).filter(|_| stays) {
            return Ok(revised);
        }
        match self.exclusive.next(stays) {
            Step::Wait(until) => Err(until.map_or_else(far, Instant::from_std)),
            Step::Hold => Ok(held_by(known, Some(self.exclusive.name()))),
            Step::Release => Ok(held_by(known, None)),
        }
    }

    /// If the app has to be asked anew and nobody said so yet. Once the Lease says another revision
    /// than the one that this instance began with, it is about to be replaced.
    fn revised(&self, known: &Object) -> Option<Object> {
        let (own, wish) = (&self.exclusive.revision, *self.exclusive.wishes.borrow());
        let said = known.annotations().get(REVISION).map_or("", String::as_str);
        let next = wish.filter(|_| said == own)?.after(own);
        tracing::info!(
            revision = next,
            "the app says other things than daprd was told"
        );
        let mut revised = known.clone();
        revised.annotations_mut().insert(REVISION.to_owned(), next);
        Some(revised)
    }

    /// The Lease after the write; if somebody else wrote first, what he wrote.
    async fn write(&self, object: Object) -> Result<Object, Error> {
        let (name, params) = (
            object.name_any(),
            PostParams {
                field_manager: Some(FIELD_MANAGER.to_owned()),
                ..PostParams::default()
            },
        );
        match self.api.replace(&name, &params, &object).await {
            Err(Error::Api(status)) if status.code == 409 => self.api.get(&name).await,
            written => written,
        }
    }
}

fn complain(error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(error, "the Lease could not be written; retrying");
}

fn version(object: &Object) -> Option<u64> {
    object.metadata.resource_version.as_ref()?.parse().ok()
}

fn lease(object: &Object) -> Lease {
    let spec = object.spec.clone().unwrap_or_default();
    let renewed = spec.renew_time.map(|time| time.0.to_string());
    Lease {
        holder: spec.holder_identity.unwrap_or_default().into(),
        renewed: renewed.unwrap_or_default().into(),
    }
}

/// What can't be read is not exclusive: rather twice than never.
fn bindings(object: &Object) -> Bindings {
    let Some(text) = object.annotations().get(EXCLUSIVE) else {
        return Bindings::default();
    };
    let routes: Result<BTreeMap<String, String>, _> = serde_json::from_str(text);
    let routes = routes.inspect_err(|error| {
        tracing::warn!(%error, "which bindings are exclusive can't be read");
    });
    Bindings::new(routes.unwrap_or_default())
}

fn held_by(mut object: Object, holder: Option<String>) -> Object {
    let now = MicroTime(Timestamp::now());
    let spec = object.spec.get_or_insert_default();
    if spec.holder_identity != holder {
        spec.acquire_time = holder.is_some().then(|| now.clone());
        spec.lease_transitions = Some(spec.lease_transitions.unwrap_or_default() + 1);
    }
    spec.holder_identity = holder;
    spec.lease_duration_seconds = i32::try_from(LASTS.as_secs()).ok();
    spec.renew_time = Some(now);
    object
}
