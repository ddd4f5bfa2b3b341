//! The objects that an instance is made of.

mod access;
mod lease;
mod policy;
mod services;
mod workload;

use std::collections::BTreeMap;

use injector_core::shared::INSTANCE;
use k8s_openapi::api::core::v1::{PodTemplateSpec, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::Serialize;
use serde_json::Value;

use super::exclusive::ExclusiveBindings;
use super::kind::ObjectKind;
use super::plan::Plan;
use super::seen::ObjectKey;
use super::tokens::{TIMES, Tokens};

/// An object as it is wanted, for server-side apply.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Which.
    pub key: ObjectKey,
    /// All of it.
    pub body: Value,
}

/// What objects depend on beside the plan.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Whether daprds talk to each other over TLS.
    pub mtls: bool,
    /// Version of the API server: major, minor.
    pub kubernetes: (u32, u32),
    /// Whether a sidecar of every bound workload could read any Secret of the namespace.
    pub secrets: bool,
    /// A digest of the Configuration of daprd, which is read at its start; a new one makes new pods.
    pub configuration: Option<String>,
    /// The revision of the app that the instances ask for, if it changed since there are any.
    pub revision: Option<Box<str>>,
    /// Of which bindings each instance gets a copy.
    pub exclusive: ExclusiveBindings,
}

/// The objects of an instance but its Secret, in the order in which they are made. `template` is
/// for the instance's pods.
///
/// # Errors
///
/// If one can't be written as JSON.
pub fn objects(
    plan: &Plan,
    template: PodTemplateSpec,
    surroundings: &Surroundings,
) -> Result<Vec<Wanted>, serde_json::Error> {
    use ObjectKind as Kind;
    let mut objects = Vec::new();
    if let Some(account) = access::account(plan) {
        objects.push(wanted(Kind::ServiceAccount, &account)?);
    }
    objects.push(wanted(Kind::Role, &access::role(plan, surroundings))?);
    objects.push(wanted(Kind::RoleBinding, &access::binding(plan))?);
    if let Some(lease) = lease::lease(plan, surroundings)? {
        objects.push(wanted(Kind::Lease, &lease)?);
    }
    for service in services::services(plan, surroundings) {
        objects.push(wanted(Kind::Service, &service)?);
    }
    objects.push(wanted(Kind::NetworkPolicy, &policy::network(plan))?);
    if let Some(budget) = policy::disruption(plan) {
        objects.push(wanted(Kind::PodDisruptionBudget, &budget)?);
    }
    let template = workload::template(template, surroundings);
    objects.push(match plan.workload_kind() {
        Kind::DaemonSet => wanted(Kind::DaemonSet, &workload::daemon_set(plan, template))?,
        _ => wanted(Kind::Deployment, &workload::deployment(plan, template))?,
    });
    if let Some(autoscaler) = workload::autoscaler(plan) {
        objects.push(wanted(Kind::HorizontalPodAutoscaler, &autoscaler)?);
    }
    Ok(objects)
}

/// The Secret of an instance.
///
/// # Errors
///
/// If it can't be written as JSON.
pub fn secret(plan: &Plan, tokens: &Tokens) -> Result<Wanted, serde_json::Error> {
    let secret = Secret {
        metadata: ObjectMeta {
            annotations: Some([(TIMES.to_owned(), tokens.times())].into()),
            ..metadata(plan, plan.names.token_secret())
        },
        data: Some(tokens.data()),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    };
    wanted(ObjectKind::Secret, &secret)
}

fn wanted(kind: ObjectKind, object: &impl Serialize) -> Result<Wanted, serde_json::Error> {
    let body = serde_json::to_value(object)?;
    let name = body["metadata"]["name"].as_str().unwrap_or_default().into();
    Ok(Wanted {
        key: ObjectKey { kind, name },
        body,
    })
}

fn metadata(plan: &Plan, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(plan.namespace.clone()),
        labels: Some(labels(plan)),
        owner_references: Some(vec![plan.owner()]),
        ..ObjectMeta::default()
    }
}

/// Labels of the instance's objects; its pods have them, too.
fn labels(plan: &Plan) -> BTreeMap<String, String> {
    BTreeMap::from([(INSTANCE.to_owned(), plan.names.app_id().to_owned())])
}

fn selector(plan: &Plan) -> LabelSelector {
    LabelSelector {
        match_labels: Some(labels(plan)),
        ..LabelSelector::default()
    }
}

#[cfg(test)]
mod tests;
