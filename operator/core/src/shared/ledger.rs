//! Which objects need to be applied, and which may go.

use std::collections::BTreeMap;

use serde_json::Value;

use super::kind::ObjectKind;
use super::objects::Wanted;
use super::seen::{AppKey, ObjectKey, Seen};

/// What was applied last. An object that still is as it was applied is not applied again.
#[derive(Debug, Default)]
pub struct Ledger {
    applied: BTreeMap<AppKey, BTreeMap<ObjectKey, Applied>>,
}

#[derive(Debug, PartialEq)]
struct Applied {
    body: Value,
    uid: Box<str>,
    fields: Option<Value>,
}

/// One thing to do about an object.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Make it so.
    Apply {
        /// The object.
        wanted: Wanted,
        /// Whether it is known to be the instance's; else it has to be looked at first.
        known: bool,
    },
    /// It is in the way, and someone else's.
    Blocked(ObjectKey),
    /// It is not wanted any more.
    Delete {
        /// Which.
        key: ObjectKey,
        /// Its identity.
        uid: Box<str>,
    },
}

// === impl Ledger ===

impl Ledger {
    /// What to do about the objects of an instance with the identity `owner`.
    pub fn steps(
        &self,
        app: &AppKey,
        owner: &str,
        wanted: Vec<Wanted>,
        seen: &BTreeMap<ObjectKey, Seen>,
    ) -> Vec<Step> {
        let mut steps = superfluous(owner, &wanted, seen);
        for wanted in wanted {
            match seen.get(&wanted.key) {
                Some(object) if object.owner.as_deref() != Some(owner) => {
                    steps.push(Step::Blocked(wanted.key));
                }
                Some(object) if self.holds(app, &wanted, object) => {}
                object => {
                    let known = object.is_some();
                    steps.push(Step::Apply { wanted, known });
                }
            }
        }
        steps
    }

    /// Remembers what was applied, and what the API server made of it.
    pub fn applied(&mut self, app: &AppKey, wanted: Wanted, became: &Seen) {
        let entry = Applied {
            body: wanted.body,
            uid: became.uid.clone(),
            fields: became.fields.clone(),
        };
        self.applied
            .entry(app.clone())
            .or_default()
            .insert(wanted.key, entry);
    }

    /// Forgets an app.
    pub fn forget(&mut self, app: &AppKey) {
        self.applied.remove(app);
    }

    /// Fields that others took, or removed, are no longer among ours.
    fn holds(&self, app: &AppKey, wanted: &Wanted, object: &Seen) -> bool {
        let applied = self
            .applied
            .get(app)
            .and_then(|known| known.get(&wanted.key));
        applied.is_some_and(|applied| {
            applied.body == wanted.body
                && applied.uid == object.uid
                && applied.fields == object.fields
        })
    }
}

/// What the instance has and does not need. Instances of the former strategy go only when there are
/// some of the present one.
fn superfluous(owner: &str, wanted: &[Wanted], seen: &BTreeMap<ObjectKey, Seen>) -> Vec<Step> {
    let is_wanted = |key: &ObjectKey| wanted.iter().any(|wanted| wanted.key == *key);
    let serves = |(key, object): (&ObjectKey, &Seen)| {
        key.kind.is_workload() && is_wanted(key) && object.counts.ready > 0
    };
    let replaced = seen.iter().any(serves);
    let may_go = |key: &ObjectKey| {
        !is_wanted(key) && key.kind != ObjectKind::Secret && (replaced || !key.kind.is_workload())
    };
    let ours = seen
        .iter()
        .filter(|(_, object)| object.owner.as_deref() == Some(owner));
    ours.filter(|(key, _)| may_go(key))
        .map(|(key, object)| Step::Delete {
            key: key.clone(),
            uid: object.uid.clone(),
        })
        .collect()
}

#[cfg(test)]
#[path = "ledger/tests.rs"]
mod tests;
