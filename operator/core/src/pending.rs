//! The changes that one stream has not sent yet.
//!
//! A slow sidecar never holds up others and never costs more than one entry for each resource:
//! changes of the same resource are joined while they wait.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::index::Change;
use crate::resource::Resource;

/// What an app is told of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// It is new to the app.
    Created(Arc<Resource>),
    /// It differs from what the app knew.
    Updated(Arc<Resource>),
    /// The app must forget it; as it was.
    Deleted(Arc<Resource>),
}

// === impl Update ===

impl Update {
    /// What an app is told of a change: entering its scope is a creation, leaving it a deletion.
    pub fn of(change: Change, app_id: &str) -> Option<Self> {
        let visible = |resource: &Arc<Resource>| resource.is_visible_to(app_id);
        match (change.old.filter(visible), change.new.filter(visible)) {
            (None, None) => None,
            (None, Some(new)) => Some(Self::Created(new)),
            (Some(_), Some(new)) => Some(Self::Updated(new)),
            (Some(old), None) => Some(Self::Deleted(old)),
        }
    }
}

/// The changes that one stream has not sent yet, oldest first.
#[derive(Debug, Default)]
pub struct Pending {
    order: VecDeque<Box<str>>,
    changes: HashMap<Box<str>, Change>,
}

// === impl Pending ===

impl Pending {
    /// Adds a change, joined with an earlier one of the same resource. All changes must come
    /// from one namespace.
    pub fn push(&mut self, change: Change) {
        let Some(name) = change
            .resource()
            .map(|resource| Box::<str>::from(resource.name()))
        else {
            return;
        };
        if let Some(waiting) = self.changes.get_mut(&name) {
            waiting.new = change.new;
        } else {
            self.order.push_back(name.clone());
            self.changes.insert(name, change);
        }
    }

    /// The oldest change that is still one.
    pub fn pop(&mut self) -> Option<Change> {
        while let Some(name) = self.order.pop_front() {
            let change = self.changes.remove(&name)?;
            if change.old != change.new {
                return Some(change);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::fixtures::{component, component_with};
    use crate::index::Index;

    fn scoped(scopes: &[&str]) -> Arc<Resource> {
        Arc::new(component_with("c", &json!({"scopes": scopes})))
    }

    fn name(update: Option<&Update>) -> &'static str {
        match update {
            None => "nothing",
            Some(Update::Created(_)) => "created",
            Some(Update::Updated(_)) => "updated",
            Some(Update::Deleted(_)) => "deleted",
        }
    }

    #[rstest]
    #[case(None, Some(&[][..]), "created")]
    #[case(None, Some(&["other"][..]), "nothing")]
    #[case(Some(&[][..]), Some(&["app", "other"][..]), "updated")]
    #[case(Some(&[][..]), Some(&["other"][..]), "deleted")]
    #[case(Some(&["other"][..]), Some(&["app"][..]), "created")]
    #[case(Some(&["other"][..]), Some(&["third"][..]), "nothing")]
    #[case(Some(&["app"][..]), None, "deleted")]
    #[case(Some(&["other"][..]), None, "nothing")]
    fn scopes_translate_changes(
        #[case] old: Option<&[&str]>,
        #[case] new: Option<&[&str]>,
        #[case] expected: &str,
    ) {
        let change = Change {
            old: old.map(scoped),
            new: new.map(scoped),
        };
        assert_eq!(name(Update::of(change, "app").as_ref()), expected);
    }

    #[test]
    fn deletion_by_scope_carries_the_old_object() {
        let (old, new) = (scoped(&[]), scoped(&["other"]));
        let change = Change {
            old: Some(Arc::clone(&old)),
            new: Some(new),
        };
        assert_eq!(Update::of(change, "app"), Some(Update::Deleted(old)));
    }

    #[test]
    fn what_came_and_went_unseen_is_never_told() {
        let (mut index, mut pending) = (Index::default(), Pending::default());
        pending.push(index.apply(component("c")).unwrap());
        pending.push(index.delete(&component("c")).unwrap());
        assert_eq!(pending.pop(), None);
    }

    #[test]
    fn order_of_first_changes_is_kept() {
        let (mut index, mut pending) = (Index::default(), Pending::default());
        for name in ["b", "a", "b"] {
            let fields = json!({"metadata": {"uid": pending.order.len()}});
            pending.push(index.apply(component_with(name, &fields)).unwrap());
        }
        let first = pending.pop().unwrap();
        assert_eq!(first.old, None);
        assert_eq!(first.new.unwrap().to_value()["metadata"]["uid"], 2);
        assert_eq!(pending.pop().unwrap().resource().unwrap().name(), "a");
        assert_eq!(pending.pop(), None);
    }

    proptest! {
        /// However changes and reads interleave, a reader ends with what is there.
        #[test]
        fn readers_converge(steps in prop::collection::vec((0..4_u8, 0..3_u8, any::<bool>()), 0..60)) {
            let (mut index, mut pending) = (Index::default(), Pending::default());
            let mut known: HashMap<String, Arc<Resource>> = HashMap::new();
            for (revision, which, read) in steps {
                let fields = json!({"metadata": {"uid": revision}});
                let resource = component_with(&format!("c{which}"), &fields);
                let change =
                    if revision == 0 { index.delete(&resource) } else { index.apply(resource) };
                if let Some(change) = change {
                    pending.push(change);
                }
                if read && let Some(change) = pending.pop() {
                    tell(&mut known, change);
                }
            }
            while let Some(change) = pending.pop() {
                tell(&mut known, change);
            }
            let there: HashMap<String, Arc<Resource>> =
                index.list("default").map(|it| (it.name().to_owned(), Arc::clone(it))).collect();
            prop_assert_eq!(known, there);
        }
    }

    fn tell(known: &mut HashMap<String, Arc<Resource>>, change: Change) {
        match Update::of(change, "app") {
            Some(Update::Created(new)) => {
                assert!(known.insert(new.name().to_owned(), new).is_none());
            }
            Some(Update::Updated(new)) => {
                assert!(known.insert(new.name().to_owned(), new).is_some());
            }
            Some(Update::Deleted(old)) => {
                assert!(known.remove(old.name()).is_some());
            }
            None => {}
        }
    }
}
