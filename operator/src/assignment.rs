//! Reads which Configuration the pods of an app name.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, PartialObjectMeta};
use kube::{Api, Client};
use operator_core::assignment::{self, APP_ID};

/// Reads which Configuration the pods of an app name: metadata only, when it is asked for.
#[derive(Clone)]
pub struct Assignments {
    client: Client,
    namespace: Option<String>,
}

/// Longest value of a label.
const LONGEST_LABEL: usize = 63;

// === impl Assignments ===

impl Assignments {
    /// Reads through a client, in one namespace if it is given.
    pub fn new(client: Client, namespace: Option<String>) -> Self {
        Self { client, namespace }
    }

    /// The name of the Configuration; none if no pod of the app names one.
    ///
    /// # Errors
    ///
    /// If the pods cannot be listed.
    pub async fn of(&self, namespace: &str, app_id: &str) -> Result<Option<String>, kube::Error> {
        let api: Api<Pod> = match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let listed = api
            .list_metadata(&selection(namespace, app_id))
            .await?
            .items;
        let none = BTreeMap::new();
        let pods = listed.iter().filter_map(|pod| read(pod, namespace, &none));
        Ok(assignment::assigned(pods, app_id).map(str::to_owned))
    }
}

/// The injector labels pods with their app ID, so that few need to be sent. What cannot be a
/// label is looked for among all pods of the namespace.
fn selection(namespace: &str, app_id: &str) -> ListParams {
    let params = ListParams::default().fields(&format!("metadata.namespace={namespace}"));
    if is_label(app_id) {
        params.labels(&format!("{APP_ID}={app_id}"))
    } else {
        params
    }
}

/// App IDs come from SPIFFE IDs, whose characters are those of labels.
fn is_label(app_id: &str) -> bool {
    let ends = [app_id.chars().next(), app_id.chars().next_back()];
    app_id.len() <= LONGEST_LABEL && ends.iter().flatten().all(char::is_ascii_alphanumeric)
}

/// Servers may pass over selections, so the namespace is looked at again.
fn read<'a>(
    pod: &'a PartialObjectMeta<Pod>,
    namespace: &str,
    none: &'a BTreeMap<String, String>,
) -> Option<assignment::Pod<'a>> {
    let metadata = &pod.metadata;
    let name = metadata.name.as_deref()?;
    let annotations = metadata.annotations.as_ref().unwrap_or(none);
    let here = metadata.namespace.as_deref() == Some(namespace);
    here.then_some(assignment::Pod { name, annotations })
}
