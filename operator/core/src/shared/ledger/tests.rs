use std::slice::from_ref;

use serde_json::json;

use super::*;
use crate::shared::fixtures::key;
use crate::shared::seen::Counts;

fn wanted(kind: ObjectKind, name: &str) -> Wanted {
    Wanted {
        key: ObjectKey {
            kind,
            name: name.into(),
        },
        body: json!({"metadata": {"name": name}}),
    }
}

fn seen(owner: Option<&str>, fields: &Value) -> Seen {
    Seen {
        uid: "uid".into(),
        owner: owner.map(Into::into),
        fields: Some(fields.clone()),
        ..Seen::default()
    }
}

fn steps(ledger: &Ledger, wanted: &[Wanted], seen: &[(&Wanted, Seen)]) -> Vec<Step> {
    let known = seen
        .iter()
        .map(|(wanted, seen)| (wanted.key.clone(), seen.clone()));
    ledger.steps(&key(), "owner", wanted.to_vec(), &known.collect())
}

#[test]
fn what_is_as_it_was_applied_is_left() {
    let (mut ledger, service) = (Ledger::default(), wanted(ObjectKind::Service, "a"));
    let ours = seen(Some("owner"), &json!({"f:spec": {}}));
    let all = [service.clone()];
    let new = Step::Apply {
        wanted: service.clone(),
        known: false,
    };
    assert_eq!(steps(&ledger, &all, &[]), [new]);
    let again = Step::Apply {
        wanted: service.clone(),
        known: true,
    };
    assert_eq!(steps(&ledger, &all, &[(&service, ours.clone())]), [again]);
    ledger.applied(&key(), service.clone(), &ours);
    assert_eq!(steps(&ledger, &all, &[(&service, ours.clone())]), []);
    ledger.forget(&key());
    assert_eq!(steps(&ledger, &all, &[(&service, ours)]).len(), 1);
}

#[test]
fn what_others_changed_or_replaced_is_applied_again() {
    let (mut ledger, service) = (Ledger::default(), wanted(ObjectKind::Service, "a"));
    let ours = seen(Some("owner"), &json!({"f:spec": {"f:type": {}}}));
    ledger.applied(&key(), service.clone(), &ours);
    let taken = seen(Some("owner"), &json!({"f:spec": {}}));
    assert_eq!(
        steps(&ledger, from_ref(&service), &[(&service, taken)]).len(),
        1
    );
    let replaced = Seen {
        uid: "other".into(),
        ..ours.clone()
    };
    assert_eq!(
        steps(&ledger, from_ref(&service), &[(&service, replaced)]).len(),
        1
    );
    let mut changed = service.clone();
    changed.body["spec"] = json!({});
    assert_eq!(steps(&ledger, &[changed], &[(&service, ours)]).len(), 1);
}

#[test]
fn what_is_not_the_instances_is_never_touched() {
    let ledger = Ledger::default();
    let (service, other) = (
        wanted(ObjectKind::Service, "a"),
        wanted(ObjectKind::Role, "b"),
    );
    for owner in [None, Some("another")] {
        let foreign = seen(owner, &json!({}));
        let seen = [(&service, foreign.clone()), (&other, foreign)];
        let expected = [Step::Blocked(service.key.clone())];
        assert_eq!(steps(&ledger, from_ref(&service), &seen), expected);
    }
}

#[test]
fn what_is_not_wanted_any_more_goes() {
    let ledger = Ledger::default();
    let (service, secret) = (
        wanted(ObjectKind::Service, "a"),
        wanted(ObjectKind::Secret, "s"),
    );
    let ours = seen(Some("owner"), &json!({}));
    let seen = [(&service, ours.clone()), (&secret, ours)];
    let expected = [Step::Delete {
        key: service.key.clone(),
        uid: "uid".into(),
    }];
    assert_eq!(steps(&ledger, &[], &seen), expected);
}

#[test]
fn the_former_workload_stays_until_the_next_serves() {
    let mut ledger = Ledger::default();
    let (former, next) = (
        wanted(ObjectKind::Deployment, "a"),
        wanted(ObjectKind::DaemonSet, "a"),
    );
    let ours = seen(Some("owner"), &json!({}));
    ledger.applied(&key(), next.clone(), &ours);
    let all = [next.clone()];
    let starting = [(&former, ours.clone()), (&next, ours.clone())];
    assert_eq!(steps(&ledger, &all, &starting), []);
    let counts = Counts {
        ready: 1,
        desired: 2,
    };
    let serving = [(&former, ours.clone()), (&next, Seen { counts, ..ours })];
    let expected = [Step::Delete {
        key: former.key.clone(),
        uid: "uid".into(),
    }];
    assert_eq!(steps(&ledger, &all, &serving), expected);
}
