//! Annotations that hold where a pod has none of their name: its namespace's, then the cluster's.

use std::collections::BTreeMap;

use crate::{app_id::APP_ID, enabled::ENABLED, pod::Metadata};

/// Dapr's annotations, and ours.
const PREFIXES: [&str; 2] = ["dapr.io/", "trilby.dev/"];
/// Others than the injector read these from the pod, or from the template of its controller, and
/// would not see a default: the API server's match conditions, the operator, the CLI.
const OF_PODS_ALONE: [&str; 7] = [
    ENABLED,
    APP_ID,
    "dapr.io/enable-metrics",
    "dapr.io/metrics-port",
    "dapr.io/grpc-port",
    "dapr.io/internal-grpc-port",
    "dapr.io/sidecar-svc-annotations",
];

/// Values for annotations that a pod lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults(BTreeMap<String, String>);

/// Where a setting comes from. The first place that has the annotation decides, also where its
/// value can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// An annotation of the pod.
    Pod,
    /// An annotation of its namespace.
    Namespace,
    /// The settings of the injector.
    Cluster,
    /// Nobody said anything.
    BuiltIn,
}

/// One setting of a sidecar, as it takes effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The annotation that decides it.
    pub annotation: String,
    /// Its value; none if nothing is set.
    pub value: Option<String>,
    /// Where that comes from.
    pub source: Source,
}

/// The places where an annotation is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layers<'a> {
    pub(crate) pod: &'a Metadata,
    pub(crate) namespace: &'a Defaults,
    pub(crate) cluster: &'a Defaults,
}

/// Whether an annotation is one of those that can be settings.
pub fn is_setting(annotation: &str) -> bool {
    PREFIXES.iter().any(|prefix| annotation.starts_with(prefix))
}

// === impl Defaults ===

impl Defaults {
    /// Takes up what can be a default. Also names the annotations of Dapr that only a pod can have.
    pub fn new(annotations: impl IntoIterator<Item = (String, String)>) -> (Self, Vec<String>) {
        let ours = annotations.into_iter().filter(|(key, _)| is_setting(key));
        let (refused, taken): (BTreeMap<_, _>, BTreeMap<_, _>) =
            ours.partition(|(key, _)| OF_PODS_ALONE.contains(&key.as_str()));
        (Self(taken), refused.into_keys().collect())
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of an annotation, if there is one.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
}

// === impl Source ===

impl Source {
    /// As it is shown to people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Namespace => "namespace",
            Self::Cluster => "cluster",
            Self::BuiltIn => "built-in",
        }
    }
}

// === impl Layers ===

impl<'a> Layers<'a> {
    pub(crate) fn find(&self, key: &str) -> Option<(&'a str, Source)> {
        let pod = self.pod.annotations.get(key).map(String::as_str);
        let places = [
            (pod, Source::Pod),
            (self.namespace.get(key), Source::Namespace),
            (self.cluster.get(key), Source::Cluster),
        ];
        places
            .into_iter()
            .find_map(|(value, source)| Some((value?, source)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
        let pairs = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        pairs.collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn takes_no_annotations_of_others_and_names_those_of_pods() {
        let (defaults, refused) = Defaults::new(pairs(&[
            ("dapr.io/log-level", "debug"),
            ("dapr.io/enabled", "true"),
            ("dapr.io/metrics-port", "1"),
            ("example.com/x", "y"),
        ]));
        assert_eq!(
            defaults,
            Defaults::new(pairs(&[("dapr.io/log-level", "debug")])).0
        );
        assert_eq!(refused, ["dapr.io/enabled", "dapr.io/metrics-port"]);
    }

    #[test]
    fn the_pod_wins_over_the_namespace_over_the_cluster() {
        let keys = ["dapr.io/a", "dapr.io/b", "dapr.io/c", "dapr.io/d"];
        let having = |number: usize, value: &str| {
            let keys = keys[..number]
                .iter()
                .map(|key| ((*key).to_owned(), value.to_owned()));
            keys.collect::<BTreeMap<_, _>>()
        };
        let pod = Metadata {
            annotations: having(1, ""),
            ..Metadata::default()
        };
        let (namespace, cluster) = (Defaults(having(2, "n")), Defaults(having(3, "c")));
        let layers = Layers {
            pod: &pod,
            namespace: &namespace,
            cluster: &cluster,
        };
        let found = keys.map(|key| layers.find(key));
        assert_eq!(
            found,
            [
                Some(("", Source::Pod)),
                Some(("n", Source::Namespace)),
                Some(("c", Source::Cluster)),
                None
            ]
        );
    }
}
