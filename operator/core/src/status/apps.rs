//! Which apps are there: those that have pods, and those that had some not long ago.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

/// An app that lost its pods is remembered this long, so that one that is scaled to zero, or runs
/// once a day, does not come and go in the status of what is scoped to it.
const REMEMBERED: Duration = Duration::from_hours(25);

/// An app ID in its namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct App {
    /// The namespace.
    pub namespace: Box<str>,
    /// The app ID.
    pub id: Box<str>,
}

/// A pod: namespace and name.
pub type PodKey = (Box<str>, Box<str>);

/// Which apps are there, by a clock that counts from any beginning.
#[derive(Debug, Default)]
pub struct Apps {
    pods: HashMap<PodKey, Box<str>>,
    running: HashMap<App, usize>,
    gone: BTreeMap<App, Duration>,
}

// === impl Apps ===

impl Apps {
    /// Whether an app is there.
    pub fn knows(&self, app: &App) -> bool {
        self.running.contains_key(app) || self.gone.contains_key(app)
    }

    /// Replaces all pods. Answers which apps are new.
    pub fn reset(
        &mut self,
        pods: impl IntoIterator<Item = (PodKey, Box<str>)>,
        now: Duration,
    ) -> Vec<App> {
        let mut absent: HashSet<PodKey> = self.pods.keys().cloned().collect();
        let mut new = Vec::new();
        for (pod, id) in pods {
            absent.remove(&pod);
            new.extend(self.apply(pod, id, now));
        }
        for pod in absent {
            self.delete(&pod, now);
        }
        new
    }

    /// Adds or replaces a pod. Answers its app if that is new.
    pub fn apply(&mut self, pod: PodKey, id: Box<str>, now: Duration) -> Option<App> {
        if self.pods.get(&pod).is_some_and(|known| *known == id) {
            return None;
        }
        self.delete(&pod, now);
        let app = App {
            namespace: pod.0.clone(),
            id: id.clone(),
        };
        self.pods.insert(pod, id);
        let known = self.knows(&app);
        self.gone.remove(&app);
        *self.running.entry(app.clone()).or_default() += 1;
        (!known).then_some(app)
    }

    /// Removes a pod. Its app is remembered for a while.
    pub fn delete(&mut self, pod: &PodKey, now: Duration) {
        let Some(id) = self.pods.remove(pod) else {
            return;
        };
        let app = App {
            namespace: pod.0.clone(),
            id,
        };
        if let Some(pods) = self.running.get_mut(&app) {
            *pods -= 1;
            if *pods == 0 {
                self.running.remove(&app);
                self.gone.insert(app, now);
            }
        }
    }

    /// Forgets what is gone for long. Answers what was forgotten.
    pub fn forget(&mut self, now: Duration) -> Vec<App> {
        let old = |since: &Duration| now.saturating_sub(*since) >= REMEMBERED;
        self.gone
            .extract_if(.., |_, since| old(since))
            .map(|(app, _)| app)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str) -> PodKey {
        ("shop".into(), name.into())
    }

    fn app(id: &str) -> App {
        App {
            namespace: "shop".into(),
            id: id.into(),
        }
    }

    #[test]
    fn an_app_is_there_while_it_has_pods_and_for_a_while() {
        let (mut apps, start) = (Apps::default(), Duration::ZERO);
        assert_eq!(apps.apply(pod("a-0"), "a".into(), start), Some(app("a")));
        assert_eq!(apps.apply(pod("a-1"), "a".into(), start), None);
        assert_eq!(apps.apply(pod("a-1"), "a".into(), start), None);
        apps.delete(&pod("a-0"), start);
        assert!(apps.gone.is_empty());
        apps.delete(&pod("a-1"), start);
        assert!(apps.knows(&app("a")));
        assert_eq!(apps.forget(REMEMBERED / 2), []);
        assert_eq!(apps.forget(REMEMBERED), [app("a")]);
        assert!(!apps.knows(&app("a")));
    }

    #[test]
    fn an_app_that_comes_back_is_not_new_and_not_forgotten() {
        let mut apps = Apps::default();
        apps.apply(pod("a-0"), "a".into(), Duration::ZERO);
        apps.delete(&pod("a-0"), Duration::ZERO);
        assert_eq!(apps.apply(pod("a-1"), "a".into(), REMEMBERED / 2), None);
        assert_eq!(apps.forget(REMEMBERED * 2), []);
    }

    #[test]
    fn a_pod_may_change_its_app() {
        let mut apps = Apps::default();
        apps.apply(pod("p"), "a".into(), Duration::ZERO);
        assert_eq!(
            apps.apply(pod("p"), "b".into(), Duration::ZERO),
            Some(app("b"))
        );
        assert_eq!(apps.forget(REMEMBERED), [app("a")]);
    }

    #[test]
    fn a_list_says_who_is_new_and_who_is_gone() {
        let mut apps = Apps::default();
        apps.apply(pod("a-0"), "a".into(), Duration::ZERO);
        let listed = [(pod("b-0"), Box::from("b"))];
        assert_eq!(apps.reset(listed, Duration::ZERO), [app("b")]);
        assert_eq!(apps.forget(REMEMBERED), [app("a")]);
        assert!(apps.knows(&app("b")));
    }

    #[test]
    fn namespaces_are_apart() {
        let mut apps = Apps::default();
        apps.apply(pod("a-0"), "a".into(), Duration::ZERO);
        let elsewhere = App {
            namespace: "bank".into(),
            id: "a".into(),
        };
        assert!(!apps.knows(&elsewhere));
    }
}
