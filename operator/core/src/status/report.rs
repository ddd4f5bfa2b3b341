//! From what is known to the conditions of a status.

use std::collections::{BTreeMap, BTreeSet};

use crds::status::Condition;
use serde_json::Value;

use super::apps::{App, Apps};
use super::problems::problems;
use crate::kind::Kind;
use crate::resource::Resource;
use crate::secrets::{foreign_store, lacking};

const VALID: &str = "Valid";
const SECRETS: &str = "SecretsResolved";
const SCOPES: &str = "ScopesMatched";
const OURS: [&str; 3] = [VALID, SECRETS, SCOPES];

/// More than this of a message, in bytes, helps nobody.
const LONGEST_MESSAGE: usize = 1000;

/// Whether a Secret that a resource refers to is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is, and has these keys.
    There(BTreeSet<Box<str>>),
    /// It is not.
    Missing,
    /// The operator may not look.
    Forbidden,
}

/// What is known beside the resource.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Each Kubernetes Secret that the resource refers to.
    pub secrets: &'a BTreeMap<Box<str>, Presence>,
    /// Whether the secret store that the resource names is a component of its namespace.
    pub has_store: bool,
    /// Which apps are there; none while the pods were not listed.
    pub apps: Option<&'a Apps>,
}

/// What has to be told about a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// All conditions of the status.
    pub conditions: Vec<Condition>,
    /// Those that do not hold any longer, or for another reason.
    pub worse: Vec<Condition>,
}

/// Whether something holds, and why.
struct Finding {
    type_: &'static str,
    status: &'static str,
    reason: &'static str,
    message: String,
}

/// What has to be told about a resource; none if its status says it already. `now` is written as
/// the time of what changed (RFC 3339).
pub fn report(resource: &Resource, facts: Facts<'_>, now: &str) -> Option<Report> {
    let before = resource.conditions();
    let findings = findings(resource, facts);
    let told = |finding: &Finding| before.iter().find(|old| old.type_ == finding.type_);
    let ours: Vec<(Option<&Condition>, Condition)> = findings
        .into_iter()
        .map(|finding| {
            let old = told(&finding);
            (old, finding.since(old, resource.generation(), now))
        })
        .collect();
    let worse = ours
        .iter()
        .filter(|(old, new)| is_worse(*old, new))
        .map(|(_, new)| new.clone())
        .collect();
    let undecided = facts.apps.is_none();
    let kept = before
        .iter()
        .filter(|old| !OURS.contains(&old.type_.as_str()) || (undecided && old.type_ == SCOPES));
    let mut conditions: Vec<Condition> = ours.into_iter().map(|(_, new)| new).collect();
    conditions.extend(kept.cloned());
    let same = conditions.len() == before.len() && conditions.iter().all(|it| before.contains(it));
    (!same).then_some(Report { conditions, worse })
}

fn is_worse(old: Option<&Condition>, new: &Condition) -> bool {
    new.status == "False"
        && old.is_none_or(|old| old.status != "False" || old.message != new.message)
}

/// Only what can be told of the kind, and is known.
fn findings(resource: &Resource, facts: Facts<'_>) -> Vec<Finding> {
    use Kind::{Component, Configuration, HttpEndpoint, McpServer};
    let mut object = resource.to_value();
    let mut findings = vec![valid(&problems(resource.kind(), &object))];
    if let Component | Configuration | HttpEndpoint | McpServer = resource.kind() {
        findings.push(match foreign_store(resource.kind(), &object) {
            Some(store) => foreign(store, resource.namespace(), facts.has_store),
            None => secrets(resource, &mut object, facts.secrets),
        });
    }
    if let Some(apps) = facts.apps
        && resource.kind() != Configuration
    {
        findings.push(scopes(resource, apps));
    }
    findings
}

fn valid(problems: &[super::Problem]) -> Finding {
    let fatal = problems.iter().any(|problem| problem.fatal);
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    match (texts.is_empty(), fatal) {
        (true, _) => holds(VALID, "NoProblem", "no problem was found".to_owned()),
        (_, false) => fails(VALID, "PartlyUsed", texts.join("; ")),
        (_, true) => fails(VALID, "StopsSidecars", texts.join("; ")),
    }
}

