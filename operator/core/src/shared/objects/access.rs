//! What the instances may ask the API server.
//!
//! The proxy follows the endpoints of the app and the Lease of the instance, which it may write, and
//! no other one. daprd needs nothing for itself; its built-in secret
//! store reads Secrets with the account of its pod, as that of a sidecar does with the account of
//! the app. So the instance gets `get` on the Secrets of the namespace only where the account of
//! every bound workload has it, and nothing where one of them may read no more than some.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};

use super::super::plan::Plan;
use super::{Surroundings, metadata};

const GROUP: &str = "rbac.authorization.k8s.io";

/// Tokens of it are mounted only where pods ask for them.
pub(super) fn account(plan: &Plan) -> Option<ServiceAccount> {
    let own = plan.spec.service_account_name.is_none();
    own.then(|| ServiceAccount {
        metadata: metadata(plan, plan.names.instance()),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    })
}

pub(super) fn role(plan: &Plan, surroundings: &Surroundings) -> Role {
    let mut rules = Vec::new();
    if plan.app_port().is_some() {
        let verbs = ["get", "list", "watch"];
        rules.push(rule("discovery.k8s.io", "endpointslices", &verbs));
    }
    if plan.has_app() {
        let verbs = ["get", "list", "watch", "update"];
        rules.push(PolicyRule {
            resource_names: Some(vec![plan.names.instance()]),
            ..rule("coordination.k8s.io", "leases", &verbs)
        });
    }
    if surroundings.secrets {
        rules.push(rule("", "secrets", &["get"]));
    }
    Role {
        metadata: metadata(plan, plan.names.instance()),
        rules: Some(rules),
    }
}

pub(super) fn binding(plan: &Plan) -> RoleBinding {
    let account = plan.spec.service_account_name.clone();
    RoleBinding {
        metadata: metadata(plan, plan.names.instance()),
        role_ref: RoleRef {
            api_group: GROUP.to_owned(),
            kind: "Role".to_owned(),
            name: plan.names.instance(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: account.unwrap_or_else(|| plan.names.instance()),
            namespace: Some(plan.namespace.clone()),
            ..Subject::default()
        }]),
    }
}

fn rule(group: &str, resource: &str, verbs: &[&str]) -> PolicyRule {
    PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(vec![resource.to_owned()]),
        verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
        ..PolicyRule::default()
    }
}
