//! Containers of pluggable components that a namespace's Components bring along.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvVar, VolumeMount};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{Warning, pod::nullable, shutdown::Delay, warning::quoted};

const CONTAINER: &str = "dapr.io/component-container";
/// The variable that names the folder of the sockets.
pub(crate) const SOCKETS_FOLDER: &str = "DAPR_COMPONENT_SOCKETS_FOLDER";

/// The part of a Component that injection depends on.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Component {
    /// Its name and annotations.
    #[serde(default, deserialize_with = "nullable")]
    metadata: Metadata,
    /// App-ids that may use it; none means all.
    #[serde(default, deserialize_with = "nullable")]
    scopes: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Metadata {
    #[serde(default, deserialize_with = "nullable")]
    name: String,
    #[serde(default, deserialize_with = "nullable")]
    annotations: BTreeMap<String, String>,
}

/// A container to be added, as its author wrote it: fields that we don't know are kept.
#[derive(Debug)]
pub(crate) struct ComponentContainer {
    name: String,
    image: Option<String>,
    volumes: Vec<String>,
    body: Map<String, Value>,
}

/// The containers for `app_id`, one per image, none with a name that is `taken`.
pub(crate) fn containers(
    components: &[Component],
    app_id: &str,
    taken: &[&str],
    warnings: &mut Vec<Warning>,
) -> Vec<ComponentContainer> {
    let mut accepted: Vec<ComponentContainer> = Vec::new();
    for component in components
        .iter()
        .filter(|component| component.is_for(app_id))
    {
        let Some(container) = component.container(warnings) else {
            continue;
        };
        let same_image = |one: &ComponentContainer| one.image == container.image;
        let same_name = |one: &ComponentContainer| one.name == container.name;
        if accepted.iter().any(same_image) {
            continue;
        }
        if taken.contains(&container.name.as_str()) || accepted.iter().any(same_name) {
            warnings.push(name_taken(&container.name));
            continue;
        }
        accepted.push(container);
    }
    accepted
}

fn name_taken(name: &str) -> Warning {
    Warning::new(format!(
        "the component container {} was not added, because the pod has another container of \
         that name; name it differently in the {CONTAINER} annotation of the Component",
        quoted(name)
    ))
}

// === impl Component ===

impl Component {
    fn is_for(&self, app_id: &str) -> bool {
        self.scopes.is_empty() || self.scopes.iter().any(|scope| scope == app_id)
    }

    fn container(&self, warnings: &mut Vec<Warning>) -> Option<ComponentContainer> {
        let text = self
            .metadata
            .annotations
            .get(CONTAINER)
            .filter(|text| !text.is_empty())?;
        let container = ComponentContainer::read(text, &self.metadata.name);
        if container.is_none() {
            let problem = format!(
                "of Component {} is no container and was ignored",
                quoted(&self.metadata.name)
            );
            let remedy = "write a container as JSON object";
            warnings.push(Warning::annotation(CONTAINER, text, &problem, remedy));
        }
        container
    }
}

// === impl ComponentContainer ===

impl ComponentContainer {
    fn read(text: &str, component: &str) -> Option<Self> {
        let mut body: Map<String, Value> = serde_json::from_str(text).ok()?;
        body.retain(|_, value| !value.is_null());
        if body.get("name").is_none_or(|name| name == "") {
            body.insert("name".into(), component.into());
        }
        // Only to learn whether the API server could read it.
        let container: Container = serde_json::from_value(Value::Object(body.clone())).ok()?;
        let mounts = container.volume_mounts.unwrap_or_default();
        let volumes = mounts.into_iter().map(|mount| mount.name).collect();
        Some(Self {
            name: container.name,
            image: container.image,
            volumes,
            body,
        })
    }

    /// Names of the volumes it mounts.
    pub(crate) fn volumes(&self) -> &[String] {
        &self.volumes
    }

    /// The container with the sockets' variable and mount at the end of its lists. Beside a
    /// `native` sidecar it is one as well, so that it ends with the pod; beside another it goes on
    /// for the `delay`, because daprd needs it as long.
    pub(crate) fn finish(
        mut self,
        variable: &EnvVar,
        mount: &VolumeMount,
        native: bool,
        delay: Option<Delay>,
    ) -> Result<Value, serde_json::Error> {
        push(&mut self.body, "env", serde_json::to_value(variable)?);
        push(&mut self.body, "volumeMounts", serde_json::to_value(mount)?);
        if native {
            self.body.insert("restartPolicy".into(), "Always".into());
        }
        if let Some(delay) = delay {
            let lifecycle = self.body.entry("lifecycle").or_insert_with(|| json!({}));
            if let Some(hooks) = lifecycle.as_object_mut() {
                hooks.entry("preStop").or_insert_with(|| delay.hook());
            }
        }
        Ok(Value::Object(self.body))
    }
}

fn push(body: &mut Map<String, Value>, list: &str, value: Value) {
    match body.get_mut(list) {
        Some(Value::Array(values)) => values.push(value),
        _ => {
            body.insert(list.into(), Value::Array(vec![value]));
        }
    }
}
