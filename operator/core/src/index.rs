//! All resources of one kind, and what changed with each event of a watch.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::resource::Resource;

/// All resources of one kind.
#[derive(Debug, Default)]
pub struct Index {
    listed: bool,
    namespaces: BTreeMap<Box<str>, BTreeMap<Box<str>, Arc<Resource>>>,
}

/// A resource before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it was; none if it is new.
    pub old: Option<Arc<Resource>>,
    /// What it is; none if it is gone.
    pub new: Option<Arc<Resource>>,
}

// === impl Change ===

impl Change {
    /// The resource, whichever side knows it.
    pub fn resource(&self) -> Option<&Resource> {
        self.new.as_deref().or(self.old.as_deref())
    }
}

// === impl Index ===

impl Index {
    /// Replaces everything. The first list is where sidecars begin, so it is no change.
    pub fn reset(&mut self, resources: Vec<Resource>) -> Vec<Change> {
        let mut before = std::mem::take(&mut self.namespaces);
        let first = !std::mem::replace(&mut self.listed, true);
        let mut changes = Vec::new();
        for resource in resources.into_iter().map(Arc::new) {
            let old = remove(&mut before, &resource);
            let unchanged = old.as_ref().is_some_and(|old| old.is_same_as(&resource));
            self.insert(Arc::clone(&resource));
            if !unchanged {
                changes.push(Change {
                    old,
                    new: Some(resource),
                });
            }
        }
        let gone = before.into_values().flat_map(BTreeMap::into_values);
        changes.extend(gone.map(|old| Change {
            old: Some(old),
            new: None,
        }));
        if first { Vec::new() } else { changes }
    }

    /// Adds or replaces a resource.
    pub fn apply(&mut self, resource: Resource) -> Option<Change> {
        let new = Arc::new(resource);
        let old = self.insert(Arc::clone(&new));
        let same = old.as_ref().is_some_and(|old| old.is_same_as(&new));
        (!same).then_some(Change {
            old,
            new: Some(new),
        })
    }

    /// Removes a resource. What is reported is what sidecars were told last: the final object of
    /// a watch may say less.
    pub fn delete(&mut self, resource: &Resource) -> Option<Change> {
        let old = remove(&mut self.namespaces, resource)?;
        Some(Change {
            old: Some(old),
            new: None,
        })
    }

    /// Whether everything was listed once.
    pub fn is_listed(&self) -> bool {
        self.listed
    }

    /// The resources of a namespace, by name.
    pub fn list(&self, namespace: &str) -> impl Iterator<Item = &Arc<Resource>> {
        self.namespaces
            .get(namespace)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// All resources, by namespace and name.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.namespaces.values().flat_map(BTreeMap::values)
    }

    /// One resource.
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Resource>> {
        self.namespaces.get(namespace)?.get(name)
    }

    fn insert(&mut self, resource: Arc<Resource>) -> Option<Arc<Resource>> {
        let namespace = self
            .namespaces
            .entry(resource.namespace().into())
            .or_default();
        namespace.insert(resource.name().into(), resource)
    }
}

fn remove(
    namespaces: &mut BTreeMap<Box<str>, BTreeMap<Box<str>, Arc<Resource>>>,
    resource: &Resource,
) -> Option<Arc<Resource>> {
    let namespace = namespaces.get_mut(resource.namespace())?;
    let removed = namespace.remove(resource.name());
    if namespace.is_empty() {
        namespaces.remove(resource.namespace());
    }
    removed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures::{component, component_with};

    /// Names before and after.
    fn names(changes: &[Change]) -> Vec<[&str; 2]> {
        fn name(side: Option<&Arc<Resource>>) -> &str {
            side.map_or("", |resource| resource.name())
        }
        changes
            .iter()
            .map(|it| [name(it.old.as_ref()), name(it.new.as_ref())])
            .collect()
    }

    #[test]
    fn first_list_is_no_change() {
        let mut index = Index::default();
        assert!(!index.is_listed());
        assert_eq!(index.reset(vec![component("a")]), []);
        assert!(index.is_listed());
        assert!(index.get("default", "a").is_some());
    }

    #[test]
    fn later_lists_are_compared() {
        let mut index = Index::default();
        index.reset(vec![
            component("same"),
            component("gone"),
            component("new-content"),
        ]);
        let newer = component_with("new-content", &json!({"spec": {"type": "x"}}));
        let changes = index.reset(vec![component("same"), component("added"), newer]);
        assert_eq!(
            names(&changes),
            [["", "added"], ["new-content", "new-content"], ["gone", ""]]
        );
    }

    #[test]
    fn replays_are_no_change() {
        let mut index = Index::default();
        assert!(index.apply(component("a")).is_some());
        assert!(index.apply(component("a")).is_none());
    }

    #[test]
    fn deletion_reports_what_was_known() {
        let mut index = Index::default();
        index.apply(component_with("a", &json!({"scopes": ["app"]})));
        let change = index.delete(&component("a")).unwrap();
        assert!(!change.old.unwrap().is_visible_to("other"));
        assert!(index.delete(&component("a")).is_none());
        assert_eq!(index.list("default").count(), 0);
    }

    #[test]
    fn namespaces_are_apart() {
        let mut index = Index::default();
        index.apply(component("a"));
        assert_eq!(index.list("default").count(), 1);
        assert_eq!(index.list("defaul").count(), 0);
        assert!(index.get("other", "a").is_none());
    }
}
