//! Which pods run an app. Only their metadata is asked for, and of that only names are kept.

use std::borrow::Cow;

use futures::stream::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, ObjectMeta};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use operator_core::assignment::APP_ID;
use operator_core::status::PodKey;
use process::kubernetes::{Event, watch};
use serde::{Deserialize, Deserializer};

/// What was seen.
pub(super) enum Seen {
    /// All pods with an app, and its ID.
    All(Vec<(PodKey, Box<str>)>),
    One(PodKey, Box<str>),
    Gone(PodKey),
}

/// A pod as far as it matters here: of a big cluster only this is ever in memory.
#[derive(Clone, Debug)]
struct Named {
    metadata: ObjectMeta,
    app_id: Option<Box<str>>,
}

/// Follows the pods that the injector labelled with their app ID, for ever.
pub(super) fn follow(
    client: Client,
    namespace: Option<&str>,
) -> impl Stream<Item = Seen> + Send + use<> {
    let api: Api<Named> = match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let events = watch(api, ListParams::default().labels(APP_ID));
    events.filter_map(async |event| seen(event))
}

fn seen(event: Event<Named>) -> Option<Seen> {
    Some(match event {
        Event::Reset(pods) => Seen::All(pods.into_iter().filter_map(read).collect()),
        Event::Apply(pod) => {
            let (key, id) = read(pod)?;
            Seen::One(key, id)
        }
        Event::Delete(pod) => Seen::Gone(read(pod)?.0),
    })
}

fn read(pod: Named) -> Option<(PodKey, Box<str>)> {
    let (namespace, name) = (pod.metadata.namespace?, pod.metadata.name?);
    Some(((namespace.into(), name.into()), pod.app_id?))
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Object {
            metadata: Metadata,
        }
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Metadata {
            name: Option<String>,
            namespace: Option<String>,
            resource_version: Option<String>,
            labels: Option<Labels>,
        }
        #[derive(Deserialize)]
        struct Labels {
            #[serde(rename = "dapr.io/app-id")]
            app_id: Option<Box<str>>,
        }
        let metadata = Object::deserialize(deserializer)?.metadata;
        Ok(Self {
            metadata: ObjectMeta {
                name: metadata.name,
                namespace: metadata.namespace,
                resource_version: metadata.resource_version,
                ..ObjectMeta::default()
            },
            app_id: metadata.labels.and_then(|labels| labels.app_id),
        })
    }
}

impl Resource for Named {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        Pod::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        Pod::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        Pod::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        Pod::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }

    fn metadata_api() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    #[rstest]
    #[case(json!({"name": "p", "namespace": "shop", "labels": {"dapr.io/app-id": "a", "b": "c"}}), Some("a"))]
    #[case(json!({"name": "p", "namespace": "shop", "labels": {"b": "c"}}), None)]
    #[case(json!({"name": "p", "namespace": "shop", "labels": null}), None)]
    #[case(json!({"name": "p", "labels": {"dapr.io/app-id": "a"}}), None)]
    fn the_label_names_the_app(#[case] metadata: Value, #[case] expected: Option<&str>) {
        let pod = json!({"kind": "PartialObjectMetadata", "metadata": metadata});
        let pod: Named = serde_json::from_value(pod).unwrap();
        let expected = expected.map(|id| (("shop".into(), "p".into()), id.into()));
        assert_eq!(read(pod), expected);
    }

    #[test]
    fn only_metadata_is_asked_for() {
        assert!(Named::metadata_api());
    }
}
