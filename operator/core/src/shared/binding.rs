//! Workloads that use Dapr, reduced to what an instance needs to know.

use std::collections::BTreeMap;

use injector_core::shared::{API_TLS_SECRET, FUNCTION_CONTEXTS, INSTANCE, ask, function_app_id};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::function;
use super::kind::BoundKind;
use super::pods::Pods;
use crate::assignment::{APP_ID, ENABLED};

/// Which workload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BindingKey {
    /// Its kind.
    pub kind: BoundKind,
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

/// A workload that uses Dapr.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    pub(super) key: BindingKey,
    pub(super) uid: Box<str>,
    pub(super) created: Timestamp,
    /// Empty if it doesn't say.
    pub(super) app_id: Box<str>,
    /// The mode as its template says it, if it does.
    pub(super) mode: Option<Box<str>>,
    /// The settings of daprd: all annotations of Dapr that say more than that it is wanted, and
    /// ours about its ports.
    pub(super) settings: BTreeMap<String, String>,
    /// The service account of its pods.
    pub(super) account: Box<str>,
    /// What else its pods have that holds for daprd.
    pub(super) pods: Pods,
}

/// The part of an object that is read here. An object that has it otherwise is none of ours.
#[derive(Deserialize)]
struct Head {
    metadata: ObjectMeta,
}

/// The account of pods that name none.
const ACCOUNT: &str = "default";
const PREFIX: &str = "dapr.io/";

// === impl Binding ===

impl Binding {
    /// Reads a workload; none if it does not use Dapr, is over or leaving, is an instance itself,
    /// or was made by a workload that is read.
    pub fn read(kind: BoundKind, workload: &Value) -> Option<Self> {
        let function = (kind == BoundKind::Function).then(|| function::workload(workload));
        let workload = function.as_ref().unwrap_or(workload);
        let metadata = Head::deserialize(workload).ok()?.metadata;
        let template = kind.template(workload);
        let annotations = texts(&template["metadata"]["annotations"]);
        let labels = &template["metadata"]["labels"];
        let asked = ask(&annotations, |label| labels[label].is_string())?;
        let is_instance = labels[INSTANCE].is_string();
        if is_instance || is_over(kind, workload) || is_leaving(&metadata) {
            return None;
        }
        let key = key(kind, &metadata)?;
        let annotated = annotations.get(APP_ID).filter(|app_id| !app_id.is_empty());
        let named = || app_id_of_function(template, &key.namespace).filter(|_| asked.is_function);
        let account = template["spec"]["serviceAccountName"].as_str();
        Some(Self {
            uid: metadata.uid?.into(),
            created: metadata
                .creation_timestamp
                .map_or(Timestamp::MIN, |time| time.0),
            app_id: annotated.cloned().or_else(named).unwrap_or_default().into(),
            mode: asked.mode.map(Into::into),
            account: account
                .filter(|name| !name.is_empty())
                .unwrap_or(ACCOUNT)
                .into(),
            pods: Pods::read(&template["spec"]),
            settings: settings(&annotations),
            key,
        })
    }

    /// Which workload an object is, also one that does not use Dapr.
    pub fn key_of(kind: BoundKind, workload: &Value) -> Option<BindingKey> {
        key(kind, &Head::deserialize(workload).ok()?.metadata)
    }

    /// Which workload it is.
    pub fn key(&self) -> &BindingKey {
        &self.key
    }

    /// It, as the subject of an Event.
    pub(super) fn reference(&self) -> ObjectReference {
        let resource = self.key.kind.resource();
        ObjectReference {
            api_version: Some(resource.api_version()),
            kind: Some(resource.kind.to_owned()),
            namespace: Some(self.key.namespace.to_string()),
            name: Some(self.key.name.to_string()),
            uid: Some(self.uid.to_string()),
            ..ObjectReference::default()
        }
    }

    /// `Kind/name`.
    pub(super) fn label(&self) -> String {
        format!("{}/{}", self.key.kind.resource().kind, self.key.name)
    }

    /// Older ones first; the same for every reader.
    pub(super) fn seniority(&self) -> (Timestamp, &str) {
        (self.created, &self.uid)
    }
}

fn key(kind: BoundKind, metadata: &ObjectMeta) -> Option<BindingKey> {
    Some(BindingKey {
        kind,
        namespace: metadata.namespace.as_deref()?.into(),
        name: metadata.name.as_deref()?.into(),
    })
}

fn texts(map: &Value) -> BTreeMap<String, String> {
    BTreeMap::deserialize(map).unwrap_or_default()
}

fn settings(annotations: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is_daprs = |key: &str| key.starts_with(PREFIX) && key != ENABLED && key != APP_ID;
    let is_setting = |key: &str| is_daprs(key) || key == API_TLS_SECRET;
    let settings = annotations.iter().filter(|(key, _)| is_setting(key));
    settings
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// The app ID of a function of `OpenFunction`, by the context in one of its containers.
fn app_id_of_function(template: &Value, namespace: &str) -> Option<String> {
    let containers = template["spec"]["containers"].as_array()?;
    let variables = containers
        .iter()
        .filter_map(|container| container["env"].as_array())
        .flatten();
    let is_context = |variable: &&Value| {
        FUNCTION_CONTEXTS
            .iter()
            .any(|name| variable["name"] == *name)
    };
    let mut contexts = variables.filter(is_context);
    contexts.find_map(|context| function_app_id(context["value"].as_str()?, namespace))
}

/// A Job that ended has no pods any more that could ask for anything.
fn is_over(kind: BoundKind, workload: &Value) -> bool {
    let conditions = workload["status"]["conditions"].as_array();
    let ended = |condition: &Value| {
        condition["status"] == "True"
            && matches!(condition["type"].as_str(), Some("Complete" | "Failed"))
    };
    kind == BoundKind::Job && conditions.is_some_and(|all| all.iter().any(ended))
}

/// Also what is left to the workload that made it.
fn is_leaving(metadata: &ObjectMeta) -> bool {
    if metadata.deletion_timestamp.is_some() {
        return true;
    }
    let owners = metadata.owner_references.iter().flatten();
    let mut makers = owners.filter(|owner| owner.controller == Some(true));
    makers.any(|maker| {
        let group = maker
            .api_version
            .split_once('/')
            .map_or("", |(group, _)| group);
        BoundKind::is_followed(group, &maker.kind)
    })
}

#[cfg(test)]
#[path = "binding/tests.rs"]
mod tests;
