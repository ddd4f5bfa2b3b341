//! What mode a workload has, where its template may leave that to its namespace or the cluster.

use std::collections::BTreeMap;

use injector_core::shared::{Mode, ModeError};

/// What namespaces and the cluster say about the modes of workloads that say nothing.
#[derive(Clone, Debug, Default)]
pub struct Modes {
    cluster: Option<String>,
    namespaces: BTreeMap<Box<str>, String>,
}

// === impl Modes ===

impl Modes {
    /// What the cluster says.
    pub fn new(cluster: Option<String>) -> Self {
        Self {
            cluster,
            namespaces: BTreeMap::new(),
        }
    }

    /// Takes note of what a namespace says. Answers whether that is news.
    pub fn set(&mut self, namespace: &str, mode: Option<String>) -> bool {
        match mode {
            Some(mode) => self.namespaces.insert(namespace.into(), mode.clone()) != Some(mode),
            None => self.namespaces.remove(namespace).is_some(),
        }
    }

    /// What a namespace says.
    pub fn says(&self, namespace: &str) -> Option<&str> {
        self.namespaces.get(namespace).map(String::as_str)
    }

    /// The namespaces that say something.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.namespaces.keys().map(|namespace| &**namespace)
    }

    /// The mode of a workload; the first of template, namespace and cluster that says anything
    /// decides, also if it makes no sense.
    ///
    /// # Errors
    ///
    /// If what it says is no mode.
    pub fn of(&self, namespace: &str, said: Option<&str>) -> Result<Mode, ModeError> {
        let inherited = || {
            let namespace = self.namespaces.get(namespace);
            namespace.or(self.cluster.as_ref()).map(String::as_str)
        };
        said.or_else(inherited)
            .map_or(Ok(Mode::Sidecar), str::parse)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::nothing(None, None, None, Ok(Mode::Sidecar))]
    #[case::cluster(Some("shared-deployment"), None, None, Ok(Mode::SharedDeployment))]
    #[case::namespace(
        Some("shared-deployment"),
        Some("shared-daemonset"),
        None,
        Ok(Mode::SharedDaemonSet)
    )]
    #[case::template(None, Some("shared-daemonset"), Some("sidecar"), Ok(Mode::Sidecar))]
    #[case::mistake(
        None, Some("sidecar"), Some("Shared"), Err(ModeError("Shared".to_owned()))
    )]
    fn the_nearest_decides(
        #[case] cluster: Option<&str>,
        #[case] namespace: Option<&str>,
        #[case] template: Option<&str>,
        #[case] expected: Result<Mode, ModeError>,
    ) {
        let mut modes = Modes::new(cluster.map(str::to_owned));
        modes.set("shop", namespace.map(str::to_owned));
        assert_eq!(modes.of("shop", template), expected);
    }

    #[test]
    fn only_news_are_news() {
        let mut modes = Modes::default();
        assert!(!modes.set("shop", None));
        assert!(modes.set("shop", Some("sidecar".to_owned())));
        assert!(!modes.set("shop", Some("sidecar".to_owned())));
        assert!(modes.set("shop", None));
    }
}
