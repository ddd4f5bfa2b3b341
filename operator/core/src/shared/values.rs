//! From the values of Dapr Shared's chart to a `SharedInstance`.
//!
//! Each value that is understood is taken out of the tree, and told of if it can't be taken over;
//! what is left in the end is not understood (dapr-shared: `chart/dapr-shared/values.yaml`, of
//! versions 1.12 and 1.16).

use crds::shared_instance::SharedInstance;
use injector_core::shared::Names;
use kube_core::Resource as _;
use serde_json::{Map, Value, json};

mod taken;

/// A value that could not be taken over, and what to do instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The value's key, such as `shared.daprd.token`.
    pub key: String,
    /// Why it was left out, and what there is instead.
    pub text: String,
}

/// Values that make no `SharedInstance`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValuesError {
    /// No mapping.
    #[error("the values are no YAML mapping")]
    Shape,
    /// Keys that the chart does not have.
    #[error("these keys are not known: {}; correct or remove them", .0.join(", "))]
    Unknown(Vec<String>),
    /// A value that the chart could not use.
    #[error("{key} is {value}, which is not {expected}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// Its value, as JSON.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// There is no app ID that can have a shared instance.
    #[error("shared.appId can't be used: {0}")]
    AppId(#[from] injector_core::AppIdError),
}

/// The `SharedInstance` for the values of a release, in a namespace if it is given, and what was
/// left out.
///
/// # Errors
///
/// If a key is not known, or a value can't be used.
pub fn convert(
    values: Value,
    namespace: Option<&str>,
) -> Result<(Value, Vec<Remark>), ValuesError> {
    let mut values = Values::new(values)?;
    let app_id = values.text("shared.appId")?.unwrap_or_default();
    let names = Names::of(&app_id)?;
    let spec = values.spec()?;
    values.left_out();
    values.remark(
        "shared.appId",
        format!(
            "apps reach the instance at {} and {} on ports 3500 and 50001, and need its token: \
             annotate their pods with dapr.io/enabled, dapr.io/app-id and trilby.dev/mode",
            names.instance(),
            names.dapr_service(),
        ),
    );
    let unknown = values.leftovers();
    if !unknown.is_empty() {
        return Err(ValuesError::Unknown(unknown));
    }
    let mut metadata = json!({"name": app_id});
    if let Some(namespace) = namespace {
        metadata["namespace"] = namespace.into();
    }
    let instance = json!({
        "apiVersion": SharedInstance::api_version(&()),
        "kind": SharedInstance::kind(&()),
        "metadata": metadata,
        "spec": spec,
    });
    Ok((instance, values.remarks))
}

/// The values that were not taken yet.
struct Values {
    tree: Value,
    remarks: Vec<Remark>,
}

// === impl Values ===

impl Values {
    fn new(tree: Value) -> Result<Self, ValuesError> {
        let tree = if tree.is_null() { json!({}) } else { tree };
        tree.is_object().then_some(()).ok_or(ValuesError::Shape)?;
        Ok(Self {
            tree,
            remarks: Vec::new(),
        })
    }

    /// Takes a value out; `null` counts as absent, as in charts.
    fn take(&mut self, key: &str) -> Option<Value> {
        let (parents, last) = key.rsplit_once('.').unwrap_or(("", key));
        let mut place = &mut self.tree;
        for part in parents.split('.').filter(|part| !part.is_empty()) {
            place = place.get_mut(part)?;
        }
        let value = place.as_object_mut()?.remove(last)?;
        Some(value).filter(|value| !value.is_null())
    }

    fn text(&mut self, key: &'static str) -> Result<Option<String>, ValuesError> {
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let taken = self.parsed(key, "a text", text)?;
        Ok(taken.filter(|text| !text.is_empty()))
    }

    fn flag(&mut self, key: &'static str) -> Result<Option<bool>, ValuesError> {
        self.parsed(key, "true or false", |value| match value {
            Value::String(text) => text.parse().ok(),
            value => value.as_bool(),
        })
    }

    fn number(&mut self, key: &'static str) -> Result<Option<i64>, ValuesError> {
        self.parsed(key, "a whole number", |value| match value {
            Value::String(text) => text.parse().ok(),
            value => value.as_i64(),
        })
    }

    fn object(&mut self, key: &'static str) -> Result<Option<Map<String, Value>>, ValuesError> {
        let taken = self.parsed(key, "a mapping", |value| value.as_object().cloned())?;
        Ok(taken.filter(|map| !map.is_empty()))
    }

    fn parsed<T>(
        &mut self,
        key: &'static str,
        expected: &'static str,
        parse: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, ValuesError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        parse(&value)
            .map(Some)
            .ok_or_else(|| invalid(key, &value, expected))
    }

    fn remark(&mut self, key: &str, text: impl Into<String>) {
        self.remarks.push(Remark {
            key: key.to_owned(),
            text: text.into(),
        });
    }

    /// The keys that nobody took.
    fn leftovers(&self) -> Vec<String> {
        let mut keys = Vec::new();
        collect(&self.tree, String::new(), &mut keys);
        keys
    }
}

fn collect(value: &Value, key: String, keys: &mut Vec<String>) {
    match value.as_object() {
        Some(map) => {
            for (name, value) in map {
                let dot = if key.is_empty() { "" } else { "." };
                collect(value, format!("{key}{dot}{name}"), keys);
            }
        }
        None => keys.push(key),
    }
}

fn invalid(key: &'static str, value: &Value, expected: &'static str) -> ValuesError {
    ValuesError::Invalid {
        key,
        value: value.to_string(),
        expected,
    }
}

#[cfg(test)]
mod tests;
