//! What is told about a pod that asked for a sidecar and has none, as an Event for its maker.
//!
//! Most pods are made by a controller, which keeps the warnings of a response to itself.

use k8s_openapi::api::core::v1::ObjectReference;
use serde::Deserialize;

use crate::{
    Denial, Request, Warning,
    pod::{Owner, nullable},
};

/// Longest note of an Event, in bytes (Kubernetes: `pkg/apis/core/validation/events.go`).
const LONGEST_NOTE: usize = 1024;

/// An Event to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// What it is about: the pod's maker, or the pod if nobody else made it.
    pub regarding: ObjectReference,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, and what to do about it.
    pub note: String,
}

#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default, deserialize_with = "nullable")]
    name: String,
    #[serde(default, deserialize_with = "nullable")]
    generate_name: String,
    #[serde(default, deserialize_with = "nullable")]
    owner_references: Vec<NamedOwner>,
}

#[derive(Deserialize)]
struct NamedOwner {
    #[serde(flatten)]
    owner: Owner,
    name: String,
    uid: String,
}

// === impl Notice ===

impl Notice {
    /// About a pod that was let through without a sidecar; none if nobody has to know.
    pub fn skipped(request: &Request<'_>, warnings: &[Warning]) -> Option<Self> {
        if warnings.is_empty() {
            return None;
        }
        let texts: Vec<_> = warnings.iter().map(Warning::as_str).collect();
        Self::new(request, "SidecarSkipped", texts.join("\n"))
    }

    /// About a pod that was refused.
    pub fn refused(request: &Request<'_>, denial: &Denial) -> Option<Self> {
        Self::new(request, "SidecarRefused", denial.to_string())
    }

    /// None if the request is a rehearsal, or doesn't say what it is about.
    fn new(request: &Request<'_>, reason: &'static str, mut note: String) -> Option<Self> {
        if request.dry_run {
            return None;
        }
        note.truncate(note.floor_char_boundary(LONGEST_NOTE));
        Some(Self {
            regarding: regarding(request)?,
            reason,
            note,
        })
    }
}

fn regarding(request: &Request<'_>) -> Option<ObjectReference> {
    let object: Object = serde_json::from_str(request.object?.get()).ok()?;
    let metadata = object.metadata;
    let maker = metadata
        .owner_references
        .into_iter()
        .find(|one| one.owner.controller);
    let about = match maker {
        Some(maker) => ObjectReference {
            api_version: Some(maker.owner.api_version),
            kind: Some(maker.owner.kind),
            name: Some(maker.name),
            uid: Some(maker.uid),
            ..ObjectReference::default()
        },
        None => pod(&metadata.name, &metadata.generate_name),
    };
    let names = [Some(request.namespace.as_str()), about.name.as_deref()];
    names
        .iter()
        .flatten()
        .all(|name| is_name(name))
        .then(|| ObjectReference {
            namespace: Some(request.namespace.clone()),
            ..about
        })
}

/// A pod that nobody named yet goes by the beginning of its name.
fn pod(name: &str, beginning: &str) -> ObjectReference {
    let name = if name.is_empty() { beginning } else { name };
    ObjectReference {
        api_version: Some("v1".into()),
        kind: Some("Pod".into()),
        name: Some(name.trim_end_matches(['-', '.']).into()),
        ..ObjectReference::default()
    }
}

/// Names become parts of a path, and come from whoever can reach the webhook.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inner = |byte: u8| plain(byte) || byte == b'-' || byte == b'.';
    name.bytes().all(inner)
        && name.bytes().next().is_some_and(plain)
        && name.bytes().next_back().is_some_and(plain)
        && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn notice(metadata: &Value, namespace: &str, dry_run: bool, text: &str) -> Option<Notice> {
        let request = json!({"namespace": namespace, "dryRun": dry_run,
            "object": {"metadata": metadata}});
        let request = request.to_string();
        let request: Request<'_> = serde_json::from_str(&request).unwrap();
        Notice::skipped(&request, &[Warning::new(text)])
    }

    #[rstest]
    #[case::maker(json!({"generateName": "web-1-", "ownerReferences": [
            {"apiVersion": "v1", "kind": "Other", "name": "other", "uid": "u0"},
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "u1", "controller": true}]}),
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "u1", "namespace": "shop"}))]
    #[case::pod(json!({"name": "p"}),
        json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "namespace": "shop"}))]
    #[case::unnamed(json!({"generateName": "web-"}),
        json!({"apiVersion": "v1", "kind": "Pod", "name": "web", "namespace": "shop"}))]
    fn is_about_the_maker(#[case] metadata: Value, #[case] expected: Value) {
        let notice = notice(&metadata, "shop", false, "why").unwrap();
        assert_eq!(serde_json::to_value(notice.regarding).unwrap(), expected);
        assert_eq!(
            (notice.reason, notice.note.as_str()),
            ("SidecarSkipped", "why")
        );
    }

    #[rstest]
    #[case::rehearsal(json!({"name": "p"}), "shop", true)]
    #[case::no_name(json!({}), "shop", false)]
    #[case::path(json!({"name": "p"}), "shop/../x", false)]
    #[case::no_namespace(json!({"name": "p"}), "", false)]
    #[case::odd_name(json!({"name": "a/b"}), "shop", false)]
    fn is_left_out(#[case] metadata: Value, #[case] namespace: &str, #[case] dry_run: bool) {
        assert_eq!(notice(&metadata, namespace, dry_run, "why"), None);
    }

    #[test]
    fn is_cut_to_what_an_event_takes() {
        let notice = notice(&json!({"name": "p"}), "shop", false, &"ä".repeat(2000)).unwrap();
        assert_eq!(notice.note.len(), LONGEST_NOTE);
    }
}
