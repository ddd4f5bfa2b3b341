//! Whose turn it is: what needs a look, one look at a time for each.

use std::collections::BTreeSet;

/// What needs a look, and what is being looked at.
#[derive(Debug)]
pub(crate) struct Turns<K> {
    due: BTreeSet<K>,
    busy: BTreeSet<K>,
}

// === impl Turns ===

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self {
            due: BTreeSet::new(),
            busy: BTreeSet::new(),
        }
    }
}

impl<K: Clone + Ord> Turns<K> {
    /// The first that is due and not looked at already. What becomes due meanwhile comes again.
    pub(crate) fn next(&mut self) -> Option<K> {
        let key = self.due.difference(&self.busy).next().cloned()?;
        self.due.remove(&key);
        self.busy.insert(key.clone());
        Some(key)
    }

    /// A look is over.
    pub(crate) fn end(&mut self, key: &K) {
        self.busy.remove(key);
    }
}

impl<K: Ord> Extend<K> for Turns<K> {
    fn extend<I: IntoIterator<Item = K>>(&mut self, keys: I) {
        self.due.extend(keys);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_looked_at_twice_at_once_and_nothing_is_forgotten() {
        let mut turns = Turns::default();
        turns.extend(["a", "b", "a"]);
        assert_eq!(turns.next(), Some("a"));
        turns.extend(["a"]);
        assert_eq!((turns.next(), turns.next()), (Some("b"), None));
        turns.end(&"a");
        assert_eq!((turns.next(), turns.next()), (Some("a"), None));
    }
}
