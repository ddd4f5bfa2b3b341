//! What a `SharedInstance` says of itself.

use crds::shared_instance::SharedInstance;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::jiff::SignedDuration;
use kube_core::Resource as _;

use super::{MANAGED_BY, MANAGER};

/// How long an instance that was made for annotations outlives the last of its workloads, if
/// nobody says.
const IDLE: SignedDuration = SignedDuration::from_mins(10);

/// The instance, as the subject of an Event.
pub(super) fn reference(instance: &SharedInstance) -> ObjectReference {
    ObjectReference {
        api_version: Some(SharedInstance::api_version(&()).into_owned()),
        kind: Some(SharedInstance::kind(&()).into_owned()),
        namespace: instance.metadata.namespace.clone(),
        name: instance.metadata.name.clone(),
        uid: instance.metadata.uid.clone(),
        ..ObjectReference::default()
    }
}

/// Whether it was made for annotations.
pub(super) fn is_managed(instance: &SharedInstance) -> bool {
    let labels = instance.metadata.labels.as_ref();
    labels
        .and_then(|labels| labels.get(MANAGED_BY))
        .is_some_and(|value| value == MANAGER)
}

/// How long it stays when nothing uses it.
pub(super) fn idle_after(instance: &SharedInstance) -> SignedDuration {
    let idle = instance.spec.as_ref().and_then(|spec| spec.idle.as_ref());
    duration(idle.and_then(|idle| idle.after.as_deref())).unwrap_or(IDLE)
}

/// A Go duration; none if it cannot be read, which the API server sees to.
pub(super) fn duration(text: Option<&str>) -> Option<SignedDuration> {
    let parsed: config::GoDuration = text?.parse().ok()?;
    SignedDuration::try_from(parsed.as_std()?).ok()
}