fn secrets(
    resource: &Resource,
    object: &mut Value,
    known: &BTreeMap<Box<str>, Presence>,
) -> Finding {
    let of = |wanted: &Presence| {
        let found = known.iter().filter(move |(_, it)| *it == wanted);
        quoted(found.map(|(name, _)| &**name))
    };
    let (missing, forbidden) = (of(&Presence::Missing), of(&Presence::Forbidden));
    let namespace = resource.namespace();
    if !missing.is_empty() {
        let text = format!(
            "no Secret {missing} in namespace {namespace}; until it is there, sidecars do \
             without this {}: create it, or correct secretKeyRef",
            resource.kind().name()
        );
        return fails(SECRETS, "SecretNotFound", text);
    }
    if !forbidden.is_empty() {
        let text = format!(
            "the operator may not get Secret {forbidden} of namespace {namespace}: allow its \
             service account to"
        );
        return fails(SECRETS, "SecretForbidden", text);
    }
    keys(resource, object, known)
}

/// The first key that a resource refers to and a Secret that is there lacks.
pub fn missing_key(
    resource: &Resource,
    object: &mut Value,
    known: &BTreeMap<Box<str>, Presence>,
) -> Option<(String, String)> {
    let has = |secret: &str, key: &str| match known.get(secret) {
        Some(Presence::There(keys)) => keys.contains(key),
        _ => true,
    };
    lacking(resource.kind(), object, has).pop_first()
}

/// Of secrets that are there.
fn keys(resource: &Resource, object: &mut Value, known: &BTreeMap<Box<str>, Presence>) -> Finding {
    if let Some((secret, key)) = missing_key(resource, object, known) {
        let effect = match resource.kind() {
            Kind::Configuration => "sidecars that are to use it do not start",
            _ => "sidecars use the field as if it were empty",
        };
        let text = format!(
            "Secret {secret:?} of namespace {} has no key {key:?}; until it has, {effect}: add \
             the key, or correct secretKeyRef",
            resource.namespace()
        );
        return fails(SECRETS, "SecretKeyNotFound", text);
    }
    let text = if known.is_empty() {
        "it refers to no Secret"
    } else {
        "the Secrets it refers to are there"
    };
    holds(SECRETS, "AllFound", text.to_owned())
}

fn foreign(store: &str, namespace: &str, there: bool) -> Finding {
    if there {
        let text = format!("sidecars take its secrets from the component {store:?}");
        return holds(SECRETS, "SecretStoreFound", text);
    }
    let text = format!(
        "auth.secretStore: no component {store:?} of a type secretstores.* in namespace \
         {namespace}; sidecars wait for it: create it, or correct the name"
    );
    fails(SECRETS, "SecretStoreNotFound", text)
}

fn scopes(resource: &Resource, apps: &Apps) -> Finding {
    let namespace = resource.namespace();
    let unknown = resource.scopes().iter().filter(|scope| {
        !apps.knows(&App {
            namespace: namespace.into(),
            id: (*scope).clone(),
        })
    });
    let unknown = quoted(unknown.map(|scope| &**scope));
    if unknown.is_empty() {
        let text = if resource.scopes().is_empty() {
            format!("it is for every app of namespace {namespace}")
        } else {
            "the apps it is for are there".to_owned()
        };
        return holds(SCOPES, "AllFound", text);
    }
    let text = format!(
        "scopes: no pod with a sidecar in namespace {namespace} has the app ID {unknown}: correct \
         the scope, or the annotation dapr.io/app-id"
    );
    fails(SCOPES, "AppNotFound", text)
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names
        .map(|name| format!("{name:?}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn holds(type_: &'static str, reason: &'static str, message: String) -> Finding {
    Finding {
        type_,
        status: "True",
        reason,
        message,
    }
}

fn fails(type_: &'static str, reason: &'static str, mut message: String) -> Finding {
    message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
    Finding {
        type_,
        status: "False",
        reason,
        message,
    }
}

// === impl Finding ===

impl Finding {
    /// The time of the last change stays unless the status differs.
    fn since(self, old: Option<&Condition>, generation: Option<i64>, now: &str) -> Condition {
        let since = old.filter(|old| old.status == self.status);
        Condition {
            type_: self.type_.to_owned(),
            status: self.status.to_owned(),
            reason: self.reason.to_owned(),
            message: self.message,
            observed_generation: generation,
            last_transition_time: since
                .map_or_else(|| now.to_owned(), |old| old.last_transition_time.clone()),
        }
    }
}

#[cfg(test)]
#[path = "report/tests.rs"]
mod tests;
