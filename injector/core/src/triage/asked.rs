//! Whether a pod wants Dapr, and how, by all that is said about it.

use config::truthy;

use super::Denial;
use crate::{
    Cluster, Defaults, Source, Warning,
    app_id::APP_ID,
    enabled::{ENABLED, is_enabled, is_known_false},
    pod::Metadata,
    shared::{Ask, ENABLE, MODE, Mode, SERVICE_MODE, ask},
};

/// What a pod asks for by itself; none if it wants no Dapr.
pub(super) fn asked(metadata: &Metadata) -> Option<Ask<'_>> {
    ask(&metadata.annotations, |label| {
        metadata.labels.contains_key(label)
    })
}

/// The mode that a pod asks for, or else its namespace, or else the cluster.
pub(super) fn mode(
    own: Option<&str>,
    cluster: &Cluster,
    namespace: &Defaults,
) -> Result<(Mode, Source), Denial> {
    let places = [
        (own, Source::Pod),
        (namespace.get(MODE), Source::Namespace),
        (cluster.defaults.get(MODE), Source::Cluster),
    ];
    let said = places
        .into_iter()
        .find_map(|(mode, place)| Some((mode?, place)));
    let Some((mode, place)) = said else {
        return Ok((Mode::Sidecar, Source::BuiltIn));
    };
    let unknown = |error| Denial::Mode { error, place };
    Ok((mode.parse().map_err(unknown)?, place))
}

/// Where a mode that nobody knows is, for those who look for it on the pod.
pub(super) const fn addition(place: Source) -> &'static str {
    match place {
        Source::Namespace => " (it is an annotation of the namespace)",
        Source::Cluster => " (it is one of the injector's defaults)",
        Source::Pod | Source::BuiltIn => "",
    }
}

/// What the author of a pod should hear that asks for Dapr, but not quite.
pub(super) fn almost_enabled(metadata: &Metadata) -> Vec<Warning> {
    let annotations = &metadata.annotations;
    let enabled = annotations.get(ENABLED);
    let warned = |key: &str, problem: &str, remedy: &str| {
        let value = annotations.get(key);
        value.map(|value| Warning::annotation(key, value, problem, remedy))
    };
    let warning = match enabled {
        Some(value) if is_enabled(value) => {
            let off = annotations
                .get(ENABLE)
                .is_some_and(|value| value == "false");
            let key = if off { ENABLE } else { SERVICE_MODE };
            let problem = "keeps the pod without Dapr, though dapr.io/enabled is \"true\"";
            warned(key, problem, "remove one of the two")
        }
        Some(value) if truthy(value) || !is_known_false(value) => {
            let problem = "is not \"true\", so the pod gets no sidecar";
            warned(ENABLED, problem, "write \"true\" or \"false\"")
        }
        Some(_) => None,
        None => {
            let problem = "has no effect without dapr.io/enabled";
            warned(MODE, problem, "set dapr.io/enabled to \"true\"")
        }
    };
    warning.into_iter().collect()
}

/// What the pod of a function lacks that sentry and the operator read.
pub(super) fn lacking(metadata: &Metadata, derived: Option<String>) -> Vec<(&'static str, String)> {
    let enabled = !metadata.annotations.contains_key(ENABLED);
    let enabled = enabled.then(|| (ENABLED, "true".to_owned()));
    let app_id = derived.map(|app_id| (APP_ID, app_id));
    enabled.into_iter().chain(app_id).collect()
}
