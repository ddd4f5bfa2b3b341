//! Makes the objects of an instance what they should be, and tells what came of it.

use std::collections::BTreeMap;

use injector_core::{Defaults, Facts};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use operator_core::shared::{
    Circumstances, ENTROPY, FIELD_MANAGER, ObjectKey, ObjectKind, Outcome, Plan, Seen, Step,
    Surroundings, Tokens, Wanted, objects, secret,
};

use super::act::{ActError, Turn, failed};
use crate::object::is_absence;

/// A Secret is looked at as often, whatever is due: someone may have changed it.
const SECRET_EVERY: SignedDuration = SignedDuration::from_mins(10);

// === impl Turn ===

impl Turn<'_> {
    /// What the API server refuses is told in the status, too; then it is tried again.
    pub(super) async fn keep(
        &mut self,
        plan: &Plan,
        defaults: &Defaults,
        seen: &BTreeMap<ObjectKey, Seen>,
        secret_due: bool,
    ) -> Result<(), ActError> {
        let mut outcome = Outcome {
            domain: self.world.environment.cluster.domain.clone(),
            ..Outcome::default()
        };
        let made = self
            .build(plan, defaults, seen, secret_due, &mut outcome)
            .await;
        if let Err(error) = &made {
            outcome.refused = Some(text(error));
        }
        self.done.blocked = !outcome.blocked.is_empty();
        let status = plan.status(&outcome, Timestamp::now());
        let told = if plan.is_news(&status) {
            self.tell(&plan.name, &status).await
        } else {
            Ok(())
        };
        made.and(told)
    }

    async fn build(
        &mut self,
        plan: &Plan,
        defaults: &Defaults,
        seen: &BTreeMap<ObjectKey, Seen>,
        secret_due: bool,
        outcome: &mut Outcome,
    ) -> Result<(), ActError> {
        let anchors = self.world.anchors.current().ok_or(ActError::Anchors)?;
        let environment = &self.world.environment;
        let facts = Facts {
            trust_anchors: anchors.pem().to_owned(),
            mtls: self.world.mtls,
            identity_token: environment.identity_token,
        };
        let instance = plan.instance(&environment.proxy_image);
        let template = match instance.template(&environment.cluster, &facts, defaults) {
            Ok(template) => template,
            Err(error) => {
                outcome.refused = Some(error.to_string());
                return Ok(());
            }
        };
        outcome.tls = template.tls;
        outcome.warnings = template.warnings.iter().map(ToString::to_string).collect();
        if secret_due && !self.keep_secret(plan).await? {
            outcome
                .blocked
                .push(format!("Secret {}", plan.names.token_secret()));
        }
        let surroundings = self.surroundings(plan, seen).await;
        let warnings = surroundings.exclusive.warnings.iter();
        let configured = surroundings.configuration.is_some();
        let lack = plan.lacks_configuration(configured);
        outcome.warnings.extend(warnings.cloned().chain(lack));
        let wanted = objects(plan, template.template, &surroundings)?;
        let steps = self.ledger.lock().steps(self.app, plan.uid(), wanted, seen);
        self.find_blocked(plan, &steps, outcome).await?;
        // Pods with another's account, or without their NetworkPolicy, are worse than none.
        if outcome.blocked.is_empty() {
            for step in steps {
                self.step(step).await?;
            }
        }
        Ok(())
    }

    async fn find_blocked(
        &self,
        plan: &Plan,
        steps: &[Step],
        outcome: &mut Outcome,
    ) -> Result<(), ActError> {
        for step in steps {
            match step {
                Step::Blocked(key) => outcome.blocked.push(label(key)),
                Step::Apply { wanted, known } if !known => {
                    if !self.is_free(plan, &wanted.key).await? {
                        outcome.blocked.push(label(&wanted.key));
                    }
                }
                Step::Apply { .. } | Step::Delete { .. } => {}
            }
        }
        Ok(())
    }

    async fn surroundings(&self, plan: &Plan, seen: &BTreeMap<ObjectKey, Seen>) -> Surroundings {
        let lease = ObjectKey {
            kind: ObjectKind::Lease,
            name: plan.names.instance().into(),
        };
        Surroundings {
            mtls: self.world.mtls,
            kubernetes: self.world.version,
            secrets: self.world.may_read_secrets(plan).await,
            configuration: self.world.digest(&plan.namespace, plan.configuration()),
            revision: seen.get(&lease).and_then(|lease| lease.revision.clone()),
            exclusive: self.world.exclusive(plan),
        }
    }

    async fn step(&mut self, step: Step) -> Result<(), ActError> {
        match step {
            Step::Apply { wanted, .. } => self.apply(wanted).await,
            Step::Delete { key, uid } => self.delete(&key, &uid).await,
            Step::Blocked(_) => Ok(()),
        }
    }

    /// Whether there is nothing of that name, or something of the instance's.
    async fn is_free(&self, plan: &Plan, key: &ObjectKey) -> Result<bool, ActError> {
        let existing = self.objects(key).get_opt(&key.name).await;
        let existing = existing.map_err(|error| failed(format!("read {}", label(key)), error))?;
        let seen = existing.and_then(|object| Seen::of(&object.metadata));
        Ok(seen.is_none_or(|seen| seen.owner.as_deref() == Some(plan.uid())))
    }

    async fn apply(&mut self, wanted: Wanted) -> Result<(), ActError> {
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let api = self.objects(&wanted.key);
        let applied = api
            .patch(&wanted.key.name, &params, &Patch::Apply(&wanted.body))
            .await;
        let applied =
            applied.map_err(|error| failed(format!("apply {}", label(&wanted.key)), error))?;
        tracing::debug!(app = %self.app, object = label(&wanted.key), "applied an object");
        if let Some(became) = Seen::of(&applied.metadata) {
            self.done.became.push((wanted.key.clone(), became.clone()));
            self.ledger.lock().applied(self.app, wanted, &became);
        }
        Ok(())
    }

    async fn delete(&self, key: &ObjectKey, uid: &str) -> Result<(), ActError> {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match self.objects(key).delete(&key.name, &params).await {
            Ok(_) => Ok(()),
            Err(error) if is_absence(&error) => Ok(()),
            Err(error) => Err(failed(format!("delete {}", label(key)), error)),
        }
    }

    /// Whether the Secret is the instance's.
    async fn keep_secret(&mut self, plan: &Plan) -> Result<bool, ActError> {
        let (name, now) = (plan.names.token_secret(), Timestamp::now());
        let api: Api<Secret> = Api::namespaced(self.world.client.clone(), &plan.namespace);
        let existing = api.get_opt(&name).await;
        let existing = existing.map_err(|error| failed(format!("read Secret {name}"), error))?;
        let owner = existing
            .as_ref()
            .and_then(|secret| Seen::of(&secret.metadata));
        if owner.is_some_and(|seen| seen.owner.as_deref() != Some(plan.uid())) {
            return Ok(false);
        }
        let entropy = entropy()?;
        let at = Circumstances {
            now,
            rotate_after: plan.rotate_after(),
            oldest_pod: plan.oldest_pod(),
        };
        let before = existing
            .as_ref()
            .and_then(|secret| Tokens::read(secret, now));
        let tokens = match &before {
            Some(before) => before.clone().step(entropy, at),
            None => Tokens::new(entropy, now),
        };
        if before.as_ref() != Some(&tokens) {
            let params = PatchParams::apply(FIELD_MANAGER).force();
            let wanted = secret(plan, &tokens)?;
            let applied = api.patch(&name, &params, &Patch::Apply(&wanted.body)).await;
            applied.map_err(|error| failed(format!("apply Secret {name}"), error))?;
            tracing::info!(app = %self.app, "changed the tokens of a shared instance");
        }
        let soon = now.checked_add(SECRET_EVERY).unwrap_or(now);
        self.done.secret_due = Some(tokens.due(plan.rotate_after()).min(soon));
        Ok(true)
    }
}

fn label(key: &ObjectKey) -> String {
    format!("{} {}", key.kind.resource().kind, key.name)
}

fn entropy() -> Result<[[u8; ENTROPY]; 2], ActError> {
    let mut entropy = [[0; ENTROPY]; 2];
    for bytes in &mut entropy {
        aws_lc_rs::rand::fill(bytes).map_err(|_| ActError::Random)?;
    }
    Ok(entropy)
}

/// An error and its causes, in one line.
fn text(error: &ActError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
#[path = "keep/tests.rs"]
mod tests;
